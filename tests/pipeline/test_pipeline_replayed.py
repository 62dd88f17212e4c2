"""What a ledger tells of calls is what the watch counted of them, but for what is not written down."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import reduce

import pytest

from apikeychain.model.tally import Tally
from apikeychain.rules.recorded import Recording, read_call
from apikeychain.rules.tallies import merged
from apikeychain.testing.local_provider import Visit
from apikeychain.watch.observer import Observer
from gate import Gate, open_gate
from signer import signer_of

_PATH = "/data/2.5/weather"


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    """No window ends but that which a test takes."""
    taken = Observer.take
    monkeypatch.setattr(Observer, "take", lambda self, is_last=False: taken(self, is_last=True) if is_last else {})


async def _some_traffic(gate: Gate) -> None:
    statuses = iter([200, 200, 404, 429, 401, 503, 304])

    async def answers(visit: Visit) -> None:
        await visit.answer(next(statuses), body=b"")

    gate.provider.on(_PATH, answers)
    for _ in range(7):
        await gate.get()
    await gate.get(b"q=%27%20OR%201=1")
    for _ in range(3):
        await gate.get(origin="https://evil.example")
    lines = (await signer_of(gate)).sign(gate.shop.url("weather"), b"q=Paris")
    gate.provider.on(_PATH, lambda visit: visit.answer(200, body=b"Rain."))
    for _ in range(3):
        await gate.get(origin="", headers=lines)


def _counted(gate: Gate) -> Tally:
    residence = gate.residence
    assert residence.pipeline is not None
    observer = residence.pipeline._under_way._observe
    assert isinstance(observer, Observer)
    windows = observer.take(is_last=True).values()
    return _all({name: one.tally for name, one in window[gate.shop.id].routes.items()} for window in windows)


async def _recorded(gate: Gate) -> Tally:
    await gate.keychain.close()
    await gate.keychain.open()
    recording = Recording(gate.shop.id)
    for entry in await gate.acme.entries(0, 1000):
        call = read_call(entry.payload)
        if call is not None:
            recording.count(call)
    return _all(window.routes for window in recording.rest())


def _all(windows: Iterable[Mapping[str, Tally]]) -> Tally:
    return reduce(merged, (tally for routes in windows for tally in routes.values()), Tally())


async def test_what_a_ledger_tells_is_what_the_watch_counted() -> None:
    async with open_gate() as gate:
        await _some_traffic(gate)
        counted = _counted(gate)
        recorded = await _recorded(gate)
    assert counted.calls == 9
    assert counted.unadmitted == {"origin-refused": 3, "replayed": 2}
    assert counted.failures.keys() >= {"provider-401", "provider-429", "provider-5xx", "provider-other", "refused"}
    # Pages and values are not written down.
    assert counted.parameters
    assert recorded == replace(counted, parameters={}, origins={"": recorded.calls})
