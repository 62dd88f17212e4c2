"""The contract of RateLimiter, for whoever writes one."""

import asyncio
import secrets
from abc import ABC, abstractmethod

import pytest

from apikeychain.errors import BackendUnavailableError
from apikeychain.model.quota import Balance, Quota, Spend
from apikeychain.ports.rate_limiter import RateLimiter

MINUTE = 60
AMOUNT = 5
CALLS = 40
both_kinds = pytest.mark.parametrize("exact", [False, True], ids=["counted", "exact"])


class RateLimiterContract(ABC):
    """Subclass it in a test module as ``TestMine`` and give it a limiter; pytest does the rest.

    Every test runs with buckets of its own, so that a shared server need not be emptied.
    """

    @pytest.fixture
    @abstractmethod
    def limiter(self) -> RateLimiter:
        """The limiter under test. Override it as a fixture, sync or async."""

    async def wait(self, seconds: float) -> None:
        """Let time pass; override it where the limiter's clock can be turned."""
        await asyncio.sleep(seconds)

    async def cut_off(self, limiter: RateLimiter) -> bool:
        """Pull the plug of what stands behind `limiter`, and return True.

        A limiter that keeps everything in its own process has no such plug. It says so by overriding this with
        ``return False``: it must then go on, where the others raise.
        """
        msg = f"say how {type(limiter).__name__} is cut off from its server, or return False if there is none"
        raise NotImplementedError(msg)

    @pytest.fixture
    def bucket(self) -> str:
        """A bucket key that no other test uses."""
        return secrets.token_hex(8)

    @both_kinds
    async def test_r1_the_first_spends_of_a_window_are_admitted(
        self,
        limiter: RateLimiter,
        bucket: str,
        exact: bool,  # noqa: FBT001 - a case, which pytest names
    ) -> None:
        """R1: and their balances count down."""
        balances = [await spend_one(limiter, bucket, AMOUNT, MINUTE, exact=exact) for _ in range(AMOUNT)]
        assert [balance.admitted for balance in balances] == [True] * AMOUNT
        assert [balance.remaining for balance in balances] == [*range(AMOUNT)][::-1]
        assert all(1 <= balance.reset_seconds <= MINUTE + 1 for balance in balances)

    @both_kinds
    async def test_r2_the_next_one_is_refused_and_told_when_to_return(
        self,
        limiter: RateLimiter,
        bucket: str,
        exact: bool,  # noqa: FBT001 - a case, which pytest names
    ) -> None:
        """R2: with nothing left and a time to come back."""
        for _ in range(AMOUNT):
            await spend_one(limiter, bucket, AMOUNT, MINUTE, exact=exact)
        refused = await spend_one(limiter, bucket, AMOUNT, MINUTE, exact=exact)
        assert not refused.admitted
        assert refused.remaining == 0
        assert 1 <= refused.reset_seconds <= 2 * MINUTE

    @both_kinds
    async def test_r3_there_is_room_again_when_the_balance_says(
        self,
        limiter: RateLimiter,
        bucket: str,
        exact: bool,  # noqa: FBT001 - a case, which pytest names
    ) -> None:
        """R3: at the latest after the seconds that the balance names."""
        for _ in range(2):
            assert (await spend_one(limiter, bucket, 2, 1, exact=exact)).admitted
        refused = await spend_one(limiter, bucket, 2, 1, exact=exact)
        assert not refused.admitted
        await self.wait(refused.reset_seconds)
        assert (await spend_one(limiter, bucket, 2, 1, exact=exact)).admitted

    async def test_r4_several_buckets_are_spent_all_or_none(self, limiter: RateLimiter, bucket: str) -> None:
        """R4: the full one keeps what it has while the other is empty."""
        wide = Spend(f"{bucket}/wide", "project", Quota(AMOUNT, MINUTE))
        narrow = Spend(f"{bucket}/narrow", "address", Quota(1, MINUTE, exact=True))
        assert all(balance.admitted for balance in await limiter.spend([narrow, wide]))
        for _ in range(3):
            empty, full = await limiter.spend([narrow, wide])
            assert not empty.admitted
            assert full.admitted
            assert full.remaining == AMOUNT - 1
        (balance,) = await limiter.spend([wide])
        assert balance.remaining == AMOUNT - 2

    async def test_r5_concurrent_spends_never_admit_more(self, limiter: RateLimiter, bucket: str) -> None:
        """R5: neither of one bucket nor of several, counted or exact."""
        spends = [Spend(f"{bucket}/{exact}", "address", Quota(AMOUNT, MINUTE, exact)) for exact in (False, True)]
        results = await asyncio.gather(*(limiter.spend(spends) for _ in range(CALLS)))
        assert sum(all(balance.admitted for balance in balances) for balances in results) == AMOUNT

    async def test_r6_buckets_do_not_touch_each_other(self, limiter: RateLimiter, bucket: str) -> None:
        """R6: however alike their keys are to a server or a pattern."""
        names = [f"{bucket}/{name}" for name in ("p:1", "p_1", "P:1", "p:*", "p%", "a:b+c", "a+b:c")]
        for name in names:
            assert (await spend_one(limiter, name, 1, MINUTE)).admitted
        for name in names:
            assert not (await spend_one(limiter, name, 1, MINUTE)).admitted

    async def test_r7_balances_come_in_the_order_of_the_spends(self, limiter: RateLimiter, bucket: str) -> None:
        """R7: admitted or not."""
        spends = [Spend(f"{bucket}/{amount}", "address", Quota(amount, MINUTE)) for amount in (3, 1, 2)]
        assert [balance.spend for balance in await limiter.spend(spends)] == spends
        assert [balance.spend for balance in await limiter.spend(spends)] == spends

    async def test_r8_a_limiter_out_of_reach_closes_the_gate(self, limiter: RateLimiter, bucket: str) -> None:
        """R8: and one that needs nobody goes on."""
        if await self.cut_off(limiter):
            with pytest.raises(BackendUnavailableError):
                await spend_one(limiter, bucket, AMOUNT, MINUTE)
        else:
            assert (await spend_one(limiter, bucket, AMOUNT, MINUTE)).admitted

    @both_kinds
    async def test_r9_a_spend_that_costs_nothing_only_asks(
        self,
        limiter: RateLimiter,
        bucket: str,
        exact: bool,  # noqa: FBT001 - a case, which pytest names
    ) -> None:
        """R9: however often, before and after the bucket is empty, and beside a spend that costs."""
        asks = Spend(bucket, "address", Quota(2, MINUTE, exact), cost=0)
        beside = Spend(f"{bucket}/beside", "project", Quota(AMOUNT, MINUTE))
        for left in (2, 1):
            for _ in range(AMOUNT):
                (asked,) = await limiter.spend([asks])
                assert (asked.admitted, asked.remaining) == (True, left)
            assert (await spend_one(limiter, bucket, 2, MINUTE, exact=exact)).admitted
        for _ in range(AMOUNT):
            asked, full = await limiter.spend([asks, beside])
            assert (asked.admitted, asked.remaining) == (False, 0)
            assert asked.reset_seconds >= 1
            assert (full.admitted, full.remaining) == (True, AMOUNT)

    async def test_r10_an_exact_quota_holds_in_every_span(self, limiter: RateLimiter, bucket: str) -> None:
        """R10: a burst late in one window leaves no room for another early in the next."""
        started = await spend_one(limiter, bucket, AMOUNT, 3, exact=True)
        assert started.admitted
        await self.wait(2)
        burst = [(await spend_one(limiter, bucket, AMOUNT, 3, exact=True)).admitted for _ in range(AMOUNT)]
        assert burst == [True] * (AMOUNT - 1) + [False]
        await self.wait(1.5)
        after = [(await spend_one(limiter, bucket, AMOUNT, 3, exact=True)).admitted for _ in range(AMOUNT)]
        assert after == [True] + [False] * (AMOUNT - 1)


async def spend_one(
    limiter: RateLimiter,
    bucket: str,
    amount: int,
    window_seconds: int,
    *,
    exact: bool = False,
) -> Balance:
    """The balance of `bucket` after one spend."""
    (balance,) = await limiter.spend([Spend(bucket, "address", Quota(amount, window_seconds, exact))])
    return balance
