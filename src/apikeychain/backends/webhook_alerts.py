"""Alerts to a signed webhook: one POST for each, which any library of Standard Webhooks verifies.

::

    webhook-id: <the alert's id>, the same when it is sent again

    {"type":"<topic>","timestamp":"<when it happened>","data":{"id","tenant","project","severity",
                                                               "what","why","done","todo"}}

Any answer of 200 to 299 says that the alert was taken.

Source: Standard Webhooks, "Payload structure"; contracts 8.
"""

import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

from apikeychain.backends.opened_lines import OpenedLines
from apikeychain.backends.webhook import WebhookLine, WebhookPlace, why_not
from apikeychain.errors import BackendUnavailableError
from apikeychain.model.alert import Alert
from apikeychain.model.ledger import timestamp
from apikeychain.proof.reading import canonical_json
from apikeychain.secret import Secret

# Nothing of it is looked at.
_MAX_ANSWER_BYTES = 64 * 1024
_TAKEN = range(HTTPStatus.OK, HTTPStatus.MULTIPLE_CHOICES)


class WebhookAlerts:
    """Sends alerts to a URL, signed as Standard Webhooks has it. See AlertSink.

    An async context manager, in each event loop or often. Entering it asks nobody.

    Args:
        url: ``https://host[:port]/path``; ``http://`` for a loopback host.
        secrets: ``whsec_`` and base64, as the receiver has it; two while it changes to another.
        ca_file: the authorities that its certificate may come from; None for those of the system.
        now: the wall clock, unix seconds.

    Raises:
        SettingsError: with every problem of what is given.
    """

    def __init__(
        self,
        url: str,
        secrets: Sequence[Secret],
        *,
        ca_file: Path | str | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._place = WebhookPlace(url, secrets=secrets, ca_file=ca_file, most=_MAX_ANSWER_BYTES, now=now)
        self._lines: OpenedLines[WebhookLine] = OpenedLines("alert sink")

    async def __aenter__(self) -> Self:
        """Open it in this event loop.

        Raises:
            SettingsError: the authorities cannot be read.
        """
        await self._lines.enter(self._place.line)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close what belongs to this event loop."""
        await self._lines.leave()

    async def send(self, alert: Alert) -> None:
        """See AlertSink.send."""
        came = await self._lines.here.ask(alert.id, canonical_json(_members(alert)))
        if came.status not in _TAKEN:
            raise BackendUnavailableError(why_not(came.status, came.reason))


def _members(alert: Alert) -> dict[str, Any]:
    told = ("id", "tenant", "project", "severity", "what", "why", "done", "todo")
    data = {name: getattr(alert, name) for name in told}
    return {"type": alert.topic, "timestamp": timestamp(alert.at), "data": data}
