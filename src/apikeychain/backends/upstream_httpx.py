"""An Upstream on httpx, for hosts whose tests intercept httpx (respx) or who have it already.

It sends a body to its end before it reads an answer; aiohttp hands over an early one.
"""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Iterable
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Self

import httpcore
import httpx

from apikeychain.backends.exchange import KEPT_SECONDS, Exchange
from apikeychain.backends.handshake import Dialled, SocketOption, time_left
from apikeychain.backends.tls import client_context
from apikeychain.backends.upload import Upload
from apikeychain.errors import UpstreamRefusedError
from apikeychain.model.call import UpstreamReply, UpstreamRequest
from apikeychain.model.network import Network
from apikeychain.ports.upstream import Guard

# Fewer than aiohttp may keep: for each request httpcore goes through all connections, once for each idle one.
_KEPT_CONNECTIONS = 100


class HttpxUpstream:
    """Sends requests with httpx. See Upstream.

    An async context manager: leaving it closes its connections. Each event loop and each Network has connections of its
    own. Making one mutes the loggers ``httpx`` and ``httpcore`` below WARNING: they write whole URLs and header lines.

    Args:
        guard: the only source of addresses.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._clients: dict[tuple[asyncio.AbstractEventLoop, Network], httpx.AsyncClient] = {}
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        loop = asyncio.get_running_loop()
        for key in [key for key in self._clients if key[0] is loop]:
            await self._clients.pop(key).aclose()

    async def send(self, request: UpstreamRequest) -> UpstreamReply:
        """See Upstream.send."""
        exchange = Exchange(request, late=(httpx.TimeoutException,))
        response = await exchange.head(self._send(request, exchange))
        chunks = response.aiter_raw()

        async def read() -> bytes:
            return await anext(chunks, b"")

        async def close() -> None:
            with contextlib.suppress(httpx.HTTPError):
                await response.aclose()

        return await exchange.reply(response.status_code, tuple(response.headers.raw), read, close)

    async def _send(self, request: UpstreamRequest, exchange: Exchange) -> httpx.Response:
        url = _url(request)
        client = await self._client(request.network)
        self._guard.admit(request.host, request.port, request.network)
        times: dict[str, float | None] = {
            "connect": request.timeouts.connect,
            "pool": request.timeouts.connect,
            "read": exchange.client_seconds,
            "write": request.timeouts.idle,
        }
        lines = exchange.lines
        if exchange.upload is not None and exchange.upload.length is None:
            lines = [*lines, (b"transfer-encoding", b"chunked")]
        response = await client.send(
            httpx.Request(
                request.method,
                url,
                headers=lines,
                stream=_Stream(exchange.upload) if exchange.upload is not None else httpx.ByteStream(b""),
                extensions={"target": request.target, "timeout": times},
            ),
            stream=True,
            auth=None,
            follow_redirects=False,
        )
        # httpcore looks here again for the body, whose chunks the exchange waits for.
        times["read"] = None
        return response

    async def _client(self, network: Network) -> httpx.AsyncClient:
        key = (asyncio.get_running_loop(), network)
        if (client := self._clients.get(key)) is not None:
            return client
        self._clients = {key: client for key, client in self._clients.items() if not key[0].is_closed()}
        context = await asyncio.to_thread(client_context, network)
        return self._clients.setdefault(
            key,
            httpx.AsyncClient(
                transport=_Transport(context, _Backend(self._guard, network)),
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
                trust_env=False,
            ),
        )


class _Stream(httpx.AsyncByteStream):
    """An upload as httpx takes it."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._upload)


class _Transport(httpx.AsyncHTTPTransport):
    """httpx's own transport on a pool that dials through the guard, and whose idle connections end by themselves."""

    def __init__(self, context: ssl.SSLContext, backend: httpcore.AsyncNetworkBackend) -> None:
        super().__init__(verify=context, trust_env=False)
        self._pool = _Pool(context, backend)
        self._timer: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._timer is None:
            self._look_later()
        return await super().handle_async_request(request)

    def _look_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(KEPT_SECONDS, self._look)

    def _look(self) -> None:
        """Close what expired: httpcore does it only when the next request comes."""
        self._timer = None
        live = [connection for connection in self._pool.connections if not connection.is_closed()]
        expired = [connection for connection in live if connection.is_idle() and connection.has_expired()]
        if len(live) > len(expired):
            self._look_later()
        if expired:
            self._closing = asyncio.get_running_loop().create_task(_close(expired))


class _Pool(httpcore.AsyncConnectionPool):
    """Any number of connections in use, and a bounded number of idle ones, of which none has said anything since."""

    def __init__(self, context: ssl.SSLContext, backend: httpcore.AsyncNetworkBackend) -> None:
        # No limit here: one provider that hangs would take the connections of all others.
        super().__init__(max_connections=None, max_keepalive_connections=_KEPT_CONNECTIONS)
        self._context, self._backend = context, backend

    def create_connection(self, origin: httpcore.Origin) -> httpcore.AsyncConnectionInterface:
        return _Connection(
            origin, ssl_context=self._context, keepalive_expiry=KEPT_SECONDS, network_backend=self._backend
        )


class _Connection(httpcore.AsyncHTTPConnection):
    """Has expired, too, where something is left over: httpcore would take it for the answer to the next request."""

    def has_expired(self) -> bool:
        return super().has_expired() or (self.is_idle() and self._has_rest())

    def _has_rest(self) -> bool:
        held = self._connection
        return isinstance(held, httpcore.AsyncHTTP11Connection) and bool(held._h11_state.trailing_data[0])  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # nothing public tells it


async def _close(connections: Iterable[httpcore.AsyncConnectionInterface]) -> None:
    for connection in connections:
        # One may have got a request while another was closed.
        if connection.is_idle():
            await connection.aclose()


class _Backend(httpcore.AsyncNetworkBackend):
    """Dials what the guard hands out, one address after another, within one budget of time."""

    def __init__(self, guard: Guard, network: Network) -> None:
        self._guard, self._network = guard, network
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
        async with asyncio.timeout(left()):
            addresses = list(await self._guard.addresses(host, port, self._network))
        failure: Exception = httpcore.ConnectError()
        for index, address in enumerate(addresses):
            share = left() / (len(addresses) - index)
            try:
                return Dialled(
                    await self._dialler.connect_tcp(address, port, share, local_address, socket_options), left
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


def _url(request: UpstreamRequest) -> httpx.URL:
    """The URL that httpx sees, compared with what was asked for.

    Raises:
        UpstreamRefusedError: they differ in a byte.
    """
    url = httpx.URL(request.url)
    if (url.raw_host, url.port or 443, url.raw_path) != (request.host.encode(), request.port, request.target):
        msg = f"{request.host}: the request target cannot be sent byte for byte"
        raise UpstreamRefusedError(msg)
    return url
