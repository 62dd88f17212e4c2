"""Tallies add up to the same whoever adds them, and hold no more than they may whatever is counted."""

import hashlib
from math import log2
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.model.tally import (
    FAILURES,
    MOST_CALLERS,
    MOST_COUNTRIES,
    MOST_ORIGINS,
    MOST_PARAMETERS,
    MOST_VALUES,
    SKETCH,
    UNADMITTED,
    Tally,
    ValueTally,
)
from apikeychain.rules import tallies
from apikeychain.rules.tallies import Counting, distinct, judge_value, merged

_hashes = st.sets(st.integers(0, 2**48 - 1), max_size=5)
_numbers = st.integers(0, 1000)


def _counts(*names: str) -> st.SearchStrategy[dict[str, int]]:
    return st.dictionaries(st.sampled_from(names), st.integers(1, 50))


_values = st.builds(
    ValueTally,
    values=_numbers,
    characters=_numbers,
    letters=_numbers,
    digits=_numbers,
    longest=_numbers,
    millibits=_numbers,
    hashes=_hashes,
)
_tallies = st.builds(
    Tally,
    calls=_numbers,
    failures=_counts(*FAILURES),
    bytes_out=_numbers,
    callers=_counts("a1", "b2", "c3"),
    sketch=_hashes,
    countries=_counts("", "DE", "FR"),
    origins=_counts("", "https://a.example"),
    parameters=st.dictionaries(st.sampled_from(["", "city", "q"]), _values),
    unadmitted=_counts(*UNADMITTED),
)


@given(_tallies, _tallies)
def test_it_does_not_matter_which_of_two_is_added_to_which(one: Tally, other: Tally) -> None:
    assert merged(one, other) == merged(other, one)


@given(_tallies, _tallies, _tallies)
def test_where_nothing_is_cut_it_does_not_matter_which_two_of_three_are_added_first(
    one: Tally, two: Tally, three: Tally
) -> None:
    assert merged(merged(one, two), three) == merged(one, merged(two, three))


@given(_tallies)
def test_an_empty_tally_adds_nothing(one: Tally) -> None:
    assert merged(one, Tally()) == one


@pytest.mark.parametrize("swap", [False, True])
def test_of_more_than_it_may_hold_the_heaviest_are_kept_and_it_does_not_matter_which_is_first(*, swap: bool) -> None:
    one = Tally(
        callers={f"{number:032x}": number + 1 for number in range(MOST_CALLERS)},
        countries={f"{number:02}": number + 1 for number in range(MOST_COUNTRIES)},
        origins={f"https://{number}.example": number + 1 for number in range(MOST_ORIGINS)},
        parameters={f"p{number:02}": ValueTally(values=number + 1) for number in range(MOST_PARAMETERS)},
        sketch=set(range(SKETCH)),
    )
    other = Tally(
        callers={"f" * 32: 99},
        countries={"ZZ": 99},
        origins={"https://z.example": 99},
        parameters={"zz": ValueTally(values=99)},
        sketch={2**40},
    )
    total = merged(other, one) if swap else merged(one, other)
    assert len(total.callers) == MOST_CALLERS
    assert total.callers["f" * 32] == 99
    assert f"{0:032x}" not in total.callers
    assert (len(total.countries), total.countries["ZZ"]) == (MOST_COUNTRIES, 99)
    assert (len(total.origins), total.origins["https://z.example"]) == (MOST_ORIGINS, 99)
    assert (len(total.parameters), total.parameters["zz"].values) == (MOST_PARAMETERS, 99)
    assert total.sketch == set(range(SKETCH))


def test_how_many_differed_is_exact_for_few_and_about_right_for_many() -> None:
    assert distinct(set()) == 0
    assert distinct({5, 9}) == 2
    counting = Counting()
    for number in range(100_000):
        pseudonym = hashlib.blake2b(number.to_bytes(4), digest_size=16).hexdigest()
        counting.add(None, 0, pseudonym, "", "")
    assert 0.8 < distinct(counting.tally.sketch) / 100_000 < 1.2


