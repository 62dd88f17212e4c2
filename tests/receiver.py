"""Who receives alerts by a webhook, over TLS: it verifies with another library and answers as it is told."""

import base64
from typing import Any

from standardwebhooks import Webhook

from apikeychain.testing.local_provider import LocalProvider, Visit

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
NEXT_SECRET = "whsec_" + base64.b64encode(bytes(range(32, 64))).decode()


class Receiver:
    """One receiver.

    Attributes:
        verified: the messages that it took, each of which it verified.
        ids: those of all that it was sent.
    """

    def __init__(self, provider: LocalProvider, secret: str = SECRET) -> None:
        self.provider, self._webhook = provider, Webhook(secret)
        self.verified: list[dict[str, Any]] = []
        self.ids: list[str] = []
        self._said: list[int] = [204]
        provider.on("/alerts", self._answer)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.provider.port}/alerts"

    def says(self, *statuses: int) -> None:
        """Answer with these, one after another, and with the last from then on; 0 is none at all."""
        self._said = [*statuses]

    async def _answer(self, visit: Visit) -> None:
        await visit.read_all()
        lines = {name.decode(): value.decode() for name, value in visit.received.lines}
        self.ids.append(lines["webhook-id"])
        status = self._said.pop(0) if len(self._said) > 1 else self._said[0]
        if status == 0:
            visit.cut()
            return
        if status in {200, 204}:
            self.verified.append(self._webhook.verify(bytes(visit.received.body), lines))
        elsewhere = b"https://localhost:%d/elsewhere" % self.provider.port
        await visit.answer(status, [(b"location", elsewhere)], b"" if status == 204 else b"a-text-of-the-receiver")
