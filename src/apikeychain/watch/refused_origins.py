"""Names refused origins in the log: the first thing that every developer meets.

Source: contracts 2.
"""

import logging

EVERY_SECONDS = 60.0
MAX_NAMED = 1_000
_log = logging.getLogger("apikeychain.gate")


class RefusedOrigins:
    """Names each refused origin of a project at most once a minute."""

    def __init__(self) -> None:
        self._named: dict[tuple[str, str], float] = {}

    def note(self, project: str, hint: str, seconds: float) -> None:
        """Log a refusal.

        Args:
            project: the project's id.
            hint: the sentence that names the origin and the command that allows it.
            seconds: the moment, on a monotonic clock.
        """
        key = (project, hint)
        last = self._named.get(key)
        if last is not None and seconds - last < EVERY_SECONDS:
            return
        if len(self._named) >= MAX_NAMED:
            self._named.clear()
        self._named[key] = seconds
        _log.warning("project %s: %s", project, hint)
