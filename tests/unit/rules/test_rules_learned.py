"""What was learned, as text and back."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.ports.detector import MOST_STATE
from apikeychain.rules.learned import BITS, WHOLE, Learned, Route, Values, parse, text_of
from apikeychain.rules.series import Series

ROUTE = Route(
    at=7,
    windows=500,
    calm=3,
    suspects={"0123": 6, "4567": 7},
    series={"rate": Series(4.5, 1.25, 7.0, 500, 0.5, 3, 4, 5, 2), "length(q)": Series(2.0, windows=9)},
    countries={"DE": 0.75},
    origins={"https://a.example": 1.0},
    values={"q": Values(0b1011, 1 << (BITS - 1)), "page": Values()},
)
LEARNED = Learned(7, {WHOLE: ROUTE, "search": Route(at=7)})
TOLD = json.loads(text_of(LEARNED))


def test_what_was_written_is_read() -> None:
    assert parse(text_of(LEARNED)) == LEARNED


def test_values_that_came_are_known_and_the_oldest_are_forgotten() -> None:
    values = Values()
    values.add(set(range(200)))
    assert values.count_new({0, 199, 200}) == 1
    values.add(set(range(200, 400)))
    assert values.count_new(set(range(400))) == 0
    values.add(set(range(400, 800)))
    assert values.count_new({0, 199, 800}) == 3


def test_routes_go_that_were_not_called_for_longest() -> None:
    routes = {f"route{number}": replace(ROUTE, at=number) for number in range(500)}
    text = text_of(Learned(500, {**routes, WHOLE: replace(ROUTE, at=0)}))
    kept = parse(text).routes
    assert MOST_STATE - 1000 < len(text.encode()) <= MOST_STATE
    assert WHOLE in kept
    assert sorted(int(name[5:]) for name in kept if name != WHOLE) == list(range(501 - len(kept), 500))


def test_parameters_go_that_came_least_before_a_route_goes() -> None:
    usual = {"length(q)": Series(2.0, windows=500), "rate": Series(4.5, windows=500)}
    login = Route(at=6, windows=500, series=dict(usual), values={"q": Values(5, 7)})
    sent = {f"p{number}": Values(1 << (BITS - 1), 1 << (BITS - 2)) for number in range(32)}
    measures = {
        f"{what}({name})": Series(2.0, windows=9) for name in sent for what in ("length", "letters", "new_values")
    }
    wide = Route(at=7, windows=500, series=usual | measures, values={"q": Values(5, 7)} | sent)
    kept = parse(text_of(Learned(7, {"login": login} | {f"r{number}": wide for number in range(6)}))).routes
    assert len(kept) == 7
    assert kept["login"] == login
    assert len(kept["r5"].values) == 8
    assert (kept["r5"].values["q"], kept["r5"].series["rate"]) == (Values(5, 7), Series(4.5, windows=500))
    assert len(kept["r5"].series) == 1 + 1 + 7 * 3


def _route(**changed: object) -> str:
    return json.dumps({"v": 1, "at": 7, "routes": {"search": {**TOLD["routes"][WHOLE], **changed}}})


@pytest.mark.parametrize(
    "text",
    [
        _route(at=-1),
        _route(n="many"),
        _route(calm=None),
        _route(suspects=[]),
        _route(series={"rate": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}),
        _route(series={"rate": [-1]}),
        _route(series={"rate": [1e300]}),
        _route(series={"rate": 7}),
        _route(countries={"DE": "all"}),
        _route(origins=[1]),
        _route(values={"q": ["only one"]}),
        _route(values={"q": ['"""""', ""]}),
        _route().replace("500", "1e999"),
        _route().replace("500", "Infinity"),
        json.dumps({**TOLD, "routes": {"search": {}}}),
        json.dumps({**TOLD, "at": [1]}),
    ],
)
def test_a_state_that_was_not_written_here_is_as_if_nothing_was_learned(text: str) -> None:
    assert parse(text) == Learned()


def test_a_route_that_stands_as_it_should_is_read() -> None:
    assert parse(_route()).routes == {"search": ROUTE}


@given(st.text(max_size=40) | st.builds(json.dumps, st.dictionaries(st.text(max_size=8), st.integers() | st.none())))
def test_whatever_stands_there_is_read_or_none(text: str) -> None:
    assert parse(text) == Learned()
