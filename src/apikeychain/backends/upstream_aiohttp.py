"""The default Upstream, on aiohttp's connections and parser."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from apikeychain.backends.aiohttp_call import AiohttpCall
from apikeychain.backends.connections import Connection, Connections
from apikeychain.backends.failures import told
from apikeychain.backends.heads import head_of
from apikeychain.backends.tls import client_context
from apikeychain.backends.upload import SLICE, Upload
from apikeychain.model.call import UpstreamReply, UpstreamRequest
from apikeychain.model.network import Network
from apikeychain.model.route import LONGEST_SECONDS
from apikeychain.ports.upstream import Guard


class AiohttpUpstream:
    """Sends requests with aiohttp. See Upstream.

    An async context manager: leaving it closes its connections. Each event loop and each Network has connections of its
    own. Nothing is ever sent twice, so one call is one request and each was admitted by the guard.

    Args:
        guard: the only source of addresses.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._pools: dict[tuple[asyncio.AbstractEventLoop, Network], Connections] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        loop = asyncio.get_running_loop()
        await self._close(lambda other: other is loop or other.is_closed())

    async def send(self, request: UpstreamRequest) -> UpstreamReply:
        """See Upstream.send."""
        host, port, network, upload = request.host, request.port, request.network, _upload_of(request)
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            head = head_of(request)
            pool = self._pools.get((loop, network)) or await self._open(loop, network)
            self._guard.admit(host, port, network)
            connection = pool.take(host, port)
            if connection is None:
                connection = await _dialled(pool, request, began)
            return await AiohttpCall(request, upload, pool, connection, began).reply(head)
        except Exception as error:  # noqa: BLE001  # whatever a client raises may hold a URL with a secret in it
            failure = told(error, host, upload)
        # Out here, so that the client's exception is not even the context of ours.
        raise failure

    async def _open(self, loop: asyncio.AbstractEventLoop, network: Network) -> Connections:
        await self._close(lambda other: other.is_closed())
        context = await asyncio.to_thread(client_context, network)
        if (pool := self._pools.get((loop, network))) is None:
            pool = self._pools[loop, network] = Connections(self._guard, network, context)
        return pool

    async def _close(self, ended: Callable[[asyncio.AbstractEventLoop], bool]) -> None:
        for key in [key for key in self._pools if ended(key[0])]:
            await self._pools.pop(key).close()


async def _dialled(pool: Connections, request: UpstreamRequest, began: float) -> Connection:
    ends = began + (request.timeouts.total or LONGEST_SECONDS)
    now = asyncio.get_running_loop().time()
    async with asyncio.timeout_at(min(ends, now + request.timeouts.connect)):
        return await pool.dial(request.host, request.port)


def _upload_of(request: UpstreamRequest) -> Upload | None:
    """The body of `request`, where it is not sent with the head."""
    if isinstance(request.body, bytes) and len(request.body) <= SLICE:
        return None
    return Upload.of(request)
