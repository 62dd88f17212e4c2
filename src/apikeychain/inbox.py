"""The only reader of `receive`: the body of a request as chunks, and the caller's absence.

A server tells of an absence through `receive` alone, so one task reads it for as long as the call lasts, also while the
body goes up, and also while nobody takes the body. It reads `ROOM_BYTES` ahead and then waits for room. A provider that
has answered and takes nothing more for ten seconds will not be given the rest: it is read on, and thrown away.

Source: the ASGI specification, HTTP, "Request" and "Disconnect - receive event"; RFC 9112, section 9.3 (an answer
before the end of its request).
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncGenerator
from typing import Any, Self, cast, final

from starlette.types import Receive

from apikeychain.errors import CallerGoneError

PATIENCE_SECONDS = 0.05
ROOM_BYTES = 256 * 1024
_UNTAKEN_SECONDS = 10.0
_log = logging.getLogger("apikeychain.asgi")


@final
class Inbox:
    """Ends the task that it is entered in when the caller leaves; iterating over it gives the body.

    A server's `send` stays silent when nobody listens, so that a call would else stream to nobody. Reading begins with
    the first question for the body, or 50 ms after the entering: an answer that is quicker costs no task.

    Attributes:
        left: whether the caller left, or was hung up on.
        answering: whether the answer is on its way, which whoever sends it says.
    """

    __slots__ = (
        "_arrived",
        "_chunks",
        "_dropped",
        "_held",
        "_reading",
        "_receive",
        "_seconds",
        "_taken",
        "_task",
        "_timer",
        "_whole",
        "answering",
        "left",
    )

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._held = 0
        self._seconds: float | None = None
        self._whole = self._dropped = self.answering = self.left = False
        self._reading: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        self._task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._timer = self._task.get_loop().call_later(PATIENCE_SECONDS, self._look_after)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        self.close()
        if self.left and isinstance(error, asyncio.CancelledError):
            self._task.uncancel()
            return True
        return isinstance(error, CallerGoneError)

    def end(self, seconds: float) -> None:
        """Read no more; a caller who does not take the end of its answer in so many seconds is taken for gone."""
        self._seconds = seconds
        if self._reading is not None:
            self._reading.cancel()
            self._look_after()

    def hang_up(self) -> None:
        """Take the caller for gone: the answer is not to go on."""
        self._give_up()

    def close(self) -> None:
        """Read no more: what comes now is no absence that matters."""
        self._timer.cancel()
        if self._reading is not None:
            self._reading.cancel()

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        """The chunks of the body to its end, for one reader.

        Raises:
            CallerGoneError: the caller left, or the rest was thrown away: a body that was cut never ends.
        """
        self._begin()
        while not self._whole or self._chunks or self._dropped:
            if self.left or self._dropped:
                raise CallerGoneError
            if self._chunks:
                yield self._take()
            else:
                self._arrived.clear()
                await self._arrived.wait()

    def _take(self) -> bytes:
        chunk = self._chunks.popleft()
        self._held -= len(chunk)
        self._taken.set()
        return chunk

    def _look_after(self) -> None:
        """Watch the caller of an answer that takes longer than most."""
        if self._seconds is None:
            self._begin()
        else:
            self._timer = self._task.get_loop().call_later(self._seconds, self._give_up)

    def _give_up(self) -> None:
        if not self.left:
            self.left = True
            self._task.cancel()

    def _begin(self) -> None:
        if self._reading is None:
            self._chunks: deque[bytes] = deque()
            self._arrived, self._taken = asyncio.Event(), asyncio.Event()
            self._reading = self._task.get_loop().create_task(self._read())

    async def _read(self) -> None:
        try:
            while await self._next():
                pass
        except Exception as error:  # noqa: BLE001 - a server or middleware that breaks here has lost its caller
            _log.warning("the caller cannot be heard any more: %s", type(error).__name__)
        self._arrived.set()
        self._give_up()

    async def _next(self) -> bool:
        """Take in one message, once there is room; whether the caller is still there."""
        while self._held >= ROOM_BYTES:
            await self._wait_for_room()
        message = await self._receive()
        if message["type"] == "http.disconnect":
            return False
        chunk = message.get("body", b"")
        if chunk and not self._dropped and not self._whole:
            self._chunks.append(chunk)
            self._held += len(chunk)
        self._whole = self._whole or not message.get("more_body", False)
        self._arrived.set()
        return True

    async def _wait_for_room(self) -> None:
        self._taken.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_UNTAKEN_SECONDS):
                await self._taken.wait()
                return
        if self.answering:
            self._dropped = True
            self._chunks.clear()
            self._held = 0
