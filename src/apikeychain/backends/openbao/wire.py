"""One request to an OpenBao and its answer. Whatever the client raises stays here: it holds headers with the token.

Source: OpenBao API documentation, "HTTP API" (headers, status codes); contracts 4, "Connection".
"""

import asyncio
import json
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import httpx

from apikeychain.backends.openbao.dialling import Transport
from apikeychain.backends.openbao.place import Place
from apikeychain.backends.patience import CONNECT_SECONDS, TOTAL_SECONDS
from apikeychain.secret import Secret

MAX_ANSWER_BYTES = 64 * 1024

NO_ANSWER = 0
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

    Making one mutes the loggers ``httpx`` and ``httpcore`` below WARNING: they write what is asked.

    Args:
        place: where it is.
        context: of its TLS, if it is not on this machine.
    """

    def __init__(self, place: Place, context: ssl.SSLContext) -> None:
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._base = place.base
        lines = {"accept-encoding": "identity", "user-agent": "apikeychain", "x-vault-request": "true"}
        if place.namespace:
            lines["x-vault-namespace"] = place.namespace
        self._client = httpx.AsyncClient(
            transport=Transport(context, place),
            headers=lines,
            timeout=httpx.Timeout(TOTAL_SECONDS, connect=CONNECT_SECONDS),
            follow_redirects=False,
            trust_env=False,
        )

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
        request = self._client.build_request(
            "GET" if body is None else "POST", f"{self._base}/v1/{path}", json=body, headers=lines
        )
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                return await self._sent(request)
        except Exception as error:  # noqa: BLE001 - whatever a client raises may hold the request with its token
            untrusted = "CERTIFICATE_VERIFY_FAILED" in str(error)
        reason = "its certificate is not trusted: give ca_file=" if untrusted else "it does not answer"
        return Answer(NO_ANSWER, reason=reason)

    async def _sent(self, request: httpx.Request) -> Answer:
        response = await self._client.send(request, stream=True)
        try:
            raw = b""
            async for piece in response.aiter_raw():
                raw += piece
                if len(raw) > MAX_ANSWER_BYTES:
                    return Answer(NO_ANSWER, reason="its answer is too long")
        finally:
            await response.aclose()
        return Answer(response.status_code, _object(raw))


def _object(raw: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return cast("Mapping[str, Any]", body) if isinstance(body, dict) else {}
