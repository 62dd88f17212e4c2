"""Old bodies are dropped: how far, in which steps, and never of a chain that does not hold or was not signed."""

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from apikeychain.backends.memory_store import MemoryStore
from apikeychain.backends.sql import SQLStore
from apikeychain.errors import (
    BackendUnavailableError,
    ConflictError,
    DoesNotExistError,
    InvalidValueError,
    LedgerBrokenError,
)
from apikeychain.ledger import retain as retention
from apikeychain.ledger.examine import examine
from apikeychain.ledger.retain import RetainedLedger, retain
from apikeychain.ledger.verify import verify
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head, LedgerDraft, LedgerEntry
from apikeychain.model.ledger_records import SignedChain
from apikeychain.ports.store import Store
from apikeychain.ports.witness import Witness
from apikeychain.rules.retained import retained
from apikeychain.testing.chains import chain
from notarized import STRANGER, MemoryWitness, notarize, put_signed, sign_chain
from served_postgres import Database
from signed_ledgers import ACME, NOON, OTHER, TRUSTED, frontier, said, signed

_DAY = timedelta(days=1)


def day(number: float) -> datetime:
    return NOON + number * _DAY


def drafts(first: int, last: int) -> list[LedgerDraft]:
    """One a day."""
    return [LedgerDraft(at=day(n), kind="call", actor="gate", data={"n": n}) for n in range(first, last + 1)]


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Database | Path | None:
    """Where the store is; what makes a database has a loop of its own."""
    if request.param == "postgres":
        lent: Database = request.getfixturevalue("database")
        return lent
    return tmp_path / "keychain.db" if request.param == "sqlite" else None


@pytest.fixture
async def store(place: Database | Path | None) -> AsyncGenerator[Store, None]:
    """Ten entries, one a day, all signed."""
    if place is None:
        yield await _stocked(MemoryStore())
        return
    async with SQLStore.sqlite(place) if isinstance(place, Path) else SQLStore.postgres(place.url) as store:
        yield await _stocked(store)


@pytest.fixture
async def stocked() -> MemoryStore:
    store = MemoryStore()
    await _stocked(store)
    return store


async def _stocked(store: Store) -> Store:
    await store.append_many({ACME: drafts(1, 10), OTHER: drafts(1, 10)})
    await sign_chain(store)
    return store


async def drop(store: Store, before: datetime, *witnesses: Witness, dry_run: bool = False) -> RetainedLedger:
    return await retain(
        store, ACME, before, witnesses=witnesses, keys=TRUSTED, now=lambda: day(99), actor="ops", dry_run=dry_run
    )


def came(last: int, dropped: int, signed: int = 10) -> RetainedLedger:
    return RetainedLedger(tenant=ACME, last=last, dropped=dropped, signed=signed)


async def require_dropped(store: Store, last: int) -> Head:
    """The chain holds, the first `last` entries have no body, and the others have."""
    entries = await chain(store, ACME)
    assert [entry.is_dropped for entry in entries] == [entry.seq <= last for entry in entries]
    report = await examine(store, ACME)
    assert (report.holds, report.dropped) == (True, last)
    return await verify(store, ACME)


async def test_bodies_go_up_to_the_last_old_entry_and_an_entry_says_so(store: Store) -> None:
    before = await chain(store, ACME)
    assert await drop(store, day(4.5)) == came(4, 4)
    entries = await chain(store, ACME)
    assert [entry.hash for entry in entries[:10]] == [entry.hash for entry in before]
    assert entries[4:10] == before[4:]
    last = json.loads(entries[-1].payload)
    assert (entries[-1].kind, entries[-1].actor, last["at"]) == ("retained", "ops", "2026-04-11T12:00:00.000Z")
    assert last["data"] == {"first": 1, "last": 4, "root": frontier(before[:4]).root.hex()}
    await require_dropped(store, 4)
    assert not any(entry.is_dropped for entry in await chain(store, OTHER))


async def test_a_later_run_covers_the_earlier_and_its_entry(store: Store) -> None:
    await drop(store, day(2.5))
    await store.append_many({ACME: drafts(100, 101)})
    await sign_chain(store)
    assert await drop(store, day(7.5)) == came(7, 5, 13)
    await require_dropped(store, 7)
    assert await drop(store, day(100.5)) == came(12, 5, 13)
    await require_dropped(store, 12)
    assert [entry.seq for entry in await chain(store, ACME) if entry.kind == "retained"] == [14, 15]


