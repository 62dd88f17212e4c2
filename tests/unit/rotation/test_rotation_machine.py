"""Whatever the provider does and wherever workers die: no call is refused, and in the end one key lives, which we hold.

All other keys are revoked, or named in an alert.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from apikeychain import Secret
from apikeychain.errors import ConflictError
from rotation_house import SECRET, Fuse, KilledError, MadeKey, RotationHouse, house_of

T = TypeVar("T")
FAULTS = ("", "refuses", "refuses-after", "pretends", "away", "silent", "repeats")
PLACES = st.one_of(st.none(), st.integers(0, 40))


class Turns(RuleBasedStateMachine):
    """One secret, for days."""

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._patch = pytest.MonkeyPatch()
        self._house: RotationHouse
        self._served = ""
        self._left: dict[str, float] = {}
        self._fingerprints: dict[str, set[str]] = {}
        self._ended_early: list[MadeKey] = []

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    @initialize(idempotent=st.booleans(), names_first=st.booleans())
    def open(self, *, idempotent: bool, names_first: bool) -> None:
        self._context = house_of(self._patch, idempotent=idempotent, names_first=names_first)
        self._house = self._run(self._context.__aenter__())
        self._house.provider.ended = self._judge_end
        self._served = self._run(self._house.serving())
        self._note_put(self._served)

    def _judge_end(self, key: MadeKey) -> None:
        """A key that serves is not ended, nor one that calls in flight may have."""
        left = self._left.get(key.value)
        if key.value == self._served or (left is not None and self._house.clock.past - left < 60):
            # Whatever an engine makes of it that its rotator raises: it is looked at afterwards.
            self._ended_early.append(key)

    def _note_put(self, value: str) -> None:
        self._fingerprints.setdefault(value, set()).add(self._run(self._house.scene()).sealed.fingerprint)

    def _attend(self, place: int | None) -> None:
        with suppress(KilledError):
            self._run(self._house.attend(self._house.worker(Fuse(place))))

    @rule(faults=st.lists(st.sampled_from(FAULTS), min_size=1, max_size=4))
    def provider_errs(self, faults: list[str]) -> None:
        self._house.provider.faults += faults

    @rule(place=PLACES)
    def comes_due(self, place: int | None) -> None:
        self._run(self._house.due())
        self._attend(place)

    @rule(seconds=st.sampled_from((1, 61, 121, 1800, 3601)), place=PLACES)
    def time_goes_on(self, seconds: int, place: int | None) -> None:
        self._house.clock.go_on(seconds)
        self._attend(place)

    @rule(reason=st.sampled_from(("command", "compromised")), place=PLACES)
    def somebody_asks(self, reason: Any, place: int | None) -> None:
        self._run(self._house.shop.resume_rotation(SECRET))
        self._run(self._house.shop.rotate(SECRET, reason=reason))
        self._attend(place)

    @rule()
    def somebody_pauses(self) -> None:
        self._run(self._house.shop.pause_rotation(SECRET))

    @rule(place=PLACES, back=st.booleans())
    def somebody_puts(self, place: int | None, *, back: bool) -> None:
        """A key that he made, or one that lives still."""
        alive = self._house.provider.alive()
        key = alive[0] if back else self._house.provider.made("by hand")
        try:
            self._run(self._house.shop.put_secret(SECRET, Secret(key.value), provider="weather"))
        except ConflictError:
            return
        self._note_put(key.value)
        self._note_served()
        self._attend(place)

    @rule()
    def the_projects_key_turns(self) -> None:
        numbers = {key.number: key.fingerprint for key in self._run(self._house.scene()).keys}
        self._run(self._house.shop.turn_key())
        for key in self._run(self._house.scene()).keys:
            for known in self._fingerprints.values():
                if numbers[key.number] in known:
                    known.add(key.fingerprint)

    @invariant()
    def the_key_that_serves_lives(self) -> None:
        self._note_served()
        assert self._served in {key.value for key in self._house.provider.alive()}
        assert self._ended_early == []

    def _note_served(self) -> None:
        serving = self._run(self._house.serving())
        if serving != self._served:
            self._left[self._served] = self._house.clock.past
            self._served = serving

    def teardown(self) -> None:
        try:
            self._end_well()
        finally:
            self._runner.close()
            self._patch.undo()

    def _end_well(self) -> None:
        house = self._house
        house.provider.faults.clear()
        self._run(house.shop.resume_rotation(SECRET))
        for _ in range(6):
            house.clock.go_on(3700)
            self._attend(None)
            self.the_key_that_serves_lives()
        assert set(self._run(house.states())) <= {"current", "revoked"}
        assert self._run(house.states()).count("current") == 1
        told = " ".join(alert.todo for alert in self._run(house.alerts()))
        for key in house.provider.alive():
            names = {f"'{key.id}'", f"'{key.label}'", *self._fingerprints.get(key.value, ())}
            assert key.value == self._served or any(name in told for name in names), key


@pytest.mark.parametrize("examples", [60, pytest.param(3000, marks=pytest.mark.long)])
def test_in_the_end_one_key_lives_and_no_call_was_refused(examples: int) -> None:
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    profile = settings(max_examples=examples, stateful_step_count=30, deadline=None, suppress_health_check=checks)
    run_state_machine_as_test(Turns, settings=profile)
