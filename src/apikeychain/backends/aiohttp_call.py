"""One call on a connection of aiohttp's: what is sent, its answer, and how long either side may take for it.

Source: contracts 4, "Timeouts".
"""

import asyncio
from typing import Self

import aiohttp

from apikeychain.backends.connections import Connection, Connections
from apikeychain.backends.failures import told
from apikeychain.backends.heads import answered
from apikeychain.backends.upload import Turn, Upload, seconds_of
from apikeychain.model.call import MAX_WHOLE_BYTES, UpstreamReply, UpstreamRequest
from apikeychain.model.route import LONGEST_SECONDS


class AiohttpCall:
    """One call. From its head on the chunks of its answer, see ByteStream.

    Whoever reads them has as long for a chunk as the provider: after that its connection is cut, so that a caller who
    stops reading holds nothing of the provider's.

    Args:
        upload: the body, where it is not sent with the head.
        pool: where the connection goes once the answer has ended.
        began: when the call did, by the loop's clock.
    """

    def __init__(
        self,
        request: UpstreamRequest,
        upload: Upload | None,
        pool: Connections,
        connection: Connection,
        began: float,
    ) -> None:
        self._request, self._upload, self._pool, self._connection = request, upload, pool, connection
        self._began = began
        self._ends = began + (request.timeouts.total or LONGEST_SECONDS)
        self._writing: asyncio.Task[None] | None = None
        self._body: aiohttp.StreamReader = aiohttp.EMPTY_PAYLOAD
        self._has_head = False
        self._is_over = False
        self._failure: Exception | None = None

    async def reply(self, head: bytes) -> UpstreamReply:
        """Send the request, and return when the head of the answer is there.

        Raises:
            UpstreamRefusedError: its head cannot be passed on.
            TimeoutError: it took too long.
            Exception: it broke.
        """
        connection, request = self._connection, self._request
        try:
            self._send(head)
            message, body = await connection.answer()
            # It may come before the upload has ended; from then on the answer is what is watched.
            self._has_head = True
            headers = answered(request.host, request.method, message.code, message.raw_headers)
            if body.is_eof() and body.total_bytes <= MAX_WHOLE_BYTES:
                whole = body.read_nowait()
                self._end()
                return UpstreamReply(message.code, headers, whole)
        except BaseException as error:
            self._cut()
            if connection.is_late and isinstance(error, Exception):
                raise TimeoutError from None
            raise
        self._body = body
        self._ends = self._began + request.timeouts.lasting(headers.get(b"content-type"))
        connection.watch(request.timeouts.idle, self._ends)
        return UpstreamReply(message.code, headers, self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        chunk = b""
        try:
            chunk = b"" if self._is_over else await self._next()
        except Exception as error:  # noqa: BLE001  # whatever a client raises may hold a URL with a secret in it
            late = TimeoutError() if self._connection.is_late else error
            self._failure = told(late, self._request.host, self._upload)
        finally:
            if not chunk:
                await self.aclose()
        if chunk:
            return chunk
        # Out here, so that the client's exception is not even the context of ours.
        raise self._failure or StopAsyncIteration

    async def aclose(self) -> None:
        """Free the connection, or cut it when the answer has not ended."""
        if not self._is_over:
            self._is_over = True
            self._cut()

    def _send(self, head: bytes) -> None:
        request, connection, upload = self._request, self._connection, self._upload
        connection.begin(request.method)
        if upload is None:
            connection.send(head + request.body if isinstance(request.body, bytes) else head)
            connection.watch(request.timeouts.first_byte, self._ends)
        else:
            upload.turn = self._turn
            self._writing = asyncio.get_running_loop().create_task(connection.pour(head, upload))

    def _turn(self, turn: Turn) -> None:
        if self._has_head:
            return
        timeouts = self._request.timeouts
        self._connection.watch(seconds_of(turn, timeouts.idle, timeouts.first_byte), self._ends)

    async def _next(self) -> bytes:
        """The next chunk, b"" at the end."""
        connection, idle = self._connection, self._request.timeouts.idle
        if connection.is_late:
            raise TimeoutError
        connection.watch(idle, self._ends)
        chunk = await self._body.readany()
        if chunk:
            connection.watch(idle, self._ends)
        else:
            self._is_over = True
            self._end()
        return chunk

    def _end(self) -> None:
        """Free the connection; where the answer came before the end of the body, cut it."""
        if self._writing is None or self._writing.done():
            self._pool.give_back(self._connection)
        else:
            self._cut()

    def _cut(self) -> None:
        self._connection.cut()
        if self._writing is not None:
            self._writing.cancel()