async def test_nothing_beyond_the_checkpoint_is_dropped(store: Store) -> None:
    await sign_chain(store, size=6)
    assert await drop(store, day(99)) == came(6, 6, 6)
    await require_dropped(store, 6)


@pytest.mark.parametrize("size", [1, 2, 3, 10, 11])
async def test_pages_and_steps_change_nothing_but_how_many_entries_say_so(
    size: int, stocked: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "STEP", size)
    monkeypatch.setattr("apikeychain.ledger.verify.PAGE", 2)
    monkeypatch.setattr("apikeychain.ledger.retain.verify", _in_pages_of_two)
    assert await drop(stocked, day(7.5)) == came(7, 7)
    await require_dropped(stocked, 7)
    steps = [json.loads(e.payload)["data"]["last"] for e in await chain(stocked, ACME) if e.kind == "retained"]
    assert steps == {1: [2, 4, 6, 7], 2: [2, 4, 6, 7], 3: [4, 7], 10: [7], 11: [7]}[size]


async def _in_pages_of_two(store: Store, tenant: TenantId, *rest: object, **more: object) -> Head:
    return await verify(store, tenant, *rest, batch=2, **more)  # type: ignore[arg-type, misc]  # handed on


async def test_a_run_that_was_killed_is_gone_on_with(stocked: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "STEP", 2)
    monkeypatch.setattr("apikeychain.ledger.retain.verify", _in_pages_of_two)
    times = iter([day(99)])
    with pytest.raises(RuntimeError):
        await retain(stocked, ACME, day(7.5), witnesses=(), keys=TRUSTED, now=lambda: next(times), actor="ops")
    await require_dropped(stocked, 2)
    assert await drop(stocked, day(7.5)) == came(7, 5)
    await require_dropped(stocked, 7)


async def test_doing_it_again_or_with_nothing_old_leaves_no_entry(store: Store) -> None:
    assert await drop(store, day(0.5)) == came(0, 0)
    assert len(await chain(store, ACME)) == 10
    await drop(store, day(3.5))
    for before in (3.5, 2.5, 0):
        assert await drop(store, day(before)) == came(3, 0)
    assert len(await chain(store, ACME)) == 11


async def test_a_dry_run_tells_and_changes_nothing(store: Store) -> None:
    before = await chain(store, ACME)
    assert await drop(store, day(4.5), dry_run=True) == came(4, 4)
    assert await chain(store, ACME) == before


async def test_a_younger_entry_between_old_ones_goes_with_them() -> None:
    store = MemoryStore()
    await store.append_many({ACME: [*drafts(1, 3), *drafts(90, 90), *drafts(4, 5), *drafts(91, 92)]})
    await sign_chain(store)
    assert await drop(store, day(50)) == came(6, 6, 8)


async def test_what_came_while_bodies_were_dropped_is_behind_them(stocked: MemoryStore) -> None:
    async def write() -> None:
        for number in range(20):
            await stocked.append_many({ACME: drafts(200 + number, 200 + number)})

    await asyncio.gather(write(), drop(stocked, day(5.5)), drop(stocked, day(7.5)))
    await require_dropped(stocked, 7)


async def test_without_a_checkpoint_nothing_is_dropped() -> None:
    store = MemoryStore()
    await store.append_many({ACME: drafts(1, 3)})
    with pytest.raises(DoesNotExistError, match="the ledger of 'acme' has no signed checkpoint yet"):
        await drop(store, day(99))


def _changed(entry: LedgerEntry) -> LedgerEntry:
    return replace(entry, actor="nobody")


@pytest.mark.parametrize("seq", [1, 5, 10])
async def test_of_a_chain_that_does_not_hold_nothing_is_dropped(seq: int, stocked: MemoryStore) -> None:
    entries = stocked._house.rooms[ACME].entries
    entries[seq - 1] = _changed(entries[seq - 1])
    with pytest.raises(LedgerBrokenError, match=f"broken at entry {seq}: .*actor"):
        await drop(stocked, day(4.5))
    assert not any(entry.is_dropped for entry in entries)


