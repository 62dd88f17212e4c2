"""Whatever a tenant tries through the store, SQLite's query layer and PostgreSQL's walls give the same answers."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from apikeychain.backends.sql import PostgresStore, SQLStore
from apikeychain.errors import AlreadyExistsError, ConflictError
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.ledger import Head
from apikeychain.model.origin import Origin
from apikeychain.model.records import CHAIN_KINDS, KINDS, AllowedOrigin, Project, ProjectName, Record, Tenant
from apikeychain.ports.store import Store
from apikeychain.testing.records import ACME, GLOBEX, NOW, RECORDS, SHOP, draft, project, tenant
from outside import cases
from served_postgres import Database

_BLOG = ProjectId("p_" + "b" * 20)
_NOWHERE = ProjectId("p_" + "z" * 20)
# What an injection, a careless join or a lax comparison would take for the tenant `acme`.
_OTHERS = [
    "",
    " ",
    "acme ",
    " acme",
    "ACME",
    "acme,globex",
    "{acme,globex}",
    "acme' or '1'='1",
    "acme'--",
    "%",
    "a%",
    "_cme",
    "*",
    "null",
    "acme\n",
    "acme\\",
    "acm\u0435",
    "\uff41cme",
]
_SETTINGS = [
    step.split("$q$")[1].replace("{A}", ACME).replace("{B}", GLOBEX)
    for case in cases("rls_attacks")
    for step in case.get("steps", ())
    if "set_config" in step and "$q$" in step
]


@pytest.fixture(params=["sqlite", "postgres"])
def closed(request: pytest.FixtureRequest, tmp_path: Path) -> SQLStore | PostgresStore:
    """Not open. No loop runs yet, in which a database could not be migrated."""
    if request.param == "sqlite":
        return SQLStore.sqlite(tmp_path / "keychain.db")
    database: Database = request.getfixturevalue("database")
    return SQLStore.postgres(database.url)


@pytest.fixture
async def store(closed: SQLStore | PostgresStore) -> AsyncGenerator[Store, None]:
    """Two tenants; the first has one of everything, the second a project of its own."""
    async with closed as store:
        async with store.tenant(ACME) as acme:
            for record in (tenant(ACME), project(SHOP), *RECORDS):
                await acme.insert(record)
            await acme.append([draft(1)])
            await acme.lease("sweep", 60)
        async with store.tenant(GLOBEX) as globex:
            await globex.insert(tenant(GLOBEX))
            await globex.insert(project(_BLOG))
        yield store


async def require_untouched(store: Store) -> None:
    async with store.reading(ACME) as acme:
        for record in (tenant(ACME), project(SHOP), *RECORDS):
            assert await acme.get(type(record), record.key) == record
        assert (await acme.head()).size == 1
    assert await store.tenant_of(SHOP) == ACME
    assert list(await store.tenants("", 10)) == [ACME, GLOBEX]


async def test_a_tenant_that_is_almost_another_is_nobody(store: Store) -> None:
    for who in sorted({TenantId(name) for name in (*_OTHERS, *_SETTINGS)}):
        async with store.reading(who) as reader:
            for kind in KINDS.values():
                assert not await reader.list(kind, (), 10), who
            assert not await reader.entries(0, 10), who
            assert await reader.head() == Head.empty(who)
    await require_untouched(store)


async def test_nothing_of_another_tenant_is_read_changed_or_removed(store: Store) -> None:
    async with store.tenant(GLOBEX) as globex:
        for record in (project(SHOP), *RECORDS):
            assert await globex.get(type(record), record.key) is None
            with pytest.raises(ConflictError):
                await globex.replace(replace(record, generation=2), 1)
            with pytest.raises(ConflictError):
                await globex.remove(type(record), record.key, 1)
        assert await globex.list(Project, (), 10) == [project(_BLOG)]
        assert not await globex.entries(0, 10)
        assert await globex.lease("sweep", 60)
    await require_untouched(store)


async def test_a_name_that_another_tenant_has_is_free(store: Store) -> None:
    async with store.tenant(GLOBEX) as globex:
        await globex.insert(ProjectName(name="shop", project=_BLOG))
        for record in RECORDS[1:]:
            of_chain = record.kind in CHAIN_KINDS
            moved: Record = record if of_chain else replace(record, project=_BLOG)  # type: ignore[arg-type]  # each has one
            await globex.insert(moved)
    await require_untouched(store)


async def test_a_project_id_that_another_tenant_has_is_taken(store: Store) -> None:
    async with store.tenant(GLOBEX) as globex:
        with pytest.raises(AlreadyExistsError):
            await globex.insert(project(SHOP))
    await require_untouched(store)


@pytest.mark.parametrize("whose", [SHOP, _NOWHERE])
async def test_another_tenants_project_cannot_be_told_from_one_that_does_not_exist(store: Store, whose: str) -> None:
    with pytest.raises(ConflictError, match=r"^something belongs to a tenant or project that is not stored$"):
        async with store.tenant(GLOBEX) as globex:
            await globex.insert(
                AllowedOrigin(project=ProjectId(whose), origin=Origin("https://x.example"), created=NOW)
            )
    await require_untouched(store)


async def test_a_tenant_that_goes_takes_nothing_of_others_along(store: Store) -> None:
    async with store.tenant(GLOBEX) as globex:
        await globex.remove(Project, (_BLOG,), 1)
        await globex.remove(Tenant, (), 1)
    assert list(await store.tenants("", 10)) == [ACME]
    assert await store.tenant_of(_BLOG) is None
    assert await store.tenant_of(SHOP) == ACME
