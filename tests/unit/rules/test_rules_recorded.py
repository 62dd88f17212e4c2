"""A ledger tells of windows: each call in the one in which it ended, in order, in bounded memory, whatever it holds."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.model.finding import Window
from apikeychain.model.ids import ProjectId
from apikeychain.model.ledger import canonical_json, timestamp
from apikeychain.model.tally import FAILURES, UNADMITTED
from apikeychain.rules.recorded import LATE, RecordedCall, Recording, begin_of, read_call

_PROJECT = ProjectId("p_" + "a" * 20)
_NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)
_CALLER = "0123456789abcdef" * 2


def payload(kind: str = "call", at: datetime = _NOON, **changed: Any) -> bytes:
    """Of an entry, as the gate writes it."""
    data: dict[str, Any] = {
        "call": {
            "route": "weather",
            "base_url": "https://api.weather.example",
            "path": "/v1",
            "method": "GET",
            "query": ["q"],
            "caller": _CALLER,
            "status": 200,
            "duration_ms": 20,
            "bytes_in": 0,
            "bytes_out": 512,
            "answered": "provider",
            "refusal": None,
            "country": None,
        },
        "refusals": {"code": "origin-refused", "count": 7, "since": timestamp(at)},
    }.get(kind, {})
    entry: dict[str, Any] = {"v": 1, "tenant": "acme", "seq": 1, "at": timestamp(at), "kind": kind, "actor": "gate"}
    return canonical_json({**entry, "project": _PROJECT, "data": {**data, **changed}})


def told(**changed: Any) -> RecordedCall:
    found = read_call(payload(**changed))
    assert found is not None
    return found


def windows_of(calls: Iterable[RecordedCall]) -> tuple[Sequence[Window], Recording]:
    """What is made of them, and by what."""
    recording, windows = Recording(_PROJECT), list[Window]()
    for call in calls:
        windows += recording.over(call.at)
        recording.count(call)
    return [*windows, *recording.rest()], recording


def test_a_call_is_told_with_its_end_and_without_what_it_was_about() -> None:
    assert told(duration_ms=1500, country="DE") == RecordedCall(
        project=_PROJECT,
        at=_NOON + timedelta(milliseconds=1500),
        route="weather",
        caller=_CALLER,
        country="DE",
        bytes_out=512,
    )


@pytest.mark.parametrize(
    ("failure", "changed"),
    [
        (None, {}),
        (None, {"status": 304}),
        ("provider-401", {"status": 502, "answered": "gate", "refusal": "credential-refused"}),
        ("provider-403", {"status": 403}),
        ("provider-429", {"status": 429}),
        ("provider-5xx", {"status": 503}),
        ("provider-other", {"status": 404}),
        ("refused", {"status": 400, "answered": "gate", "refusal": "parameter-refused"}),
        ("failed", {"status": 504, "answered": "gate", "refusal": "upstream-timeout"}),
        ("failed", {"refusal": "upstream-refused"}),
        (None, {"status": 499, "answered": "gate", "refusal": "caller-gone"}),
        (None, {"refusal": "caller-gone"}),
    ],
)
def test_what_came_of_a_call_has_a_name(failure: str | None, changed: dict[str, Any]) -> None:
    assert told(**changed).failure == failure
    assert failure in {None, *FAILURES}


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("origin-refused", "origin-refused"),
        ("signature-refused", "signature-refused"),
        ("signature-refused", "timestamp-refused"),
        ("replayed", "replayed"),
        ("other", "rate-limited"),
    ],
)
def test_refused_calls_are_told_together(name: str, code: str) -> None:
    assert told(kind="refusals", code=code) == RecordedCall(project=_PROJECT, at=_NOON, refused=name, count=7)
    assert name in UNADMITTED


@pytest.mark.parametrize(
    "entry",
    [
        payload(kind="intent"),
        payload(kind="project.created"),
        payload(route=7),
        payload(duration_ms="20"),
        payload(duration_ms=-1),
        payload(at=datetime(9999, 12, 31, 23, 59, tzinfo=UTC)),
        payload(bytes_out=None),
        payload(bytes_out=1.5),
        payload(bytes_out=1 << 53),
        payload(route="a\nb"),
        payload(status="200"),
        payload().replace(b"weather", b"\\ud800"),
        payload(kind="refusals", since="2026-01-02"),
        payload(kind="refusals", since="never"),
        payload(at=datetime(1, 1, 1, tzinfo=UTC)),
        payload().replace(b'"' + _PROJECT.encode() + b'"', b"null"),
        json.dumps({"kind": "call", "project": _PROJECT}, separators=(",", ":")).encode(),
        b"",
        b"[]",
        b"7",
        b'{"at":7,"project":"p","data":{}}',
        b'{"at":"2026-01-02T12:00:00Z","project":"p","data":7,"kind":"call"}',
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_what_tells_of_no_call_is_none(entry: bytes) -> None:
    assert read_call(entry) is None


def test_no_call_lasts_longer_than_a_day() -> None:
    assert told(duration_ms=(1 << 53) - 1).at == _NOON + timedelta(days=1)


@pytest.mark.parametrize("caller", [None, "", "10.0.0.1", _CALLER.upper(), 7])
def test_what_is_no_pseudonym_names_no_caller(caller: object) -> None:
    assert told(caller=caller).caller is None


def test_calls_are_in_the_window_in_which_they_ended_and_windows_come_in_order() -> None:
    calls = [
        told(),
        told(at=_NOON + timedelta(seconds=59), duration_ms=1000, status=500),
        told(at=_NOON + timedelta(seconds=59)),
        told(kind="refusals", at=_NOON + timedelta(seconds=50)),
        told(at=_NOON + 5 * _MINUTE, country="DE"),
    ]
    windows, recording = windows_of(calls)
    assert [(window.begin - _NOON) // _MINUTE for window in windows] == [0, 1, 5]
    first, second, third = windows
    assert (first.routes["weather"].calls, first.routes[""].unadmitted) == (2, {"origin-refused": 7})
    assert first.routes["weather"].callers == {_CALLER: 2}
    assert (second.routes["weather"].failures, second.routes["weather"].bytes_out) == ({"provider-5xx": 1}, 512)
    assert third.routes["weather"].countries == {"DE": 1}
    assert recording.late == 0


def test_a_window_is_over_15_seconds_after_its_end_and_what_comes_later_is_in_none() -> None:
    recording = Recording(_PROJECT)
    recording.count(told())
    assert list(recording.over(_NOON + _MINUTE + LATE - timedelta(milliseconds=1))) == []
    recording.count(told())
    [window] = recording.over(_NOON + _MINUTE + LATE)
    assert window.routes["weather"].calls == 2
    recording.count(told())
    assert (recording.late, list(recording.rest())) == (1, [])


@given(st.lists(st.integers(0, 7200), max_size=200))
def test_every_call_is_in_one_window_or_late_and_at_most_two_are_open(seconds: list[int]) -> None:
    recording, windows = Recording(_PROJECT), list[Window]()
    for second in seconds:
        call = told(at=_NOON + timedelta(seconds=second), duration_ms=0)
        windows += recording.over(call.at)
        recording.count(call)
        assert len(recording._open) <= 2
    windows += recording.rest()
    assert sum(window.routes["weather"].calls for window in windows) + recording.late == len(seconds)
    begins = [window.begin for window in windows]
    assert begins == sorted(set(begins))
    assert all(begin == begin_of(begin) for begin in begins)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
_NAMES = ("kind", "at", "project", "data")
_DATA = ("route", "duration_ms", "status", "bytes_out", "answered", "refusal", "caller", "country")


@given(st.binary() | _JSON.map(lambda value: json.dumps(value).encode()))
def test_whatever_an_entry_holds_it_is_a_call_or_none(entry: bytes) -> None:
    assert read_call(entry) is None


@given(st.sampled_from([*_NAMES, *_DATA]), _JSON)
def test_whatever_stands_in_one_place_of_an_entry_it_is_read_or_left(name: str, value: object) -> None:
    entry = json.loads(payload())
    (entry if name in _NAMES else entry["data"])[name] = value
    call = read_call(json.dumps(entry).encode())
    if call is not None:
        windows, recording = windows_of([call])
        assert sum(tally.calls for window in windows for tally in window.routes.values()) == 1
        assert recording.late == 0
