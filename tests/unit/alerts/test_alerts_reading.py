"""Alerts are read around those that were damaged, in a real file."""

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_house import ACME, GLOBEX, Sink, filed
from apikeychain.alerts import outbox
from apikeychain.alerts.delivery import Delivery
from apikeychain.alerts.reading import Waiting, waiting_of
from apikeychain.backends.sql import SQLStore
from apikeychain.errors import DamagedDataError
from apikeychain.model.alert import OutgoingAlert
from apikeychain.model.records import Key
from apikeychain.testing.alert_sink import ALERT
from still_clock import StillClock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "alerts.sqlite3"


@pytest.fixture
async def store(path: Path) -> AsyncGenerator[SQLStore, None]:
    async with SQLStore.sqlite(path) as store:
        yield store


def damage(path: Path, *ids: str, with_what: str = "'{}'") -> None:
    with closing(sqlite3.connect(path)) as database:
        database.executemany(f"UPDATE alerts SET body = {with_what} WHERE id = ?", [(each,) for each in ids])  # noqa: S608 - a constant
        database.commit()


def body_of(path: Path, one: str) -> str:
    with closing(sqlite3.connect(path)) as database:
        return str(database.execute("SELECT body FROM alerts WHERE id = ?", (one,)).fetchone()[0])


def restore(path: Path, one: str, body: str) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE alerts SET body = ? WHERE id = ?", (body, one))
        database.commit()


async def read(store: SQLStore) -> Waiting:
    async with store.reading(ACME) as records:
        return await waiting_of(records)


async def test_none_and_many_are_read(store: SQLStore) -> None:
    assert await read(store) == Waiting()
    ids = await filed(store, ALERT.at, each=150)
    assert [each.alert.id for each in (await read(store)).alerts] == sorted(ids)


async def test_all_but_those_that_are_damaged_are_read(store: SQLStore, path: Path) -> None:
    ids = sorted(await filed(store, ALERT.at, each=150))
    broken = {ids[0], ids[1], ids[70], ids[72], ids[149]}
    damage(path, *broken)
    found = await read(store)
    assert [each.alert.id for each in found.alerts] == [each for each in ids if each not in broken]
    assert len(found.damaged) == len(broken)
    assert all(any(each in told for told in found.damaged) for each in broken)


async def test_one_at_a_place_that_is_no_id_ends_the_reading(store: SQLStore, path: Path) -> None:
    ids = sorted(await filed(store, ALERT.at, each=5))
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE alerts SET id = 'zzz' WHERE id = ?", (ids[2],))
        database.commit()
    found = await read(store)
    assert [each.alert.id for each in found.alerts] == [*ids[:2], *ids[3:]]
    assert len(found.damaged) == 1


async def test_what_is_no_text_is_around_too(store: SQLStore, path: Path) -> None:
    ids = sorted(await filed(store, ALERT.at, each=5))
    damage(path, ids[2], with_what="CAST(x'ff' AS TEXT)")
    assert [each.alert.id for each in (await read(store)).alerts] == [*ids[:2], *ids[3:]]


async def test_one_damaged_alert_keeps_no_other_waiting(
    store: SQLStore, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock, sink = StillClock(), Sink()
    ids = await filed(store, clock.now(), each=3)
    body = body_of(path, ids[1])
    damage(path, ids[1])
    by = Delivery(store, {"log": sink}, now=clock.now)

    async def look_for_hours(hours: int) -> None:
        for _ in range(hours):
            await by.look()
            await by.settled()
            clock.go_on(3600)

    await look_for_hours(20)
    assert sorted(sink.taken) == sorted([ids[0], ids[2]])
    assert caplog.text.count(ids[1]) == 1
    assert "it was damaged or changed from outside" in caplog.text
    # It is found once it is restored.
    restore(path, ids[1], body)
    await look_for_hours(2)
    assert sorted(sink.taken) == sorted(ids)


async def test_the_alerts_of_all_tenants_are_listed(store: SQLStore, path: Path) -> None:
    ids = await filed(store, ALERT.at, ACME, GLOBEX, each=2)
    damage(path, ids[3])
    found = await outbox.waiting(store)
    assert sorted(each.alert.id for each in found.alerts) == sorted(ids[:3])
    assert len(found.damaged) == 1


class Reader:
    """Lists alerts of these numbers, of which some are damaged."""

    def __init__(self, numbers: list[int], broken: set[int]) -> None:
        self._keys = {f"alert_{number:020x}": number in broken for number in numbers}

    async def list(self, kind: type[OutgoingAlert], after: Key, limit: int) -> list[OutgoingAlert]:
        page = [key for key in sorted(self._keys) if (key,) > after][:limit]
        for key in page:
            if self._keys[key]:
                raise DamagedDataError(key)
        return [_outgoing(key) for key in page]


def _outgoing(key: str) -> OutgoingAlert:
    return OutgoingAlert(alert=replace(ALERT, id=key), after=ALERT.at)


@given(
    st.lists(st.integers(0, 2**80 - 1) | st.integers(0, 300), unique=True, max_size=90),
    st.sets(st.integers(0, 300), max_size=60),
)
async def test_whatever_is_damaged_all_others_are_read(numbers: list[int], broken: set[int]) -> None:
    found = await waiting_of(Reader(numbers, broken))  # type: ignore[arg-type]  # its list is all that is asked
    assert [each.alert.id for each in found.alerts] == [f"alert_{n:020x}" for n in sorted(numbers) if n not in broken]
    assert len(found.damaged) == len({*numbers} & broken)
