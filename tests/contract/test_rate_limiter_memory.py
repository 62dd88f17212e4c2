import pytest

from apikeychain.backends.memory_limiter import MemoryRateLimiter
from apikeychain.ports.rate_limiter import RateLimiter
from apikeychain.testing.rate_limiter import RateLimiterContract


class TestMemoryRateLimiter(RateLimiterContract):
    @pytest.fixture
    def limiter(self) -> MemoryRateLimiter:
        self.seconds = 1000.0
        return MemoryRateLimiter(clock=lambda: self.seconds)

    async def wait(self, seconds: float) -> None:
        self.seconds += seconds

    async def cut_off(self, limiter: RateLimiter) -> bool:
        del limiter
        return False


class TestMemoryRateLimiterOnItsOwnClock(RateLimiterContract):
    @pytest.fixture
    def limiter(self) -> MemoryRateLimiter:
        return MemoryRateLimiter()

    async def cut_off(self, limiter: RateLimiter) -> bool:
        del limiter
        return False


async def test_a_plug_that_does_not_say_how_it_is_cut_off_is_told_to() -> None:
    class Silent(RateLimiterContract):
        @pytest.fixture
        def limiter(self) -> MemoryRateLimiter:
            return MemoryRateLimiter()

    with pytest.raises(NotImplementedError, match="say how MemoryRateLimiter is cut off"):
        await Silent().cut_off(MemoryRateLimiter())
