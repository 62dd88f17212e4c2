"""SQLite has no row-level security: that no statement lacks its tenant is proved here."""

import re
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from sqlalchemy import Connection, event

from apikeychain.backends.sql import SQLiteSignals, SQLStore
from apikeychain.backends.sql.schema import metadata
from apikeychain.errors import AlreadyExistsError, ConflictError
from apikeychain.model.records import KINDS, Project, Record
from apikeychain.ports.signals import Change
from apikeychain.testing.records import ACME, GLOBEX, RECORDS, SHOP, draft, project, tenant

_TABLES = {table.name for table in metadata.tables.values()}
_PREDICATE = re.compile(r"WHERE \(?\w+\.tenant = \?")
# The heads of those that append together.
_GROUP = re.compile(r"FROM heads WHERE heads\.tenant IN \(\?(, \?)*\)$")
_INSERT = re.compile(r"INSERT INTO \w+ \(tenant,")
# What asks across tenants, and why it may.
_EXCEPTIONS = {
    "SELECT projects.tenant FROM projects WHERE projects.project = ?": "tenant_of: the public id is all there is",
    "SELECT tenants.tenant FROM tenants WHERE tenants.tenant > ? ORDER BY tenants.tenant LIMIT ? OFFSET ?": "tenants",
    "SELECT coalesce(max(changes.stamp), ?) AS stamp FROM changes": "signals: a number",
    "SELECT changes.stamp, changes.project FROM changes WHERE changes.stamp > ? ORDER BY changes.stamp": "signals",
}

Statement = tuple[str, list[tuple[object, ...]]]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncGenerator[SQLStore, None]:
    async with SQLStore.sqlite(tmp_path / "keychain.db") as store:
        yield store


@pytest.fixture
def statements(store: SQLStore) -> list[Statement]:
    """Every statement that reaches the driver, on one line, with each row of what is bound in it."""
    seen: list[Statement] = []

    def note(
        _connection: Connection, _cursor: object, text: str, bound: object, _context: object, many: object
    ) -> None:
        rows = bound if many else [bound]
        assert isinstance(rows, list)
        seen.append((" ".join(text.split()).replace("main.", ""), [tuple(row) for row in rows]))

    for engine in (store.engine.sync_engine, store._in_thread):
        event.listen(engine, "before_cursor_execute", note)
    return seen


async def use_every_verb(store: SQLStore) -> None:
    async with store.tenant(ACME) as acme:
        everything: list[Record] = [tenant(ACME), project(SHOP), *RECORDS]
        for record in everything:
            await acme.insert(record)
        for kind in KINDS.values():
            await acme.list(kind, (), 10)
            await acme.list(kind, (SHOP,), 10)
            await acme.list(kind, (SHOP, "", "", ""), 10)
        with pytest.raises(AlreadyExistsError):
            await acme.insert(project(SHOP))
        await acme.replace(project(SHOP, generation=2), 1)
        await acme.append([draft(1), draft(2)])
        await acme.append([draft(3)])
        await acme.retain(1, 2, draft(4))
        await acme.entries(0, 10)
        for _ in range(2):
            await acme.lease("sweep", 60)
        for record in everything:
            await acme.get(type(record), record.key)
        for record in reversed(RECORDS):
            await acme.remove(type(record), record.key, 1)
        await acme.remove(Project, (SHOP,), 2)
        with pytest.raises(ConflictError):
            await acme.remove(Project, (SHOP,), 2)


async def test_every_statement_on_a_tenants_rows_names_the_tenant(store: SQLStore, statements: list[Statement]) -> None:
    await use_every_verb(store)
    await store.append_many({ACME: [draft(4)], GLOBEX: [draft(1)]})
    await store.tenant_of(SHOP)
    await store.tenants("", 10)
    signals = SQLiteSignals(store)
    for _ in range(2):
        await signals.publish(Change(SHOP))

    touching = [(text, rows) for text, rows in statements if _TABLES & set(re.findall(r"\w+", text))]
    verbs = {text.split()[0] for text, _ in touching}
    assert verbs == {"SELECT", "INSERT", "UPDATE", "DELETE"}
    assert {name for text, _ in touching for name in re.findall(r"\w+", text)} >= _TABLES
    excused: set[str] = set()
    for text, rows in touching:
        if text in _EXCEPTIONS:
            excused.add(text)
            continue
        assert _PREDICATE.search(text) or _INSERT.match(text) or _GROUP.search(text), text
        asked = {ACME, GLOBEX}
        assert all(set(row) == asked if _GROUP.search(text) else asked & set(row) for row in rows), text
    assert excused == _EXCEPTIONS.keys()


async def test_the_tenant_bound_is_the_one_that_was_asked_for(store: SQLStore, statements: list[Statement]) -> None:
    await use_every_verb(store)
    for text, rows in statements:
        if _PREDICATE.search(text) or _INSERT.match(text):
            place = text[: (_PREDICATE.search(text) or re.search(r"\(\?", text) or pytest.fail(text)).end()].count("?")
            assert {row[place - 1] for row in rows} == {ACME}, text


async def test_no_statement_holds_a_value_in_its_text(store: SQLStore, statements: list[Statement]) -> None:
    await use_every_verb(store)
    assert not [text for text, _ in statements if "acme" in text or SHOP in text]
