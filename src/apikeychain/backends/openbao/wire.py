"""One request to an OpenBao and its answer. Whatever the client raises stays here: it holds headers with the token.

Source: OpenBao API documentation, "HTTP API" (headers, status codes); contracts 4, "Connection".
"""

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from apikeychain.backends.dialling import NO_ANSWER, Client
from apikeychain.backends.openbao.place import Place
from apikeychain.secret import Secret

MAX_ANSWER_BYTES = 64 * 1024

BAD_REQUEST, FORBIDDEN, NOT_FOUND, THROTTLED = 400, 403, 404, 429
_OK, _NO_CONTENT, _SERVER, _SEALED = 200, 204, 500, 503


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        status: of HTTP, or NO_ANSWER.
        body: its JSON object, empty where it is none.
        reason: for the operator, where there was no answer.
    """

    status: int
    body: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    reason: str = "it does not answer"

    @property
    def is_good(self) -> bool:
        """Whether what was asked was done."""
        return self.status in {_OK, _NO_CONTENT}

    @property
    def is_told(self) -> bool:
        """Whether the engine behind it has judged what was asked."""
        return self.is_good or self.status in {BAD_REQUEST, NOT_FOUND}

    @property
    def is_failure(self) -> bool:
        """See Told. A refusal concerns what was asked."""
        return not self.is_told and self.status != FORBIDDEN

    @property
    def is_passing(self) -> bool:
        """See Told."""
        return self.status in {NO_ANSWER, THROTTLED} or self.status >= _SERVER

    def why(self, refused: str) -> str:
        """See Told."""
        if self.status == NO_ANSWER:
            return self.reason
        if self.status == THROTTLED:
            return "it is throttled by a quota"
        if self.status == _SEALED:
            return "it is sealed, or has no active node"
        if BAD_REQUEST <= self.status < _SERVER:
            return f"it refuses ({self.status}): {refused}"
        return f"its answer ({self.status}) is not one that is known"

    @property
    def errors(self) -> str:
        """What OpenBao says went wrong: to be compared, never to be shown."""
        return str(self.body.get("errors"))

    def part(self, name: str) -> Mapping[str, Any]:
        """An object in the body, empty where it is missing."""
        part = self.body.get(name)
        return cast("Mapping[str, Any]", part) if isinstance(part, dict) else {}


class Wire:
    """The connections to one OpenBao in one event loop.

    Args:
        place: where it is.
        context: of its TLS, if it is not on this machine.
    """

    def __init__(self, place: Place, context: ssl.SSLContext) -> None:
        self._base = place.base
        lines = {"x-vault-request": "true"}
        if place.namespace:
            lines["x-vault-namespace"] = place.namespace
        is_tls = place.base.startswith("https:")
        self._client = Client(context, lines, MAX_ANSWER_BYTES, is_tls=is_tls, socket=place.socket)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def send(self, path: str, body: Mapping[str, object] | None, token: Secret | None) -> Answer:
        """Ask once; without an answer it is one that says so.

        Args:
            path: below ``/v1/``, of validated names.
            body: what is posted; None reads.
            token: who asks; None where that is still to be said.
        """
        lines = {} if token is None else {b"x-vault-token": token.reveal()}
        method = "GET" if body is None else "POST"
        came = await self._client.ask(method, f"{self._base}/v1/{path}", json=body, headers=lines)
        return Answer(came.status, _object(came.body), reason=came.reason)


def _object(raw: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return cast("Mapping[str, Any]", body) if isinstance(body, dict) else {}
