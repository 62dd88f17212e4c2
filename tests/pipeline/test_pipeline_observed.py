"""What the watch counts of calls as they come through the gate: who was admitted, what came of it, and no value."""

import asyncio
import time
from collections.abc import Sequence
from functools import reduce

import pytest

from apikeychain import FormBody, FormParameter, JSONBody, JSONField, PathParameter, ProxyRoute, QueryParameter
from apikeychain.model.headers import Line
from apikeychain.model.tally import Tally
from apikeychain.rules.tallies import OTHERS, merged
from apikeychain.testing.local_provider import Visit
from apikeychain.watch.observer import Observer
from gate import APP, WEATHER, Gate, open_gate
from one_plug import Both
from signer import signer_of

PATH = "/data/2.5/weather"
ORIGIN = (b"origin", APP.encode())
JSON = (b"content-type", b"application/json")
FORM = (b"content-type", b"application/x-www-form-urlencoded")
CALLS = ("weather", "ask", "form", "strict", "many", "of")
ROUTES = (
    WEATHER,
    ProxyRoute("ask", provider="weather", path=PATH, methods=["POST"], body=JSONBody([JSONField("q")])),
    ProxyRoute("form", provider="weather", path=PATH, methods=["POST"], body=FormBody([FormParameter("q")])),
    ProxyRoute("strict", provider="weather", path=PATH, require="signature"),
    ProxyRoute("loose", provider="weather", path=PATH, undeclared="forward", parameters=[QueryParameter("q")]),
    ProxyRoute("of", provider="weather", path="/data/{what}", parameters=[PathParameter("what")], tail=True),
    ProxyRoute("sure", provider="weather", path=PATH, parameters=[QueryParameter("q", fixed="Paris")]),
)


def observer_of(gate: Gate) -> Observer:
    """Counts the calls of a gate; its window does not end."""
    residence = gate.residence
    assert residence.pipeline is not None
    observer = residence.pipeline._under_way._observe
    assert isinstance(observer, Observer)
    return observer


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    """No window is over and handed on in the middle of a test: it is always the same second."""
    still = {"seconds": lambda: 1_800_000_000.0, "clock": time.monotonic}
    monkeypatch.setattr(Observer.__init__, "__kwdefaults__", still)
    taken = Observer.take
    monkeypatch.setattr(Observer, "take", lambda self, is_last=False: taken(self, is_last=True) if is_last else {})


def tallies(gate: Gate) -> dict[str, Tally]:
    """What was counted of the project, by route."""
    windows = observer_of(gate).take(is_last=True)
    (counted,) = [projects[gate.shop.id] for projects in windows.values() if gate.shop.id in projects]
    assert counted.tenant == gate.shop.tenant
    return {name: counting.tally for name, counting in counted.routes.items()}


async def test_a_call_is_counted_by_its_route_its_caller_its_page_and_its_values() -> None:
    async with open_gate(routes=ROUTES) as gate:
        for query in (b"q=Paris", b"q=Rome", b"q=Paris"):
            answer = await gate.get(query)
            assert answer.status == 200
        counted = tallies(gate)
        (tally,) = counted.values()
        assert [*counted] == ["weather"]
        assert (tally.calls, tally.failures, tally.unadmitted) == (3, {}, {})
        assert (tally.countries, tally.origins) == ({"": 3}, {APP: 3})
        assert tally.bytes_out == 3 * len(answer.body)
        ((caller, calls),) = tally.callers.items()
        assert (len(caller), calls, tally.sketch) == (32, 3, {int(caller[:12], 16)})
        (values,) = tally.parameters.values()
        assert (values.values, values.characters, values.letters, len(values.hashes)) == (3, 14, 14, 2)
        assert "Paris" not in repr(tally)
        assert "203.0.113.9" not in repr(tally)


@pytest.mark.parametrize(
    ("route", "method", "query", "lines", "body", "names"),
    [
        ("ask", "POST", b"", [JSON], b'{"q":"Paris"}', {"q"}),
        ("form", "POST", b"", [FORM], b"q=Paris", {"q"}),
        ("loose", "GET", b"other=1", [], b"", {OTHERS}),
        ("sure", "GET", b"", [], b"", set()),
        ("of/2.5", "GET", b"", [], b"", {"what"}),
    ],
)
async def test_values_are_counted_wherever_they_stand_and_undeclared_ones_together(  # noqa: PLR0917  # of one call
    route: str, method: str, query: bytes, lines: Sequence[Line], body: bytes, names: set[str]
) -> None:
    async with open_gate(routes=ROUTES) as gate:
        path = gate.shop.url(*route.split("/"))
        await gate.call(path, query, method=method, headers=[ORIGIN, *lines], body=[body])
        (tally,) = tallies(gate).values()
        assert tally.calls == 1
        assert {*tally.parameters} == names


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (200, None),
        (304, None),
        (401, "provider-401"),
        (403, "provider-403"),
        (404, "provider-other"),
        (429, "provider-429"),
        (500, "provider-5xx"),
        (503, "provider-5xx"),
    ],
)
async def test_what_the_provider_answers_is_counted_by_its_class(status: int, failure: str | None) -> None:
    async with open_gate() as gate:

        async def answers(visit: Visit) -> None:
            await visit.answer(status, body=b"")

        gate.provider.on(PATH, answers)
        await gate.get()
        (tally,) = tallies(gate).values()
        assert tally.calls == 1
        assert tally.failures == ({} if failure is None else {failure: 1})


