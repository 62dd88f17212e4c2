"""What was changed behind the store's back is one tenant's trouble, and is told as what it is."""

import sqlite3
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from apikeychain.backends.sql import SQLStore
from apikeychain.errors import DamagedDataError, LedgerBrokenError
from apikeychain.ledger.ledger import Ledger
from apikeychain.ledger.verify import verify
from apikeychain.model.records import Project, Record, Tenant
from apikeychain.model.suspension import Suspension
from apikeychain.testing.chains import chain
from apikeychain.testing.records import ACME, GLOBEX, NOW, SHOP, draft, project, tenant


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keychain.db"


@pytest.fixture
async def store(path: Path) -> AsyncGenerator[SQLStore, None]:
    async with SQLStore.sqlite(path) as store:
        async with store.tenant(ACME) as acme:
            await acme.insert(tenant(ACME))
            await acme.insert(project(SHOP))
            await acme.append([draft(1)])
        yield store


def change_rows(path: Path, statement: str, *bound: object) -> None:
    connection = sqlite3.connect(path)
    assert connection.execute(statement, bound).rowcount == 1
    connection.commit()
    connection.close()


def loosen(path: Path) -> None:
    """Let the heads hold anything, as a file can that was changed outside SQLite."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute(
        "UPDATE sqlite_master SET sql = replace(sql, 'hash BLOB NOT NULL', 'hash BLOB') WHERE name = 'heads'"
    )
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("column", "value"),
    [("body", "{"), ("body", "null"), ("body", b"\xff"), ("generation", 7), ("generation", "x"), ("project", "p_")],
)
async def test_a_row_that_is_not_what_it_says_is_no_record(
    store: SQLStore, path: Path, column: str, value: object
) -> None:
    change_rows(path, f"UPDATE projects SET {column} = ?", value)  # noqa: S608  # constants
    with pytest.raises(DamagedDataError, match=r"the stored project 'p_.*' of the tenant 'acme' cannot be") as caught:
        async with store.tenant(ACME) as acme:
            await acme.list(Project, (), 10)
    assert caught.value.tenant == ACME
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    ("column", "kind", "what"),
    [("projects SET body", Project, "project"), ("tenants SET generation", Tenant, "tenant")],
)
async def test_a_text_that_is_none_is_damaged_data_of_its_tenant(
    store: SQLStore, path: Path, column: str, kind: type[Record], what: str
) -> None:
    change_rows(path, f"UPDATE {column} = CAST(x'ff' AS TEXT)")
    with pytest.raises(DamagedDataError, match=f"a stored {what} of the tenant 'acme' cannot be read"):
        async with store.tenant(ACME) as acme:
            await acme.list(kind, (), 10)
    async with store.tenant(GLOBEX) as globex:
        assert await globex.list(kind, (), 10) == []


async def test_an_address_in_the_key_of_a_damaged_suspension_is_not_told(store: SQLStore, path: Path) -> None:
    address = "203.0.113.7"
    async with store.tenant(ACME) as acme:
        await acme.insert(
            Suspension(project=SHOP, scope="caller", value=address, reason="", created=NOW),
        )
    change_rows(path, "UPDATE suspensions SET body = '{}'")
    with pytest.raises(DamagedDataError, match=r"the stored suspension 'p_.*' 'caller' of the tenant") as caught:
        async with store.tenant(ACME) as acme:
            await acme.list(Suspension, (), 10)
    assert address not in str(caught.value)


async def test_entries_are_given_as_they_are_stored(store: SQLStore, path: Path) -> None:
    (was,) = await chain(store, ACME)
    change_rows(path, "UPDATE ledger SET hash = ?, kind = 'quiet', at = 'never'", b"no hash")
    (entry,) = await chain(store, ACME)
    assert (entry.hash, entry.kind, entry.payload) == (b"no hash", "quiet", was.payload)
    assert entry.at.year == 1
    assert entry.at != was.at


async def test_a_payload_of_another_type_is_given_as_bytes(store: SQLStore, path: Path) -> None:
    change_rows(path, "UPDATE ledger SET payload = 'text', hash = 5")
    (entry,) = await chain(store, ACME)
    assert (entry.payload, entry.hash) == (b"text", b"5")


@pytest.mark.parametrize(
    "damage",
    [
        "size = 'many'",
        "size = 1.5",
        "size = 0",
        "size = -1",
        "size = 9223372036854775807",
        "size = CAST(x'ff' AS TEXT)",
        "hash = 'text'",
        "hash = CAST(x'ff' AS TEXT)",
        "hash = NULL",
    ],
)
async def test_a_head_that_is_none_stops_its_own_chain_only(store: SQLStore, path: Path, damage: str) -> None:
    loosen(path)
    change_rows(path, f"UPDATE heads SET {damage}")  # noqa: S608  # constants
    with pytest.raises(DamagedDataError, match="the head of the ledger of the tenant 'acme' cannot be") as caught:
        await store.append_many({GLOBEX: [draft(1)], ACME: [draft(2)]})
    assert caught.value.tenant == ACME
    assert "apikeychain ledger verify acme" in str(caught.value)
    with pytest.raises(LedgerBrokenError, match=r"at entry 2: the 1 entries before it hold, .* head cannot be read"):
        await verify(store, ACME)
    assert (await store.append_many({GLOBEX: [draft(1)]}))[GLOBEX].size == 1
    assert (await verify(store, GLOBEX)).size == 1


@pytest.mark.parametrize("damage", ["UPDATE heads SET size = 1", "DELETE FROM heads"])
async def test_a_head_that_was_set_back_cannot_fork_the_chain(store: SQLStore, path: Path, damage: str) -> None:
    await store.append_many({ACME: [draft(2)]})
    change_rows(path, damage)
    with pytest.raises(DamagedDataError, match="the head of the ledger of the tenant 'acme'"):
        await store.append_many({ACME: [draft(3)]})
    with pytest.raises(LedgerBrokenError, match=r"at entry 3: .* but the stored head is another one"):
        await verify(store, ACME)


async def test_a_head_whose_entries_are_gone_cannot_begin_anew(store: SQLStore, path: Path) -> None:
    change_rows(path, "DELETE FROM ledger")
    with pytest.raises(LedgerBrokenError, match=r"at entry 1: .* but the stored head is another one"):
        await verify(store, ACME)


@pytest.mark.parametrize("column", ["at", "kind", "actor", "project"])
async def test_an_entry_that_is_no_text_is_given_with_lone_surrogates(store: SQLStore, path: Path, column: str) -> None:
    await store.append_many({ACME: [draft(2)]})
    (was, other) = await chain(store, ACME)
    change_rows(path, f"UPDATE ledger SET {column} = CAST(x'61ff' AS TEXT) WHERE seq = 1")  # noqa: S608  # constants
    (entry, same) = await chain(store, ACME)
    assert (same, entry.payload, entry.hash) == (other, was.payload, was.hash)
    assert column == "at" or getattr(entry, column) == "a\udcff"
    with pytest.raises(LedgerBrokenError, match=f"at entry 1: .* different from it: {column}$"):
        await verify(store, ACME)


@pytest.mark.parametrize(
    "at", ["2026-03-01t00:00:00.123Z", "2026-03-01T00:00:00,123Z", "2026-03-01T00:00:00.123+00:00"]
)
async def test_a_moment_that_is_not_spelled_as_it_is_written_is_found(store: SQLStore, path: Path, at: str) -> None:
    change_rows(path, "UPDATE ledger SET at = ?", at)
    with pytest.raises(LedgerBrokenError, match=r"different from it: at$"):
        await verify(store, ACME)


async def test_a_tenant_with_a_damaged_head_is_closed_and_its_neighbour_served(
    store: SQLStore, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Ledger(store, now=lambda: NOW)
    change_rows(path, "UPDATE heads SET hash = 'text'")
    ledger.reserve(ACME).fill(draft(2))
    ledger.reserve(GLOBEX).fill(draft(1))
    await ledger.flush()
    await ledger.flush()
    assert (await verify(store, GLOBEX)).size == 1
    [told] = caplog.messages
    assert told.startswith("ledger entries of tenant acme cannot be written, its calls are refused: the head of")
