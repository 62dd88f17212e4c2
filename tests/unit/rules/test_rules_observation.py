"""What is noted of one call."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain import JSONBody, JSONField, PathParameter, ProxyRoute, QueryParameter
from apikeychain.errors import AnswerError, OriginRefusedError, RateLimitedError, RefusalError, ReplayedError
from apikeychain.model.tally import FAILURES, UNADMITTED
from apikeychain.rules import observation
from apikeychain.rules.pairs import Pair
from apikeychain.rules.routing import Target
from apikeychain.rules.tallies import OTHERS
from sample_project import PROVIDER, a_snapshot

ROUTE = ProxyRoute(
    "weather",
    provider="weather",
    path="/v1/{place}",
    parameters=[PathParameter("place"), QueryParameter("q"), QueryParameter("units", fixed="metric")],
    methods=["GET", "POST"],
    body=JSONBody([JSONField("n", type="number")], undeclared="forward"),
    tail=True,
)
COMPILED = a_snapshot(routes=[ROUTE], providers=[PROVIDER]).routes[b"weather"]
KEY = bytes(range(32))


def _target(
    *,
    path: dict[str, str] | None = None,
    tail: Sequence[str] = (),
    query: Sequence[tuple[str, str]] = (),
    members: Sequence[tuple[str, object]] = (),
) -> Target:
    pairs = [Pair(name, value, b"") for name, value in query]
    return Target(
        method="GET", path=b"/", route=COMPILED, path_values=path or {}, tail=tail, pairs=pairs, members=members
    )


@pytest.mark.parametrize("turn", range(4))
def test_of_many_values_two_short_ones_are_taken_in_turn(turn: int) -> None:
    sent = [("q", "a"), ("x", "b"), ("q", "c"), ("y", "d")]
    shown = [("q", "a"), (OTHERS, "b"), ("q", "c"), (OTHERS, "d")]
    taken = observation.taken(_target(query=sent), turn)
    assert [*taken] == [shown[turn], shown[(turn + 1) % 4]]


def test_of_long_values_one_is_taken_and_its_beginning() -> None:
    taken = observation.taken(_target(query=[("q", "a" * 1000), ("q", "b")]), 0)
    assert taken == (("q", "a" * 256),)


def test_values_come_from_wherever_callers_have_a_say() -> None:
    assert observation.taken(_target(path={"place": "Rome"}), 7) == (("place", "Rome"),)
    assert observation.taken(_target(tail=["deep"]), 7) == ((OTHERS, "deep"),)
    assert observation.taken(_target(query=[("units", "metric")]), 7) == ()
    assert observation.taken(_target(members=[("n", 1.5)]), 7) == (("n", "1.5"),)
    assert observation.taken(_target(members=[("list", [1]), ("none", None), ("yes", True)]), 7) == ((OTHERS, "True"),)


def test_of_ever_so_many_segments_each_is_taken_in_its_turn_and_few_are_read() -> None:
    read = 0

    class Segments(tuple[str, ...]):
        __slots__ = ()

        def __getitem__(self, part: Any) -> Any:
            nonlocal read
            found = super().__getitem__(part)
            read += len(found)
            return found

        def __iter__(self) -> Iterator[str]:
            raise AssertionError

    segments = Segments(f"{number:030}" for number in range(400))
    turns = range(400 * 32)
    taken = {observation.taken(_target(tail=segments), turn) for turn in turns}
    assert taken == {((OTHERS, f"{number:030}"),) for number in range(400)}
    assert read <= 32 * len(turns)


def test_of_many_numbers_only_those_that_are_taken_are_spelled() -> None:
    spelled = 0

    class Number(float):
        def __str__(self) -> str:
            nonlocal spelled
            spelled += 1
            return super().__str__()

    taken = observation.taken(_target(members=[("n", Number(1.5))] * 64), 7)
    assert taken == (("n", "1.5"), ("n", "1.5"))
    assert spelled == 2


@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=400)), max_size=200), st.integers(0, 10**6))
def test_never_more_than_two_values_are_taken(sent: list[tuple[str, str]], turn: int) -> None:
    taken = observation.taken(_target(query=sent), turn)
    assert len(taken) == min(len(taken), 2)
    assert all(name in {"q", "place", "n", OTHERS} and len(value) <= 256 for name, value in taken)


def test_a_hash_is_of_48_bits_of_one_tenant_and_one_parameter() -> None:
    key, other = observation.value_key(KEY), observation.value_key(bytes(32))
    hashes = {
        observation.value_hash(key, "q", "Paris"),
        observation.value_hash(key, "p", "Paris"),
        observation.value_hash(other, "q", "Paris"),
        observation.value_hash(key, "q", "Rome"),
    }
    assert len(hashes) == 4
    assert max(hashes) < 2**48
    assert key != KEY
    assert observation.value_hash(key, "q", "\ud800") >= 0


def _all(kind: type[AnswerError]) -> set[type[AnswerError]]:
    found = {kind}
    for one in kind.__subclasses__():
        found |= _all(one)
    return found


_ERRORS: list[type[AnswerError]] = sorted(_all(AnswerError), key=lambda error: error.__name__)


@pytest.mark.parametrize("error", _ERRORS, ids=[error.__name__ for error in _ERRORS])
def test_every_refusal_and_failure_has_a_class(error: type[AnswerError]) -> None:
    failure = observation.failure_of(error.status, error.code, by_provider=False)
    assert failure in FAILURES
    is_refusal = issubclass(error, RefusalError) and error.code != "internal"
    assert (failure in {"refused", "rate-limited"}) == is_refusal
    assert (failure == "rate-limited") == (error is RateLimitedError)
    assert observation.unadmitted_of(error.code) in UNADMITTED


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("routed", [False, True])
@pytest.mark.parametrize("refusal", [None, RateLimitedError.code, ReplayedError.code, OriginRefusedError.code])
def test_admitted_is_who_had_a_place_in_the_ledger_or_was_over_a_quota(
    *, recorded: bool, routed: bool, refusal: str | None
) -> None:
    expected = recorded or (routed and refusal == "rate-limited")
    assert observation.is_admitted(refusal, recorded=recorded, routed=routed) == expected
