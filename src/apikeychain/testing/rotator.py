"""The contract of a Rotator, for whoever writes one. It runs against something that makes keys, and answers badly."""

import traceback
from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import ClassVar

import pytest

from apikeychain.errors import BackendUnavailableError, RotationRefusedError
from apikeychain.ports.rotator import NewKey, Order, Rotator
from apikeychain.secret import Secret

# Stands in what a provider says when it refuses; none of it may be told.
CANARY = "canary-9b2f41"
ORDER = Order(label="apikeychain-p-0123456789abcdef")
AGAIN = Order(label=ORDER.label, again=True)


class RotatorContract(ABC):
    """One test for each clause of `apikeychain.ports.rotator.Rotator`.

    A subclass says how a rotator is made, and how the provider behind it is looked at and made to fail.

    Attributes:
        ends_by_itself: whether a key ends by itself, so that none has to be ended.
    """

    ends_by_itself: ClassVar[bool] = False

    @pytest.fixture
    @abstractmethod
    def rotator(self) -> Rotator:
        """One whose provider has no key yet but those that it needs itself. Override it as a fixture."""

    @abstractmethod
    async def alive(self) -> Collection[str]:
        """The texts of the keys that the provider takes, but for those that were there at first."""
        ...

    @abstractmethod
    def lose_answer(self) -> None:
        """Let the provider do what it is asked for next, and its answer be lost."""
        ...

    @abstractmethod
    def refuse(self) -> None:
        """Let the provider refuse everything from now on, with `CANARY` in what it says."""
        ...

    @abstractmethod
    def pull_plug(self) -> None:
        """Make the provider unreachable."""
        ...

    async def test_r1_a_key_that_is_made_is_taken(self, rotator: Rotator) -> None:
        """R1: one, and no other."""
        made = await rotator.create(ORDER)
        assert await self.alive() == [_text(made.key)]
        assert made.orphans == ()
        assert made.id

    @pytest.mark.parametrize("lost", [1, 2], ids=["one-lost", "two-lost"])
    async def test_r2_of_an_order_that_comes_again_one_key_lives(self, rotator: Rotator, lost: int) -> None:
        """R2: however many answers were lost, and beside the keys that are known."""
        before = await rotator.create(Order(label="apikeychain-p-before"))
        for number in range(lost):
            self.lose_answer()
            with pytest.raises(BackendUnavailableError):
                await rotator.create(Order(label=ORDER.label, again=number > 0, known=(before.id,)))
        made = await rotator.create(Order(label=ORDER.label, again=True, known=(before.id,)))
        alive = await self.alive()
        assert {_text(before.key), _text(made.key)} <= {*alive}
        assert made.orphans == ()
        assert self.ends_by_itself or len(alive) == 2  # noqa: PLR2004 - the one before and the new one

    async def test_r3_a_key_that_is_taken_is_told_from_one_that_is_not(self, rotator: Rotator) -> None:
        """R3: by a real call."""
        made = await rotator.create(ORDER)
        await rotator.verify(made.key)
        with pytest.raises(RotationRefusedError):
            await rotator.verify(_spoiled(made))

    async def test_r4_a_key_that_is_ended_is_taken_no_more(self, rotator: Rotator) -> None:
        """R4: and ending it twice is no error, but may be told."""
        first, second = await rotator.create(ORDER), await rotator.create(Order(label="apikeychain-p-second"))
        assert await rotator.revoke(first.id) is None
        assert await rotator.revoke(first.id) in {None, "gone"}
        alive = await self.alive()
        assert _text(second.key) in alive
        assert self.ends_by_itself or _text(first.key) not in alive

    async def test_r5_what_is_refused_is_refused_for_good(self, rotator: Rotator) -> None:
        """R5: each verb, and nothing was made or ended."""
        made = await rotator.create(ORDER)
        self.refuse()
        with pytest.raises(RotationRefusedError) as first:
            await rotator.create(Order(label="apikeychain-p-second", known=(made.id,)))
        with pytest.raises(RotationRefusedError):
            await rotator.verify(made.key)
        if not self.ends_by_itself:
            with pytest.raises(RotationRefusedError):
                await rotator.revoke(made.id)
            with pytest.raises(RotationRefusedError) as again:
                await rotator.create(Order(label="apikeychain-p-second", again=True, known=(made.id,)))
            assert again.value.orphans
        assert first.value.orphans == ()
        assert _text(made.key) in await self.alive()

    async def test_r6_a_provider_that_is_gone_says_so(self, rotator: Rotator) -> None:
        """R6: each verb."""
        made = await rotator.create(ORDER)
        self.pull_plug()
        for order in (ORDER, AGAIN):
            with pytest.raises(BackendUnavailableError):
                await rotator.create(order)
        with pytest.raises(BackendUnavailableError):
            await rotator.verify(made.key)
        if not self.ends_by_itself:
            with pytest.raises(BackendUnavailableError):
                await rotator.revoke(made.id)

    async def test_r7_nothing_of_a_key_or_an_answer_is_told(
        self, rotator: Rotator, caplog: pytest.LogCaptureFixture
    ) -> None:
        """R7: in no error, none of its causes, and no log."""
        caplog.set_level("DEBUG")
        made = await rotator.create(ORDER)
        self.refuse()
        told = [repr(made)]
        for deed in (rotator.create(ORDER), rotator.verify(made.key)):
            with pytest.raises(RotationRefusedError) as refused:
                await deed
            told += traceback.format_exception(refused.value)
        assert CANARY not in "".join(told) + caplog.text
        for part in _text(made.key).split(":"):
            assert part == made.id or part not in "".join(told) + caplog.text


def _text(key: Secret) -> str:
    return key.reveal().decode("ascii")


def _spoiled(made: NewKey) -> Secret:
    """A key that the provider never made, of the same form."""
    text = _text(made.key)
    return Secret(text[:-6] + text[-6:][::-1].swapcase() + "x")