def test_a_million_callers_take_no_more_room_than_a_hundred_and_who_calls_most_is_kept() -> None:
    counting = Counting()
    for number in range(1_000_000):
        pseudonym = "f" * 32 if number % 10 == 0 else f"{number * 2654435761 % 2**128:032x}"
        counting.add(None, 0, pseudonym, f"{number % 5000}", f"https://{number}.example")
    held = counting.held
    assert len(held.callers) <= 16 * MOST_CALLERS
    assert len(held.countries) <= 16 * MOST_COUNTRIES
    assert len(held.origins) <= 16 * MOST_ORIGINS
    assert len(held.sketch) <= 2 * SKETCH
    tally = counting.tally
    assert max(tally.callers, key=tally.callers.__getitem__) == "f" * 32
    assert tally.callers["f" * 32] == 100_000
    assert (len(tally.callers), len(tally.countries), len(tally.origins)) == (16, 64, 16)


def test_names_and_values_without_end_take_no_more_room() -> None:
    counting = Counting()
    for number in range(20_000):
        counting.add_value(f"p{number % 500}", f"v{number}", number)
    held = counting.held.parameters
    assert len(held) == MOST_PARAMETERS
    assert sum(tally.values for tally in held.values()) == 20_000
    assert max(len(tally.hashes) for tally in held.values()) <= 16 * MOST_VALUES
    assert max(len(tally.hashes) for tally in counting.tally.parameters.values()) == MOST_VALUES
    assert counting.tally.parameters[tallies.OTHERS].values == 20_000 - 40 * (MOST_PARAMETERS - 1)


def test_a_call_is_counted_by_what_came_of_it_and_who_made_it() -> None:
    counting = Counting()
    counting.add(None, 100, "a" * 32, "DE", "https://a.example")
    counting.add("provider-401", 20, "a" * 32, "DE", "")
    counting.add("refused", 0, None, "", "")
    counting.add_unadmitted("replayed")
    counting.add_unadmitted("replayed")
    assert counting.tally == Tally(
        calls=3,
        failures={"provider-401": 1, "refused": 1},
        bytes_out=120,
        callers={"a" * 32: 2},
        sketch={0xAAAAAAAAAAAA},
        countries={"DE": 2, "": 1},
        origins={"https://a.example": 1, "": 2},
        unadmitted={"replayed": 2},
    )


@pytest.mark.parametrize(
    ("value", "letters", "digits", "millibits"),
    [
        ("", 0, 0, 0),
        ("7", 0, 1, 0),
        ("aaaa", 4, 0, 0),
        ("ab12", 2, 2, 2000),
        ("Zürich", 6, 0, round(1000 * log2(6))),
        ("٣a", 1, 1, 1000),
        ("' OR 1=1--", 2, 2, None),
    ],
)
def test_a_value_is_judged_by_its_length_and_its_mix(
    value: str, letters: int, digits: int, millibits: int | None
) -> None:
    counting = Counting()
    counting.add_value("q", value, 7)
    tally = counting.tally.parameters["q"]
    assert (tally.values, tally.characters, tally.longest) == (1, len(value), len(value))
    assert (tally.letters, tally.digits, tally.hashes) == (letters, digits, {7})
    assert millibits is None or tally.millibits == millibits


def test_of_a_long_value_in_another_script_some_characters_tell_of_all() -> None:
    looked = 0

    class Text(str):
        __slots__ = ()

        def __getitem__(self, part: Any) -> Any:
            nonlocal looked
            looked = max(looked, len(found := super().__getitem__(part)))
            return found

    tally = ValueTally()
    judge_value(tally, Text("\u4e00\u0664" * 128))
    assert (tally.characters, tally.longest, looked) == (256, 256, 20)
    # Each thirteenth character: the two kinds take turns.
    assert (tally.letters, tally.digits) == (128, 128)


def test_a_long_value_is_judged_by_its_beginning() -> None:
    counting = Counting()
    counting.add_value("q", "a" * 256 + "1" * 10_000, 7)
    tally = counting.tally.parameters["q"]
    assert (tally.characters, tally.longest, tally.letters, tally.digits) == (256, 256, 256, 0)
