import asyncio

import pytest

from apikeychain.backends.memory_store import MemoryStore
from apikeychain.errors import AlreadyExistsError, BackendUnavailableError
from apikeychain.testing.chains import chain, require_chain
from apikeychain.testing.records import ACME, GLOBEX, SHOP, draft, project, tenant


def test_a_store_serves_one_event_loop_after_another() -> None:
    store = MemoryStore()

    async def visit() -> int:
        await asyncio.gather(*(store.append_many({ACME: [draft(1)]}) for _ in range(5)))
        return require_chain(await chain(store, ACME)).size

    assert [asyncio.run(visit()) for _ in range(3)] == [5, 10, 15]


async def test_no_two_tenants_have_one_project() -> None:
    store = MemoryStore()
    async with store.tenant(ACME) as acme:
        await acme.insert(tenant(ACME))
        await acme.insert(project(SHOP))
    async with store.tenant(GLOBEX) as globex:
        with pytest.raises(AlreadyExistsError):
            await globex.insert(project(SHOP))
    assert await store.tenant_of(SHOP) == ACME


async def test_a_plug_that_is_pulled_within_a_transaction_leaves_nothing() -> None:
    store = MemoryStore()

    async def lose() -> None:
        async with store.tenant(ACME) as acme:
            await acme.insert(tenant(ACME))
            store.reachable = False

    with pytest.raises(BackendUnavailableError):
        await lose()
    assert not store.reachable
    store.reachable = True
    assert not await store.tenants("", 10)
