"""Plugs that are down on command, for tests of what a host says while one is.

A store, a key service and signals in memory have a switch of their own: `MemoryStore.reachable`,
`MemoryKeyService.reachable`, `MemorySignals.reachable`. These put one before any limiter and any replay guard.
"""

from collections.abc import Sequence

from apikeychain.backends.memory_limiter import MemoryRateLimiter
from apikeychain.backends.memory_replay_guard import MemoryReplayGuard
from apikeychain.errors import BackendUnavailableError
from apikeychain.model.quota import Balance, Spend
from apikeychain.ports.rate_limiter import RateLimiter
from apikeychain.ports.replay_guard import Claim, ReplayGuard


class BreakableRateLimiter:
    """Another limiter, which can be cut off. See RateLimiter.

    Args:
        limiter: that counts; one in memory unless given. Whoever made it opens and closes it.

    Attributes:
        reachable: set it to False to see what your application does while its limiter is down.
    """

    def __init__(self, limiter: RateLimiter | None = None) -> None:
        self.reachable = True
        self._limiter = limiter or MemoryRateLimiter()

    async def spend(self, spends: Sequence[Spend]) -> tuple[Balance, ...]:
        """See RateLimiter.spend."""
        if not self.reachable:
            msg = "the limiter was made unreachable"
            raise BackendUnavailableError(msg)
        return await self._limiter.spend(spends)


class BreakableReplayGuard:
    """Another replay guard, which can be cut off. See ReplayGuard.

    Args:
        guard: that remembers; one in memory unless given. Whoever made it opens and closes it.

    Attributes:
        reachable: set it to False to see what your application does while its replay guard is down.
    """

    def __init__(self, guard: ReplayGuard | None = None) -> None:
        self.reachable = True
        self._guard = guard or MemoryReplayGuard()

    async def claim(self, token: bytes, timestamp: int) -> Claim:
        """See ReplayGuard.claim."""
        if not self.reachable:
            msg = "the replay guard was made unreachable"
            raise BackendUnavailableError(msg)
        return await self._guard.claim(token, timestamp)