async def test_of_a_chain_that_was_not_the_one_signed_nothing_is_dropped(stocked: MemoryStore) -> None:
    other = MemoryStore()
    await other.append_many({ACME: [*drafts(1, 3), *drafts(5, 5), *drafts(5, 10)]})
    stocked._house.rooms[ACME].entries = other._house.rooms[ACME].entries
    with pytest.raises(LedgerBrokenError, match=r"a checkpoint of .* signed another entry in its place"):
        await drop(stocked, day(4.5))
    stocked._house.rooms[ACME].entries = stocked._house.rooms[ACME].entries[:7]
    with pytest.raises(LedgerBrokenError, match=r"at entry 8: it is missing, and a checkpoint .* signed 10 entries"):
        await drop(stocked, day(4.5))
    assert len(await chain(stocked, ACME)) == 7


async def test_a_stored_checkpoint_that_is_none_is_told(stocked: MemoryStore) -> None:
    async with stocked.tenant(ACME) as rows:
        record = await rows.get(SignedChain, ())
        assert record is not None
        await rows.replace(replace(record, statement="{}", generation=2), 1)
    with pytest.raises(DoesNotExistError, match="not everybody has seen: the stored checkpoint: the statement has"):
        await drop(stocked, day(4.5))
    assert all(entry.payload for entry in await chain(stocked, ACME))


async def test_a_checkpoint_that_nobody_signed_lets_nothing_go(stocked: MemoryStore) -> None:
    entries = await chain(stocked, ACME)
    (forged,) = signed(said(entries), keys=STRANGER)
    await put_signed(stocked, ACME, forged, frontier(entries).peaks)
    with pytest.raises(DoesNotExistError, match="the stored checkpoint: the note has no Ed25519 signature"):
        await drop(stocked, day(4.5))
    assert await chain(stocked, ACME) == entries


async def test_what_a_witness_has_not_seen_stays(stocked: MemoryStore) -> None:
    witness, behind, silent = MemoryWitness(), MemoryWitness(), MemoryWitness(broken=BackendUnavailableError())
    await notarize(stocked, ACME, witness, behind)
    await stocked.append_many({ACME: drafts(11, 3)})
    with pytest.raises(DoesNotExistError, match=r"witness 2 \(MemoryWitness\): it has no checkpoint of this chain"):
        await drop(stocked, day(99), witness, MemoryWitness())
    with pytest.raises(DoesNotExistError, match=r"witness 1 \(MemoryWitness\)"):
        await drop(stocked, day(99), silent)
    assert all(entry.payload for entry in await chain(stocked, ACME))
    await notarize(stocked, ACME, witness, minutes=1)
    assert await drop(stocked, day(99), witness, behind) == came(10, 10)


async def test_a_chain_that_changes_while_it_is_read_keeps_its_bodies(
    stocked: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = MemoryStore()
    await other.append_many({ACME: [*drafts(2, 11)]})

    async def swapped(*given: object, **more: object) -> Head:
        head = await verify(*given, **more)  # type: ignore[arg-type]  # handed on
        stocked._house.rooms[ACME].entries = [*other._house.rooms[ACME].entries]
        return head

    monkeypatch.setattr("apikeychain.ledger.retain.verify", swapped)
    with pytest.raises(ConflictError, match="the ledger of 'acme' was changed while it was read"):
        await drop(stocked, day(4.5))
    assert not any(entry.is_dropped for entry in await chain(stocked, ACME))


async def test_an_actor_that_is_a_person_is_refused(stocked: MemoryStore) -> None:
    with pytest.raises(InvalidValueError, match="opaque label"):
        await retain(stocked, ACME, day(4.5), witnesses=(), keys=TRUSTED, now=lambda: NOON, actor="ann@example.com")
    assert len(await chain(stocked, ACME)) == 10


async def test_a_body_that_is_gone_without_an_entry_is_never_covered_later(stocked: MemoryStore) -> None:
    """Else whoever may write to the database would have a run of this wash his deed."""
    entries = stocked._house.rooms[ACME].entries
    entries[2] = entries[2].dropped()
    with pytest.raises(LedgerBrokenError, match="broken at entry 3: its body is gone"):
        await drop(stocked, day(4.5))
    async with stocked.tenant(ACME) as rows:
        await rows.retain(1, 2, retained(2, frontier(entries[:2]).root, at=NOON, actor="ops"))
    with pytest.raises(LedgerBrokenError):
        await drop(stocked, day(4.5))
