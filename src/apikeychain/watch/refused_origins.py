"""Names refused origins in the log: the first thing that every developer meets.

Whoever sends a new origin with each call must not fill the log: of one project at most ten are named in a minute.

Source: contracts 2.
"""

import logging

EVERY_SECONDS = 60.0
MOST_OF_A_PROJECT = 10
MAX_PROJECTS = 1_000
_log = logging.getLogger("apikeychain.gate")


class RefusedOrigins:
    """Names each refused origin of a project at most once a minute, and at most ten of them."""

    def __init__(self) -> None:
        self._minutes: dict[str, tuple[float, set[str]]] = {}

    def note(self, project: str, hint: str, seconds: float) -> None:
        """Log a refusal.

        Args:
            project: the id of a project that exists.
            hint: the sentence that names the origin and the command that allows it.
            seconds: the moment, on a monotonic clock.
        """
        began, named = self._minutes.pop(project, (seconds, set[str]()))
        if seconds - began >= EVERY_SECONDS:
            began, named = seconds, set[str]()
        self._minutes[project] = began, named
        if len(self._minutes) > MAX_PROJECTS:
            del self._minutes[next(iter(self._minutes))]
        if hint not in named and len(named) < MOST_OF_A_PROJECT:
            named.add(hint)
            _log.warning("project %s: %s", project, hint)
