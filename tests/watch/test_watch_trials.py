"""The watch is tried each time on a few projects, and in long runs on many that nobody tuned it on."""

from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import pytest

from .events import ATTACKS, SLOW
from .trials import HELD_OUT, Attacked, Calm, attack, life_of, live


def test_attacks_on_a_project_that_nobody_tuned_it_on_are_found_within_two_windows() -> None:
    found = defaultdict[str, Attacked](Attacked)
    attack(HELD_OUT, 1, found, each=1, days=1)
    assert len(ATTACKS) >= 12
    assert {kind: one.delays[0] for kind, one in found.items() if kind not in SLOW and one.delays[0] > 2} == {}


def test_days_of_a_project_pass_without_a_suspension() -> None:
    calm = Calm()
    live(HELD_OUT + 1_001, 2, calm)
    assert calm.days == 2
    assert calm.deeds == {}


@pytest.mark.long
def test_every_blatant_kind_is_found_within_two_windows() -> None:
    found = defaultdict[str, Attacked](Attacked)
    attack(HELD_OUT, 20, found)
    late = {kind: one.tried - one.within(2) for kind, one in found.items() if kind not in SLOW}
    assert set(late.values()) == {0}, late


@pytest.mark.long
@pytest.mark.parametrize("first", [HELD_OUT + 1_000, HELD_OUT + 2_000])
def test_a_hundred_projects_see_at_most_one_false_suspension_in_thirty_days(first: int) -> None:
    calm = Calm()
    with ProcessPoolExecutor() as pool:
        for one in pool.map(partial(life_of, days=30), range(first, first + 100)):
            calm.add(one)
    assert calm.days == 3_000
    assert calm.suspensions <= 1, calm.told
