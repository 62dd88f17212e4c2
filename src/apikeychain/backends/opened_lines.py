"""Lines to a service: one for each event loop, open for as long as anybody holds it open."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar, final

from apikeychain.errors import NotOpenError


class Closing(Protocol):
    """A line.

    Attributes:
        entered: how often it was opened.
    """

    entered: int

    async def aclose(self) -> None:
        """Close what it holds."""
        ...


L = TypeVar("L", bound=Closing)


@final
class OpenedLines(Generic[L]):
    """Those of one service.

    Args:
        plug: what it is for.
    """

    def __init__(self, plug: str = "key service") -> None:
        self._plug = plug
        self._lines: dict[asyncio.AbstractEventLoop, L] = {}

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def here(self) -> L:
        """That of the running loop.

        Raises:
            NotOpenError: there is none.
        """
        line = self._lines.get(asyncio.get_running_loop())
        if line is None:
            msg = f"the {self._plug} is not open in this event loop: use it inside `async with`"
            raise NotOpenError(msg)
        return line

    async def enter(self, make: Callable[[], Awaitable[L]], greet: Callable[[], Awaitable[None]] | None = None) -> None:
        """Open one, or hold it open once more.

        Args:
            make: a line, where there is none.
            greet: says what has to be said on it; what it raises closes it again. Without it nobody is greeted: a
                server that is down must not keep the gate from opening.
        """
        loop = asyncio.get_running_loop()
        if loop not in self._lines:
            line = await make()
            self._lines = {other: held for other, held in self._lines.items() if not other.is_closed()}
            self._lines.setdefault(loop, line)
        self.here.entered += 1
        try:
            if greet:
                await greet()
        except BaseException:
            await self.leave()
            raise

    async def leave(self) -> None:
        """Close it, where as many have left as entered."""
        line = self.here
        line.entered -= 1
        if line.entered == 0:
            del self._lines[asyncio.get_running_loop()]
            await line.aclose()
