"""The platform key turns, and what it wrapped is wrapped anew."""

import asyncio

import pytest

from apikeychain.backends.memory_keys import MemoryKeyService
from apikeychain.errors import DoesNotExistError
from apikeychain.model.records import Project, ProjectKey, Tenant
from apikeychain.tenants import keys
from gate import open_gate


async def test_after_a_rewrap_the_old_platform_key_can_be_retired() -> None:
    service = MemoryKeyService()
    async with open_gate(key_service=service) as gate:
        await gate.acme.create_project("without-keys")
        assert (await gate.get()).status == 200
        assert await service.rotate() == 2
        assert await gate.acme.rewrap_keys() == 2
        await service.retire(1)
        await asyncio.sleep(0.05)
        assert (await gate.get()).status == 200
        await gate.keychain.close()
        await gate.keychain.open()
        assert (await gate.get()).status == 200


async def test_a_rewrap_raises_the_generation_and_is_written_down() -> None:
    async with open_gate() as gate:
        office = gate.keychain._office
        async with office.store.tenant(gate.acme.id) as store:
            before = await store.get(Tenant, ()), await store.get(Project, (gate.shop.id,))
        await gate.acme.rewrap_keys()
        async with office.store.tenant(gate.acme.id) as store:
            after = await store.get(Tenant, ()), await store.get(Project, (gate.shop.id,))
            (key,) = await store.list(ProjectKey, (), 10)
        assert before[0] is not None
        assert before[1] is not None
        assert after[0] is not None
        assert after[1] is not None
        assert after[0].wrapped_secret != before[0].wrapped_secret
        assert (after[0].generation, after[1].generation, key.generation) == (2, before[1].generation + 1, 3)
        kinds = [entry.kind for entry in await gate.acme.entries(0, 100)]
        assert kinds[-2:] == ["key.rewrapped", "key.rewrapped"]
        assert (await gate.acme.verify_ledger()).size == len(kinds)


async def test_a_tenant_that_is_gone_has_no_keys_to_wrap() -> None:
    async with open_gate() as gate:
        nobody = type(gate.acme.id)("nobody")
        with pytest.raises(DoesNotExistError, match="no tenant 'nobody'"):
            await keys.rewrap_tenant_keys(gate.keychain._office, nobody, "host")
