"""The clauses that hold between processes, for whoever writes a backend that several processes share.

Each class stands beside the contract of its port, in a test class of its own: it opens the plug in other processes, by
an `opening` that can be pickled::

    class TestMineAcrossProcesses(RateLimiterAcrossProcesses):
        @pytest.fixture
        def opening(self, server):
            return partial(MyLimiter, server.url)
"""

import secrets
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar

import pytest

from apikeychain.errors import AlreadyExistsError, ConflictError
from apikeychain.model.quota import Quota, Spend
from apikeychain.model.records import Project, ProjectName
from apikeychain.ports.claim_and_spend import ClaimAndSpend
from apikeychain.ports.rate_limiter import RateLimiter
from apikeychain.ports.replay_guard import Claim, ReplayGuard
from apikeychain.ports.store import Store
from apikeychain.testing.chains import chain, require_chain
from apikeychain.testing.processes import PROCESSES, Opening, at_once
from apikeychain.testing.records import ACME, SHOP, draft, project, tenant

_OFTEN = 20
_AMOUNT = 30


class RateLimiterAcrossProcesses(ABC):
    """R4 and R5 of `apikeychain.ports.rate_limiter.RateLimiter`.

    Attributes:
        all_or_none: whether R4 holds among calls that come at once. A limiter for which it does not says False: a call
            that is refused then may have taken one from a bucket that stands before the one that refused it.
    """

    all_or_none: ClassVar[bool] = True

    @pytest.fixture
    @abstractmethod
    def opening(self) -> Opening[RateLimiter]:
        """What opens the limiter in another process. Override it as a fixture."""

    @pytest.mark.parametrize("exact", [False, True], ids=["counted", "exact"])
    async def test_r4_and_r5_hold_between_processes(
        self,
        opening: Opening[RateLimiter],
        exact: bool,  # noqa: FBT001 - a case, which pytest names
    ) -> None:
        """R4, R5: what all admit together is the amount, and the narrower buckets hold no more than was admitted."""
        name = secrets.token_hex(8)
        spends = [
            Spend(f"{name}/wide", "origin", Quota(10 * _AMOUNT, 600, exact)),
            Spend(f"{name}/narrow", "project", Quota(_AMOUNT, 600, exact)),
        ]
        admitted = sum(await at_once(opening, [partial(_spend_often, spends)] * PROCESSES))
        assert admitted == _AMOUNT
        async with opening() as limiter:
            first, last = await limiter.spend([spend._replace(cost=0) for spend in spends])
        taken = 10 * _AMOUNT - first.remaining
        assert (last.admitted, last.remaining) == (False, 0)
        assert taken == admitted if self.all_or_none else admitted <= taken <= PROCESSES * _OFTEN


class ReplayGuardAcrossProcesses(ABC):
    """P1 and P2 of `apikeychain.ports.replay_guard.ReplayGuard`."""

    @pytest.fixture
    @abstractmethod
    def opening(self) -> Opening[ReplayGuard]:
        """What opens the guard, by the clock of the machine, in another process. Override it as a fixture."""

    async def test_p1_and_p2_hold_between_processes(self, opening: Opening[ReplayGuard]) -> None:
        """P1, P2: each token passes once, whoever is asked."""
        tokens = [secrets.token_bytes(32) for _ in range(_OFTEN)]
        claims = await at_once(opening, [partial(_claim_each, tokens, int(time.time()))] * PROCESSES)
        for told in zip(*claims, strict=True):
            assert Counter(told) == {"claimed": 1, "replayed": PROCESSES - 1}


class ClaimAndSpendAcrossProcesses(ABC):
    """C2 and C4 of `apikeychain.ports.claim_and_spend.ClaimAndSpend`."""

    @pytest.fixture
    @abstractmethod
    def opening(self) -> Opening[ClaimAndSpend]:
        """What opens the plug, by the clock of the machine, in another process. Override it as a fixture."""

    async def test_c2_and_c4_hold_between_processes(self, opening: Opening[ClaimAndSpend]) -> None:
        """C2, C4: each token passes once, and only then it is spent."""
        tokens = [secrets.token_bytes(32) for _ in range(_OFTEN)]
        spend = Spend(secrets.token_hex(8), "project", Quota(1000, 600))
        deed = partial(_claim_and_spend_each, tokens, int(time.time()), spend)
        claims = await at_once(opening, [deed] * PROCESSES)
        for told in zip(*claims, strict=True):
            assert Counter(told) == {"claimed": 1, "replayed": PROCESSES - 1}
        async with opening() as plug:
            (balance,) = await plug.spend([spend._replace(cost=0)])
        assert balance.remaining == 1000 - len(tokens)


