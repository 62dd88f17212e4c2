"""What the log says of a project's calls: refused origins, routes that are not served, and quotas.

The first two are what every developer meets.

Whoever sends a new origin with each call must not fill the log: of one project at most ten things are said in a minute.

Source: contracts 2, 7.
"""

import logging

EVERY_SECONDS = 60.0
MOST_OF_A_PROJECT = 10
MAX_PROJECTS = 1_000
_log = logging.getLogger("apikeychain.gate")


class Mentions:
    """Says each sentence of a project at most once a minute, and at most ten of them."""

    def __init__(self) -> None:
        self._minutes: dict[str, tuple[float, set[str]]] = {}

    def note(self, project: str, sentence: str, seconds: float) -> None:
        """Log a sentence.

        Args:
            project: the id of a project that exists.
            sentence: for the developer; of what callers send, it names a refused origin and nothing else.
            seconds: the moment, on a monotonic clock.
        """
        if self._is_new(project, sentence, seconds):
            _log.warning("project %s: %s", project, sentence)

    def close(self, reason: str, seconds: float) -> None:
        """Log why no project is served: each call meets it."""
        if self._is_new("", reason, seconds):
            _log.error("the gate is closed: %s", reason)

    def _is_new(self, project: str, sentence: str, seconds: float) -> bool:
        began, said = self._minutes.pop(project, (seconds, set[str]()))
        if seconds - began >= EVERY_SECONDS:
            began, said = seconds, set[str]()
        self._minutes[project] = began, said
        if len(self._minutes) > MAX_PROJECTS:
            del self._minutes[next(iter(self._minutes))]
        if sentence in said or len(said) >= MOST_OF_A_PROJECT:
            return False
        said.add(sentence)
        return True
