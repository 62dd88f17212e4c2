"""How many bodies may be held of callers of whom nothing is known yet.

A signature that does not announce its body is judged once the body was read; until then it may be anybody's. Where all
places are taken, the one that is held longest is given up for the next body, if it is held for some seconds: whoever
sends on and on, or nothing, keeps nobody out for longer.

Source: contracts 3; decision 12.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import final

from apikeychain.errors import BodyTimeoutError, RateLimitedError
from apikeychain.model.call import Call
from apikeychain.rules.bodies import declared_length
from apikeychain.rules.caller import Caller, bucket_address

# With at most 8 MiB each, 128 MiB of a process.
MOST = 16
MOST_OF_AN_ADDRESS = 4
# A network of this many bits is one caller here: a /64 costs nothing to whoever has one.
NETWORK_BITS = 48
SURE_SECONDS = 2.0
# As much as a server holds of a body that nobody reads; so small a one counts for nothing.
_SMALL = 64 * 1024


@final
class Unverified:
    """The bodies that are being read before their signature was verified."""

    def __init__(self) -> None:
        self._held: dict[asyncio.Timeout, tuple[str, float]] = {}

    @asynccontextmanager
    async def one(self, call: Call, caller: Caller) -> AsyncGenerator[None, None]:
        """Read one more; a body that is announced as small is not counted.

        Raises:
            RateLimitedError: too many are being read already, of this address or in all.
            BodyTimeoutError: its place was given up for another.
        """
        length = declared_length(call)
        if length is not None and length <= _SMALL:
            yield
            return
        now, address = asyncio.get_running_loop().time(), bucket_address(caller.address, NETWORK_BITS)
        others = sum(held == address for held, _ in self._held.values())
        if others >= MOST_OF_AN_ADDRESS or (len(self._held) >= MOST and not self._give_up(now)):
            hint = "Send x-content-sha256: a body that is announced waits for nobody."
            raise RateLimitedError(hint, headers=((b"retry-after", b"1"),))
        place = asyncio.timeout(None)
        self._held[place] = address, now
        try:
            async with place:
                yield
        except TimeoutError:
            raise BodyTimeoutError from None
        finally:
            self._held.pop(place, None)

    def _give_up(self, now: float) -> bool:
        """End the reading that holds its place longest, if that is long enough."""
        place, (_, since) = next(iter(self._held.items()))
        if now - since < SURE_SECONDS:
            return False
        del self._held[place]
        place.reschedule(now)
        return True
