from collections.abc import Sequence

import pytest

from apikeychain.backends.memory_limiter import MemoryRateLimiter
from apikeychain.errors import MethodRefusedError, OriginRefusedError, RateLimitedError, SignatureRefusedError
from apikeychain.model.ids import ProjectId
from apikeychain.model.quota import Balance, Spend
from apikeychain.model.session_key import SessionKey
from apikeychain.rules import quotas
from apikeychain.rules.caller import Caller
from apikeychain.rules.signature import Signature
from apikeychain.watch.refusals import Refusals
from sample_project import PROJECT

CALLER = Caller("203.0.113.9", "https", "app.example.com")
OTHER = Caller("203.0.113.10", "https", "app.example.com")


class Clock:
    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def refusals(clock: Clock) -> Refusals:
    return Refusals(MemoryRateLimiter(clock=clock), clock=clock)


async def empty(refusals: Refusals, caller: Caller = CALLER) -> None:
    for _ in range(60):
        await refusals.admit(PROJECT, caller)
        await refusals.note(PROJECT, caller, SignatureRefusedError())


async def test_after_sixty_refusals_in_a_minute_an_address_is_told_to_wait(refusals: Refusals, clock: Clock) -> None:
    await empty(refusals)
    with pytest.raises(RateLimitedError) as refused:
        await refusals.admit(PROJECT, CALLER)
    assert refused.value.headers == (
        (b"retry-after", b"61"),
        (b"ratelimit-policy", b'"refusals";q=60;w=60'),
        (b"ratelimit", b'"refusals";r=0;t=61'),
    )
    clock.seconds += 61
    await refusals.admit(PROJECT, CALLER)


async def test_who_only_calls_and_is_not_refused_spends_nothing(refusals: Refusals) -> None:
    for _ in range(1000):
        await refusals.admit(PROJECT, CALLER)


async def test_neither_another_address_nor_another_project_is_touched(refusals: Refusals) -> None:
    await empty(refusals)
    await refusals.admit(PROJECT, OTHER)
    await refusals.admit(ProjectId("p_" + "b" * 20), CALLER)


@pytest.mark.parametrize("error", [OriginRefusedError(), RateLimitedError()], ids=lambda error: error.code)
async def test_what_others_can_cause_costs_an_address_nothing(
    refusals: Refusals, error: OriginRefusedError | RateLimitedError
) -> None:
    for _ in range(100):
        await refusals.note(PROJECT, CALLER, error)
    await refusals.admit(PROJECT, CALLER)


async def test_a_flood_while_it_is_empty_makes_the_wait_no_longer(refusals: Refusals, clock: Clock) -> None:
    await empty(refusals)
    for _ in range(1000):
        await refusals.note(PROJECT, CALLER, MethodRefusedError())
    clock.seconds += 61
    await refusals.admit(PROJECT, CALLER)


SIGNED = Signature("k_1", b"1", b"", None, b"", None)
OF_ALICE, OF_BOB = (SIGNED._replace(session=SessionKey("k_1", 99, user)) for user in ("alice", "bob"))


async def test_who_claims_for_nothing_over_and_over_claims_no_more(refusals: Refusals, clock: Clock) -> None:
    for _ in range(600):
        await refusals.admit_claim(PROJECT, CALLER, OF_ALICE)
        await refusals.note(PROJECT, CALLER, RateLimitedError(), OF_ALICE)
    with pytest.raises(RateLimitedError, match="'overrun' of 600 calls in 60 s"):
        await refusals.admit_claim(PROJECT, OTHER, OF_ALICE)
    await refusals.admit_claim(PROJECT, CALLER, OF_BOB)
    await refusals.admit_claim(PROJECT, CALLER, SIGNED)
    await refusals.admit(PROJECT, CALLER)
    clock.seconds += 61
    await refusals.admit_claim(PROJECT, OTHER, OF_ALICE)


async def test_a_signed_call_to_what_is_not_there_counts_as_refused_and_as_a_claim_for_nothing() -> None:
    limiter = MemoryRateLimiter()
    await Refusals(limiter).note(PROJECT, CALLER, MethodRefusedError(), SIGNED)
    asked = [quotas.refusal_spend(PROJECT, CALLER, cost=0), quotas.overrun_spend(PROJECT, CALLER, None, cost=0)]
    assert [balance.remaining for balance in await limiter.spend(asked)] == [59, 599]


class Asked(MemoryRateLimiter):
    """Counts how often it is asked."""

    times = 0

    async def spend(self, spends: Sequence[Spend]) -> tuple[Balance, ...]:
        self.times += 1
        return await super().spend(spends)


async def test_no_bucket_is_asked_before_the_first_refusal_nor_once_the_last_one_counts_no_more(clock: Clock) -> None:
    limiter = Asked(clock=clock)
    refusals = Refusals(limiter, clock=clock)

    async def asked() -> int:
        before = limiter.times
        await refusals.admit(PROJECT, CALLER)
        await refusals.admit_claim(PROJECT, CALLER, SIGNED)
        return limiter.times - before

    assert await asked() == 0
    await refusals.note(PROJECT, CALLER, SignatureRefusedError())
    assert await asked() == 2
    clock.seconds += 119.9
    (balance,) = await limiter.spend([quotas.refusal_spend(PROJECT, CALLER, cost=0)])
    assert balance.remaining == 60
    assert await asked() == 2
    clock.seconds += 0.1
    assert await asked() == 0