class StoreAcrossProcesses(ABC):
    """T3, T4, T8 and S6 of `apikeychain.ports.store.TenantStore` and `Store`."""

    @pytest.fixture
    @abstractmethod
    def opening(self) -> Opening[Store]:
        """What opens the store, which is empty at first, in another process. Override it as a fixture."""

    async def test_t3_an_insert_has_one_winner_among_processes(self, opening: Opening[Store]) -> None:
        """T3: for each key."""
        await _stock(opening)
        names = [f"name-{number}" for number in range(_OFTEN)]
        won = await at_once(opening, [partial(_insert_each, names)] * PROCESSES)
        assert sorted(name for told in won for name in told) == sorted(names)

    async def test_t4_a_replacement_has_one_winner_among_processes(self, opening: Opening[Store]) -> None:
        """T4: for each generation; what each has changed is counted."""
        await _stock(opening)
        await at_once(opening, [_replace_often] * PROCESSES)
        async with opening() as store, store.reading(ACME) as acme:
            kept = await acme.get(Project, (SHOP,))
        assert kept is not None
        assert kept.generation == 1 + PROCESSES * _OFTEN

    async def test_t8_a_lease_has_one_holder_among_processes(self, opening: Opening[Store]) -> None:
        """T8: whoever asks, and for each name."""
        names = [f"lease-{number}" for number in range(_OFTEN)]
        held = await at_once(opening, [partial(_lease_each, names)] * PROCESSES)
        assert sorted(name for told in held for name in told) == sorted(names)

    async def test_s6_concurrent_appends_of_processes_make_one_chain(self, opening: Opening[Store]) -> None:
        """S6: by both verbs."""
        await at_once(opening, [_append_often] * PROCESSES)
        async with opening() as store:
            entries = await chain(store, ACME)
        assert require_chain(entries).size == PROCESSES * _OFTEN * 2


async def _spend_often(spends: Sequence[Spend], limiter: RateLimiter) -> int:
    told = [await limiter.spend(spends) for _ in range(_OFTEN)]
    return sum(all(balance.admitted for balance in balances) for balances in told)


async def _claim_each(tokens: Sequence[bytes], now: int, guard: ReplayGuard) -> list[Claim]:
    return [await guard.claim(token, now) for token in tokens]


async def _claim_and_spend_each(tokens: Sequence[bytes], now: int, spend: Spend, plug: ClaimAndSpend) -> list[Claim]:
    return [(await plug.claim_and_spend(token, now, [spend]))[0] for token in tokens]


async def _stock(opening: Opening[Store]) -> None:
    async with opening() as store, store.tenant(ACME) as acme:
        await acme.insert(tenant(ACME))
        await acme.insert(project(SHOP))


async def _insert_each(names: Sequence[str], store: Store) -> list[str]:
    won: list[str] = []
    for name in names:
        try:
            async with store.tenant(ACME) as acme:
                await acme.insert(ProjectName(name=name, project=SHOP))
        except (AlreadyExistsError, ConflictError):
            continue
        won.append(name)
    return won


async def _replace_often(store: Store) -> None:
    done = 0
    while done < _OFTEN:
        async with store.reading(ACME) as before:
            (kept,) = await before.list(Project, (), 1)
        try:
            async with store.tenant(ACME) as acme:
                await acme.replace(replace(kept, generation=kept.generation + 1), kept.generation)
        except ConflictError:
            continue
        done += 1


async def _lease_each(names: Sequence[str], store: Store) -> list[str]:
    held: list[str] = []
    for name in names:
        async with store.tenant(ACME) as acme:
            if await acme.lease(name, 600):
                held.append(name)
    return held


async def _append_often(store: Store) -> None:
    for number in range(_OFTEN):
        async with store.tenant(ACME) as acme:
            await acme.append([draft(number)])
        await store.append_many({ACME: [draft(number)]})
