"""Each value that a key seals is counted, in the transaction that stores it."""

from dataclasses import replace

import pytest

from apikeychain.backends.memory_store import MemoryStore
from apikeychain.errors import ConflictError
from apikeychain.model.records import Project, ProjectKey
from apikeychain.testing.records import tenant
from apikeychain.vault.uses import count_uses, without_uses
from sample_keys import KEY as SAMPLE
from sample_keys import NOW, PROJECT, TENANT

KEY = replace(SAMPLE, number=3, uses=5, generation=4)


@pytest.fixture
async def store() -> MemoryStore:
    store = MemoryStore()
    async with store.tenant(TENANT) as records:
        await records.insert(tenant(TENANT))
        await records.insert(Project(id=PROJECT, name="shop", created=NOW))
        await records.insert(KEY)
    return store


@pytest.mark.parametrize(("given", "more"), [((), 1), ((7,), 7)], ids=["one", "several"])
async def test_values_are_counted(store: MemoryStore, given: tuple[int, ...], more: int) -> None:
    async with store.tenant(TENANT) as records:
        await count_uses(records, KEY, *given)
        assert await records.get(ProjectKey, KEY.key) == replace(KEY, uses=5 + more, generation=5)


async def test_a_key_that_changed_meanwhile_is_not_counted(store: MemoryStore) -> None:
    with pytest.raises(ConflictError):
        async with store.tenant(TENANT) as records:
            await count_uses(records, replace(KEY, generation=3))


def test_a_key_is_the_same_whatever_it_sealed() -> None:
    assert without_uses(KEY) == replace(KEY, uses=0, generation=1)
    assert without_uses(replace(KEY, uses=9, generation=8)) == without_uses(KEY)
    assert without_uses(replace(KEY, number=4)) != without_uses(KEY)
