"""All records of a kind are read, over as many pages as there are, and no others."""

from datetime import UTC, datetime

import pytest

from apikeychain import listing
from apikeychain.backends.memory_store import MemoryStore
from apikeychain.listing import every
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.origin import Origin
from apikeychain.model.records import AllowedOrigin, Project
from apikeychain.testing.records import tenant

ACME = TenantId("acme")
FIRST, SECOND, EMPTY = (ProjectId("p_" + letter * 20) for letter in "abc")
NOW = datetime(2026, 3, 1, tzinfo=UTC)
ORIGINS = [Origin(f"https://app{number}.example.com") for number in range(5)]


@pytest.fixture
async def store(monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    monkeypatch.setattr(listing, "_PAGE", 2)
    store = MemoryStore()
    async with store.tenant(ACME) as records:
        await records.insert(tenant(ACME))
        for project in (FIRST, SECOND, EMPTY):
            await records.insert(Project(id=project, name=project[-1], created=NOW))
        for project in (FIRST, SECOND):
            for origin in ORIGINS:
                await records.insert(AllowedOrigin(project=project, origin=origin, created=NOW))
    return store


@pytest.mark.parametrize(
    ("begin", "found"),
    [
        ((), [(project, origin) for project in (FIRST, SECOND) for origin in ORIGINS]),
        ((FIRST,), [(FIRST, origin) for origin in ORIGINS]),
        ((SECOND,), [(SECOND, origin) for origin in ORIGINS]),
        ((EMPTY,), []),
    ],
    ids=["all", "of the first", "of the last", "of one that has none"],
)
async def test_all_whose_keys_begin_so_are_read(
    store: MemoryStore, begin: tuple[str, ...], found: list[tuple[ProjectId, Origin]]
) -> None:
    async with store.reading(ACME) as reader:
        assert [record.key for record in await every(reader, AllowedOrigin, *begin)] == found
