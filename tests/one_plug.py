"""A limiter and a replay guard of one process, in one object."""

from collections.abc import Sequence

from apikeychain.backends.memory_limiter import MemoryRateLimiter
from apikeychain.backends.memory_replay_guard import MemoryReplayGuard
from apikeychain.errors import BackendUnavailableError
from apikeychain.model.quota import Balance, Spend
from apikeychain.ports.replay_guard import Claim


class Apart:
    """Either deed by itself, and a note of each trip.

    Attributes:
        off: whether it cannot be reached.
    """

    def __init__(self) -> None:
        self.limiter, self.guard = MemoryRateLimiter(), MemoryReplayGuard()
        self.trips: list[str] = []
        self.off = False

    async def spend(self, spends: Sequence[Spend]) -> tuple[Balance, ...]:
        self._note("spend")
        return await self.limiter.spend(spends)

    async def claim(self, token: bytes, timestamp: int) -> Claim:
        self._note("claim")
        return await self.guard.claim(token, timestamp)

    def _note(self, verb: str) -> None:
        if self.off:
            raise BackendUnavailableError
        self.trips.append(verb)


class Both(Apart):
    """Both deeds in one trip, too."""

    async def claim_and_spend(
        self, token: bytes, timestamp: int, spends: Sequence[Spend]
    ) -> tuple[Claim, tuple[Balance, ...]]:
        self._note("both")
        claim = await self.guard.claim(token, timestamp)
        return claim, await self.limiter.spend(spends) if claim == "claimed" else ()