async def test_what_we_refuse_of_those_who_were_admitted_is_another_failure() -> None:
    async with open_gate() as gate:
        await gate.get(b"q=%27%20OR%201=1")
        await gate.shop.configure(address_quota="1/hour")
        # Until the change was heard.
        calls = 1
        while (await gate.get()).status != 429:
            calls += 1
        (tally,) = tallies(gate).values()
        assert tally.failures == {"refused": 1, "rate-limited": 1}
        assert tally.unadmitted == {}
        # Who is over a quota is known all the same.
        assert sum(tally.callers.values()) == tally.calls == calls + 1


async def test_a_provider_that_breaks_off_is_a_failure() -> None:
    async with open_gate() as gate:

        async def breaks(visit: Visit) -> None:
            await visit.answer(302, [(b"location", b"https://elsewhere.example/")])

        gate.provider.on(PATH, breaks)
        assert (await gate.get()).status == 502
        (tally,) = tallies(gate).values()
        assert (tally.calls, tally.failures) == (1, {"failed": 1})


async def test_a_caller_who_leaves_is_no_failure() -> None:
    async with open_gate() as gate:

        async def slow(visit: Visit) -> None:
            await asyncio.sleep(1)
            await visit.answer(200, body=b"")

        gate.provider.on(PATH, slow)
        await gate.get(leave_after=0.1)
        (tally,) = tallies(gate).values()
        assert (tally.calls, tally.failures) == (1, {})


@pytest.mark.parametrize(
    ("lines", "method", "path", "name"),
    [
        ([], "GET", "weather", "origin-refused"),
        ([(b"origin", b"https://evil.example")], "GET", "weather", "origin-refused"),
        ([(b"referer", APP.encode())], "GET", "weather", "origin-refused"),
        ([(b"sec-fetch-site", b"same-origin")], "GET", "weather", "origin-refused"),
        ([(b"x-signature", b"v1=" + b"0" * 64)], "GET", "weather", "signature-refused"),
        ([(b"x-key-id", b"k_1"), (b"x-timestamp", b"1"), (b"x-signature", b"v1=" + b"0" * 64)], "GET", "weather", None),
        ([(b"origin", b"https://evil.example")], "POST", "nothing", "origin-refused"),
        ([(b"origin", b"null"), (b"x-forwarded-for", b"10.0.0.1")], "DELETE", "weather", "origin-refused"),
        ([(b"x-iso-user", b"boss")], "GET", "strict", "origin-refused"),
    ],
)
async def test_of_strangers_nothing_is_counted_but_that_they_came(
    lines: list[Line], method: str, path: str, name: str | None
) -> None:
    async with open_gate(routes=ROUTES) as gate:
        await gate.call(gate.shop.url(path), b"q=Paris", method=method, headers=lines)
        counted = tallies(gate)
        assert [*counted] == [""]
        seen = counted[""].unadmitted
        assert sum(seen.values()) == 1
        assert name is None or [*seen] == [name]
        assert counted[""] == Tally(unadmitted=seen)


async def test_a_replay_is_counted_as_one_and_so_is_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_gate() as gate:
        lines = (await signer_of(gate)).sign(gate.shop.url("weather"), b"q=Paris")
        for _ in range(3):
            await gate.get(origin="", headers=lines)
        tally = reduce(merged, tallies(gate).values())
        assert (tally.calls, tally.unadmitted) == (1, {"replayed": 2})
        assert sum(tally.callers.values()) == 1


async def test_replays_are_never_admitted_where_a_claim_also_spends() -> None:
    plug = Both()
    async with open_gate(rate_limiter=plug, replay_guard=plug) as gate:
        lines = (await signer_of(gate)).sign(gate.shop.url("weather"), b"q=Paris", announce=True)
        codes = [(await gate.get(origin="", headers=lines)).code for _ in range(150)]
        assert "rate-limited" in codes
        tally = reduce(merged, tallies(gate).values())
        assert (tally.calls, tally.failures) == (1, {})
        assert sum(tally.unadmitted.values()) == 149


async def test_projects_that_nobody_has_are_not_counted() -> None:
    async with open_gate() as gate:
        for number in range(50):
            await gate.call(f"/api/apikeychain/p_{number:020}/proxy/weather", headers=[ORIGIN])
            await gate.call(f"/api/apikeychain/nonsense-{number}/proxy/weather", headers=[ORIGIN])
        assert observer_of(gate).take(is_last=True) == {}


async def test_preflights_that_are_answered_are_no_calls() -> None:
    async with open_gate() as gate:
        asks = (b"access-control-request-method", b"GET")
        answer = await gate.call(gate.shop.url("weather"), method="OPTIONS", headers=[ORIGIN, asks])
        assert answer.status == 204
        assert observer_of(gate).take(is_last=True) == {}


async def test_a_bug_in_the_watch_costs_no_call_and_is_told_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_gate() as gate:

        def broken(*told: object) -> None:
            raise ValueError(*told)

        monkeypatch.setattr(Observer, "_count", broken)
        assert [(await gate.get()).status for _ in range(3)] == [200] * 3
        told = [record for record in caplog.records if record.name == "apikeychain.watch"]
        assert len(told) == 1
        assert "203.0.113.9" not in caplog.text
