"""The contract of ClaimAndSpend, for whoever writes a plug that is limiter and replay guard in one."""

import asyncio
import secrets
import time
from abc import ABC, abstractmethod

import pytest

from apikeychain.errors import BackendUnavailableError
from apikeychain.model.quota import Balance, Quota, Spend
from apikeychain.ports.claim_and_spend import ClaimAndSpend

_AMOUNT = 5
_CALLS = 40


class ClaimAndSpendContract(ABC):
    """One test for each clause of `apikeychain.ports.claim_and_spend.ClaimAndSpend`.

    The two contracts of which it is made have classes of their own. Every test runs with tokens and buckets of its own.
    """

    @pytest.fixture
    @abstractmethod
    def plug(self) -> ClaimAndSpend:
        """The plug under test, by the clock of the machine. Override it as a fixture, sync or async."""

    @abstractmethod
    async def pull_plug(self, plug: ClaimAndSpend) -> bool:
        """Make the plug unreachable; False where nothing lies between it and its caller."""

    @pytest.fixture
    def spends(self) -> list[Spend]:
        """Two buckets that no other test uses: a narrow and a wide one."""
        name = secrets.token_hex(8)
        return [
            Spend(f"{name}/narrow", "address", Quota(1, 60, exact=True)),
            Spend(f"{name}/wide", "project", Quota(_AMOUNT, 60)),
        ]

    async def test_c1_what_is_claimed_is_spent(self, plug: ClaimAndSpend, spends: list[Spend]) -> None:
        """C1: and told in order."""
        claim, balances = await plug.claim_and_spend(secrets.token_bytes(32), _now(), spends)
        assert claim == "claimed"
        assert [balance.spend for balance in balances] == spends
        assert _told(balances) == [(True, 0), (True, _AMOUNT - 1)]

    async def test_c2_a_replay_spends_nothing(self, plug: ClaimAndSpend, spends: list[Spend]) -> None:
        """C2: nor does what may have been forgotten, which is kept by nobody."""
        token, wide = secrets.token_bytes(32), spends[1:]
        assert (await plug.claim_and_spend(token, _now(), wide))[0] == "claimed"
        for _ in range(3):
            assert await plug.claim_and_spend(token, _now(), wide) == ("replayed", ())
        assert _told(await plug.spend(wide)) == [(True, _AMOUNT - 2)]

    async def test_c3_a_claim_stands_when_a_quota_refuses(self, plug: ClaimAndSpend, spends: list[Spend]) -> None:
        """C3: and the bucket that had room keeps what it has."""
        await plug.spend(spends)
        token = secrets.token_bytes(32)
        claim, balances = await plug.claim_and_spend(token, _now(), spends)
        assert (claim, _told(balances)) == ("claimed", [(False, 0), (True, _AMOUNT - 1)])
        assert await plug.claim_and_spend(token, _now(), spends[1:]) == ("replayed", ())

    async def test_c4_of_many_at_once_one_spends(self, plug: ClaimAndSpend, spends: list[Spend]) -> None:
        """C4: whatever room there is."""
        token, wide = secrets.token_bytes(32), spends[1:]
        outcomes = await asyncio.gather(*(plug.claim_and_spend(token, _now(), wide) for _ in range(_CALLS)))
        assert sorted(claim for claim, _ in outcomes) == ["claimed"] + ["replayed"] * (_CALLS - 1)
        assert _told(await plug.spend(wide)) == [(True, _AMOUNT - 2)]

    async def test_c5_claims_and_buckets_are_those_of_the_single_verbs(
        self, plug: ClaimAndSpend, spends: list[Spend]
    ) -> None:
        """C5: in either order."""
        one, other = secrets.token_bytes(32), secrets.token_bytes(32)
        assert await plug.claim(one, _now()) == "claimed"
        assert await plug.claim_and_spend(one, _now(), spends) == ("replayed", ())
        assert (await plug.claim_and_spend(other, _now(), ()))[0] == "claimed"
        assert await plug.claim(other, _now()) == "replayed"
        assert _told(await plug.spend(spends)) == [(True, 0), (True, _AMOUNT - 1)]

    async def test_c6_a_plug_that_is_down_says_so(self, plug: ClaimAndSpend, spends: list[Spend]) -> None:
        """C6: in our words."""
        is_down, token = await self.pull_plug(plug), secrets.token_bytes(32)
        if is_down:
            with pytest.raises(BackendUnavailableError):
                await plug.claim_and_spend(token, _now(), spends)
        else:
            assert (await plug.claim_and_spend(token, _now(), spends))[0] == "claimed"


def _now() -> int:
    return int(time.time())


def _told(balances: tuple[Balance, ...]) -> list[tuple[bool, int]]:
    return [(balance.admitted, balance.remaining) for balance in balances]
