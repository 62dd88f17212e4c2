"""The connections of the HTTP client: few, none kept for long, and none left open by a handshake that was cut short."""

import ssl
from collections.abc import Iterable

import httpcore
import httpx

from apikeychain.backends.handshake import Dialled, SocketOption, time_left
from apikeychain.backends.openbao.place import Place

# Below what a small OpenBao takes at once; who finds none free in time is told that it does not answer.
_CONNECTIONS = 16
# Idle ones end before a server or a device between closes them unseen.
_KEPT_SECONDS = 15.0


class Transport(httpx.AsyncHTTPTransport):
    """httpx's own transport on such a pool."""

    def __init__(self, context: ssl.SSLContext, place: Place) -> None:
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=_CONNECTIONS,
            keepalive_expiry=_KEPT_SECONDS,
            uds=place.socket or None,
            network_backend=_Backend() if place.base.startswith("https:") else None,
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
