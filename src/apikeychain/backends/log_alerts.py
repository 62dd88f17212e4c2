"""Alerts to the log: one line for each, by the logger ``apikeychain.alerts``."""

import logging
from typing import ClassVar

from apikeychain.errors import BackendUnavailableError
from apikeychain.model.alert import Alert, Severity
from apikeychain.model.ledger import timestamp

_LEVELS: dict[Severity, int] = {"info": logging.INFO, "warning": logging.WARNING, "critical": logging.CRITICAL}


class LogAlerts:
    """Writes alerts to the log, at a level by their severity. See AlertSink.

    Whether the log's handlers keep the line is theirs: one that raises is told, and those of the standard library tell
    nobody. A level that lets less through leaves an alert out, as who set it wants it.

    Attributes:
        logger: the name of the logger.
    """

    logger: ClassVar[str] = "apikeychain.alerts"

    async def send(self, alert: Alert) -> None:
        """See AlertSink.send."""
        try:
            logging.getLogger(self.logger).log(_LEVELS[alert.severity], "%s", _line(alert))
        except Exception:  # noqa: BLE001 - a handler of the host's may raise whatever it likes
            broken = True
        else:
            broken = False
        if broken:
            msg = "a handler of the log raises"
            raise BackendUnavailableError(msg)


def _line(alert: Alert) -> str:
    whom = f"{alert.tenant}/{alert.project}" if alert.project else alert.tenant
    parts = {"what": alert.what, "why": alert.why, "done": alert.done, "todo": alert.todo}
    told = "; ".join(f"{name}: {part}" for name, part in parts.items() if part)
    text = f"{alert.id} {timestamp(alert.at)} {alert.severity} {alert.topic} of {whom}: {told}"
    return "".join(each if each.isprintable() else " " for each in text)
