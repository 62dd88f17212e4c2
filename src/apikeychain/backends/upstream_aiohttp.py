"""The default Upstream, on aiohttp: about a tenth of httpx's work for a call."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from multidict import CIMultiDict
from yarl import URL

from apikeychain.backends.door import Door
from apikeychain.backends.exchange import KEPT_SECONDS, Exchange
from apikeychain.backends.tls import client_context
from apikeychain.errors import UpstreamRefusedError
from apikeychain.model.call import UpstreamReply, UpstreamRequest
from apikeychain.model.network import Network
from apikeychain.ports.upstream import Guard

_MAX_LINE = 16 * 1024
_LOOK_SECONDS = 1.0
_KEPT_CONNECTIONS = 1_000
_NO_HEADERS_OF_ITS_OWN = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class AiohttpUpstream:
    """Sends requests with aiohttp. See Upstream.

    An async context manager: leaving it closes its connections. Each event loop and each Network has connections of its
    own. Nothing is ever sent twice: aiohttp's second try after a broken connection is off, so one call is one request
    and each was admitted by the guard.

    Args:
        guard: the only source of addresses.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._sessions: dict[tuple[asyncio.AbstractEventLoop, Network], aiohttp.ClientSession] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        loop = asyncio.get_running_loop()
        await self._close(lambda other: other is loop or other.is_closed())

    async def send(self, request: UpstreamRequest) -> UpstreamReply:
        """See Upstream.send."""
        exchange = Exchange(request)
        response = await exchange.head(self._send(request, exchange))

        async def read() -> bytes:
            return await _next(response)

        async def close() -> None:
            response.close()

        if exchange.upload is not None:
            exchange.upload.cut(response.close)
        return await exchange.reply(response.status, response.raw_headers, read, close)

    async def _send(self, request: UpstreamRequest, exchange: Exchange) -> aiohttp.ClientResponse:
        url, lines = _url(request), _lines(exchange)
        session = await self._session(request.network)
        self._guard.admit(request.host, request.port, request.network)
        response = await session.request(
            request.method,
            url,
            headers=lines,
            data=request.body if exchange.is_small else exchange.upload,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(
                total=None, connect=request.timeouts.connect, sock_read=exchange.client_seconds
            ),
        )
        protocol = response.connection and response.connection.protocol
        if protocol is not None:
            # From here on the exchange watches the time between chunks.
            protocol.read_timeout = None
            protocol.start_timeout()
        return response

    async def _session(self, network: Network) -> aiohttp.ClientSession:
        key = (asyncio.get_running_loop(), network)
        if (session := self._sessions.get(key)) is not None:
            return session
        await self._close(lambda loop: loop.is_closed())
        context = await asyncio.to_thread(client_context, network)
        if (session := self._sessions.get(key)) is not None:
            return session
        connector = _Connector(
            resolver=Door(self._guard, network),
            use_dns_cache=False,
            ssl=context,
            # No limit here: one provider that hangs would take the connections of all others.
            limit=0,
            keepalive_timeout=KEPT_SECONDS,
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_NO_HEADERS_OF_ITS_OWN,
            auto_decompress=False,
            trust_env=False,
            response_class=_Answer,
            max_line_size=_MAX_LINE,
            max_field_size=_MAX_LINE,
        )
        session._retry_connection = False  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # no public switch for it
        self._sessions[key] = session
        return session

    async def _close(self, ended: Callable[[asyncio.AbstractEventLoop], bool]) -> None:
        for key in [key for key in self._sessions if ended(key[0])]:
            await self._sessions.pop(key).close()


async def _next(response: aiohttp.ClientResponse) -> bytes:
    """The next chunk. After malformed framing aiohttp drops the connection and wakes no reader (3.14): look for it.

    Raises:
        ConnectionError: the connection is gone and the answer has not ended.
    """
    while True:
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                return await response.content.readany()
        except TimeoutError:
            if response.connection is None or response.connection.closed:
                raise ConnectionError from None


class _Connector(aiohttp.TCPConnector):
    """Any number of connections in use, and a bounded number of idle ones, of which none has said anything since."""

    async def _get(self, key: ConnectionKey, traces: list[Trace]) -> Connection | None:
        while (connection := await super()._get(key, traces)) is not None:
            # aiohttp would take what is left over for the answer to the next request.
            if connection.protocol is not None and not connection.protocol.should_close:
                return connection
            connection.close()
        return None

    def _release(self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        idle = sum(map(len, self._conns.values()))
        super()._release(key, protocol, should_close=should_close or idle >= _KEPT_CONNECTIONS)


class _Answer(aiohttp.ClientResponse):
    """Cuts its connection where aiohttp would say goodbye first, which waits for a peer that has stopped reading.

    Its repr has no URL: aiohttp logs the repr of an answer that nobody closed.
    """

    def __repr__(self) -> str:
        return f"<answer {self.status}>"

    def close(self) -> None:
        transport = self.connection and self.connection.transport
        super().close()
        if transport is not None:
            transport.abort()


def _url(request: UpstreamRequest) -> URL:
    """The URL that aiohttp sends, compared with what was asked for.

    Raises:
        UpstreamRefusedError: they differ in a byte.
    """
    url = URL(request.url, encoded=True)
    sent = (url.scheme, url.raw_host, url.port, url.raw_path_qs.encode("ascii"), str(url))
    if sent != (request.scheme, request.host, request.port, request.target, request.url):
        msg = f"{request.host}: the request target cannot be sent byte for byte"
        raise UpstreamRefusedError(msg)
    return url


def _lines(exchange: Exchange) -> CIMultiDict[str]:
    """The header lines as aiohttp takes them: it writes text as UTF-8, so other bytes raise here."""
    return CIMultiDict((name.decode("ascii"), value.decode("utf-8")) for name, value in exchange.lines)
