"""What an open keychain has in one loop: told when it is open, gone when it left, and refused without its key."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from apikeychain import APIKeyChainSettings
from apikeychain.backends.memory_keys import MemoryKeyService
from apikeychain.backends.memory_store import MemoryStore
from apikeychain.embedded import Instead, Plugs, memory_plugs
from apikeychain.errors import KeyFileError
from apikeychain.model.ids import TenantId
from apikeychain.model.network import PUBLIC, Network
from apikeychain.model.records import Tenant
from apikeychain.residence import Residence
from apikeychain.tenants import registry
from damaged_store import DamagedStore

QUICK = APIKeyChainSettings(kdf="pbkdf2-sha512")


def plugs(store: MemoryStore | None = None, key_service: MemoryKeyService | None = None) -> Plugs:
    return memory_plugs(Instead(store=store, key_service=key_service))


async def test_it_serves_from_its_opening_until_it_left() -> None:
    residence = Residence(plugs(), QUICK, {})
    assert residence.is_here
    assert residence.pipeline is None
    await residence.opened()
    assert residence.pipeline is not None
    await residence.leave()
    assert (residence.is_here, residence.pipeline) == (False, None)
    await residence.leave()


async def test_one_that_leaves_before_it_is_open_closes_what_it_opened() -> None:
    residence = Residence(plugs(), QUICK, {})
    await residence.leave()
    await residence.opened()
    assert residence.pipeline is None


async def test_the_key_that_opens_what_is_stored_is_required() -> None:
    store, keys = MemoryStore(), MemoryKeyService()
    first = Residence(plugs(store, keys), QUICK, {})
    await first.opened()
    await registry.create_tenant(first.office, "acme", "ops")
    await first.leave()
    again = Residence(plugs(store, keys), QUICK, {})
    await again.opened()
    await again.leave()
    with pytest.raises(KeyFileError, match=r"^this platform key does not open what is stored: restore the one"):
        await Residence(plugs(store, MemoryKeyService()), QUICK, {}).opened()


async def test_tenants_of_other_key_services_do_not_hide_that_the_default_is_a_foreign_one() -> None:
    store, keys, other = MemoryStore(), MemoryKeyService(), {"other": MemoryKeyService()}
    first = Residence(replace(plugs(store, keys), key_services=other), QUICK, {})
    await first.opened()
    for number in range(25):
        await registry.create_tenant(first.office, f"a{number}", "ops", key_service="other")
    await registry.create_tenant(first.office, "zeta", "ops")
    await first.leave()
    with pytest.raises(KeyFileError, match=r"^this platform key does not open what is stored: restore the one"):
        await Residence(replace(plugs(store, MemoryKeyService()), key_services=other), QUICK, {}).opened()


async def test_so_many_tenants_of_other_key_services_are_looked_at_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apikeychain.tenants.key_trial._LOOKS", 20)
    store, other = MemoryStore(), {"other": MemoryKeyService()}
    first = Residence(replace(plugs(store, MemoryKeyService()), key_services=other), QUICK, {})
    await first.opened()
    for number in range(25):
        await registry.create_tenant(first.office, f"a{number}", "ops", key_service="other")
    await registry.create_tenant(first.office, "zeta", "ops")
    await first.leave()
    again = Residence(replace(plugs(store, MemoryKeyService()), key_services=other), QUICK, {})
    await again.opened()
    await again.leave()


async def two_tenants(store: MemoryStore, keys: MemoryKeyService) -> None:
    residence = Residence(plugs(store, keys), QUICK, {})
    await residence.opened()
    for tenant in ("acme", "beta"):
        await registry.create_tenant(residence.office, tenant, "ops")
    await residence.leave()


async def spoil_key(store: MemoryStore, tenant: str) -> None:
    async with store.tenant(TenantId(tenant)) as rows:
        stored = await rows.get(Tenant, ())
        assert stored
        await rows.replace(replace(stored, generation=2, wrapped_pseudonym_key=b"other"), 1)


async def test_a_tenant_that_is_damaged_keeps_nobody_from_opening(caplog: pytest.LogCaptureFixture) -> None:
    store, keys = DamagedStore(), MemoryKeyService()
    await two_tenants(store, keys)
    store.damaged = {TenantId("acme")}
    residence = Residence(plugs(store, keys), QUICK, {})
    await residence.opened()
    await residence.leave()
    assert caplog.messages[0].startswith("a stored record of the tenant 'acme' cannot be read")
    with pytest.raises(KeyFileError):
        await Residence(plugs(store, MemoryKeyService()), QUICK, {}).opened()


async def test_a_tenant_whose_own_key_is_damaged_keeps_nobody_from_opening() -> None:
    store, keys = MemoryStore(), MemoryKeyService()
    await two_tenants(store, keys)
    await spoil_key(store, "acme")
    residence = Residence(plugs(store, keys), QUICK, {})
    await residence.opened()
    await residence.leave()
    await spoil_key(store, "beta")
    with pytest.raises(KeyFileError):
        await Residence(plugs(store, keys), QUICK, {}).opened()


class Fleeting(MemoryStore):
    """Names a tenant that is gone when it is looked at."""

    async def tenants(self, after: str, limit: int) -> Sequence[TenantId]:
        return [TenantId("gone")]


async def test_a_tenant_that_goes_while_the_key_is_tried_keeps_nobody_from_opening() -> None:
    residence = Residence(plugs(Fleeting()), QUICK, {})
    await residence.opened()
    await residence.leave()


def test_it_is_nowhere_in_another_loop() -> None:
    async def open_one() -> Residence:
        residence = Residence(plugs(), QUICK, {})
        await residence.opened()
        assert residence.is_here
        return residence

    async def look(residence: Residence) -> None:
        assert not residence.is_here
        await residence.leave()

    residence = asyncio.run(open_one())
    assert residence.pipeline is None
    asyncio.run(look(residence))


async def test_one_that_is_cancelled_in_its_opening_tells_whoever_waits() -> None:
    residence = Residence(plugs(), QUICK, {})
    waiting = asyncio.create_task(residence.opened())
    await asyncio.sleep(0)
    residence._task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not residence.is_here


async def test_a_private_network_that_names_no_tenants_is_warned_of_at_the_opening(
    caplog: pytest.LogCaptureFixture,
) -> None:
    named = Network(private=True, tenants=frozenset({"acme"}))
    networks = {"https://a.localhost": Network(private=True), "https://b.localhost": named, "https://c.example": PUBLIC}
    residence = Residence(plugs(), QUICK, networks)
    await residence.opened()
    await residence.leave()
    (message,) = caplog.messages
    assert message.startswith("every tenant may reach https://a.localhost, which may be private: name those that may")
