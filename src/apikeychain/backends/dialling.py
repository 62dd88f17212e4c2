"""One request to an operator's server, and its answer: bounded in time and size, and nothing of either is told.

The connections are few, none is kept for long, and none is left open by a handshake that was cut short.

Source: contracts 4, "Connection".
"""

import asyncio
import logging
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

import httpcore
import httpx

from apikeychain.backends.handshake import Dialled, SocketOption, time_left
from apikeychain.backends.patience import CONNECT_SECONDS, TOTAL_SECONDS

NO_ANSWER = 0

# Below what a small server takes at once; who finds none free in time is told that it does not answer.
_CONNECTIONS = 16
# Idle ones end before a server or a device between closes them unseen.
_KEPT_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Came:
    """What came back.

    Attributes:
        status: of HTTP, or NO_ANSWER.
        reason: for the operator, where there was no answer.
    """

    status: int
    body: bytes = field(default=b"", repr=False)
    reason: str = ""


@final
class Client:
    """Asks one server, in one event loop. Whatever httpx raises stays here: it holds the URL and the header lines.

    Making one mutes the loggers ``httpx`` and ``httpcore`` below WARNING: they write what is asked.

    Args:
        context: of its TLS.
        lines: of every request.
        most: bytes of an answer.
        is_tls: whether TLS is spoken there.
        socket: the path of its Unix socket, or "".
    """

    def __init__(
        self, context: ssl.SSLContext, lines: Mapping[str, str], most: int, *, is_tls: bool, socket: str = ""
    ) -> None:
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._most = most
        self._client = httpx.AsyncClient(
            transport=Transport(context, is_tls=is_tls, socket=socket),
            headers={"accept-encoding": "identity", "user-agent": "apikeychain", **lines},
            timeout=httpx.Timeout(TOTAL_SECONDS, connect=CONNECT_SECONDS),
            follow_redirects=False,
            trust_env=False,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def ask(self, method: str, url: str, **given: Any) -> Came:  # noqa: ANN401 - what httpx makes a request of
        """Ask once; without an answer it is one that says so."""
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                return await self._sent(self._client.build_request(method, url, **given))
        except Exception as error:  # noqa: BLE001 - whatever a client raises may hold the request with its secret
            untrusted = "CERTIFICATE_VERIFY_FAILED" in str(error)
        return Came(
            NO_ANSWER, reason="its certificate is not trusted: give ca_file=" if untrusted else "it does not answer"
        )

    async def _sent(self, request: httpx.Request) -> Came:
        response = await self._client.send(request, stream=True)
        try:
            raw = bytearray()
            async for piece in response.aiter_raw():
                raw += piece
                if len(raw) > self._most:
                    return Came(NO_ANSWER, reason="its answer is too long")
        finally:
            await response.aclose()
        return Came(response.status_code, bytes(raw))


class Transport(httpx.AsyncHTTPTransport):
    """httpx's own transport on such a pool.

    Args:
        context: of its TLS.
        is_tls: whether it is spoken there.
        socket: the path of its Unix socket, or "".
    """

    def __init__(self, context: ssl.SSLContext, *, is_tls: bool, socket: str = "") -> None:
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=_CONNECTIONS,
            keepalive_expiry=_KEPT_SECONDS,
            uds=socket or None,
            network_backend=_Backend() if is_tls else None,
        )


class _Backend(httpcore.AsyncNetworkBackend):
    """Dials for TLS: address and handshake share one budget of time."""

    def __init__(self) -> None:
        self._dialler: httpcore.AsyncNetworkBackend = httpcore.AnyIOBackend()  # pyright: ignore[reportAttributeAccessIssue]  # the stand-in without anyio

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # the signature is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        left = time_left(timeout)
        return Dialled(await self._dialler.connect_tcp(host, port, timeout, local_address, socket_options), left)
