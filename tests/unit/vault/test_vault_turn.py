from dataclasses import replace

import pytest

from apikeychain.backends.memory_keys import MemoryKeyService
from apikeychain.errors import SealedValueError, SecretUnavailableError
from apikeychain.model.ids import TenantId
from apikeychain.secret import Secret
from apikeychain.vault import Vault
from apikeychain.vault.key_services import KeyServices
from apikeychain.vault.turn import Handover, next_secret, rederive, rewrap_project_key, rewrap_tenant
from apikeychain.vault.wrapping import unwrap_tenant_secret
from sample_keys import NOW, OTHER_PROJECT, PLAIN, TENANT, WEATHER, Household


@pytest.fixture
async def house() -> Household:
    return await Household.found(lambda: 0.0)


async def test_after_a_turn_everything_opens_without_the_old_platform_key(house: Household) -> None:
    """env-25."""
    row = await house.put()
    pseudonyms = await house.vault.pseudonym_key(house.tenant)
    await house.service.rotate()
    tenant = await rewrap_tenant(house.service, house.tenant)
    key = await rewrap_project_key(house.service, TENANT, house.key)
    await house.service.retire(1)
    vault = house.fresh_vault()
    opened = await vault.open_secret(house.tenant, {key.version: key}, row, WEATHER)
    assert opened.matches(Secret(PLAIN))
    assert await vault.pseudonym_key(tenant) == pseudonyms
    assert await vault.fingerprint(tenant, key, Secret(PLAIN)) == row.fingerprint
    assert await rederive(house.service, tenant, key)
    with pytest.raises(SecretUnavailableError):
        await house.fresh_vault().open_secret(house.tenant, house.keys, row, WEATHER)


async def test_a_secret_that_is_ending_is_wrapped_anew_as_what_it_is(house: Household) -> None:
    third = await next_secret(house.service, await next_secret(house.service, house.tenant, NOW), NOW)
    await house.service.rotate()
    turned = await rewrap_tenant(house.service, third)
    await house.service.retire(1)
    assert turned.wrapped_old_secret != third.wrapped_old_secret
    assert len(await unwrap_tenant_secret(house.service, turned, 2)) == 32


async def test_a_turn_changes_the_wrapped_keys_and_the_generation_and_nothing_else(house: Household) -> None:
    tenant = await rewrap_tenant(house.service, house.tenant)
    key = await rewrap_project_key(house.service, TENANT, house.key)
    assert tenant.generation == key.generation == 2
    old, new = house.tenant, house.key
    assert tenant.wrapped_secret != old.wrapped_secret
    assert tenant.wrapped_pseudonym_key != old.wrapped_pseudonym_key
    wrapped = ("wrapped_master", "wrapped_derived", "wrapped_metadata")
    assert all(getattr(key, name) != getattr(new, name) for name in wrapped)
    kept = {"generation": 1, **{name: getattr(new, name) for name in wrapped}}
    assert replace(key, **kept) == new


async def test_a_turn_takes_nothing_that_was_moved(house: Household) -> None:
    with pytest.raises(SealedValueError):
        await rewrap_tenant(house.service, replace(house.tenant, id=TenantId("other")))
    with pytest.raises(SealedValueError):
        await rewrap_project_key(house.service, TenantId("other"), house.key)
    with pytest.raises(SealedValueError):
        await rewrap_project_key(house.service, TENANT, replace(house.key, project=OTHER_PROJECT))


async def test_a_key_in_use_is_the_one_that_its_parts_give(house: Household) -> None:
    assert await rederive(house.service, house.tenant, house.key)


async def test_a_key_in_use_that_its_parts_do_not_give_is_told(house: Household) -> None:
    another = await house.vault.new_tenant(TENANT, NOW)
    assert not await rederive(house.service, another, house.key)


async def test_a_changed_column_is_refused_before_anything_is_derived(house: Household) -> None:
    with pytest.raises(SealedValueError):
        await rederive(house.service, house.tenant, replace(house.key, kdf="argon2id"))


async def test_a_handover_wraps_what_the_old_one_opens_and_the_new_one_alone_opens_it(house: Household) -> None:
    new = MemoryKeyService()
    handover = Handover(house.service, new)
    tenant = await rewrap_tenant(handover, house.tenant)
    key = await rewrap_project_key(handover, TENANT, house.key)
    row = await house.put()
    opened = Vault(KeyServices(new), kdf="pbkdf2-sha512")
    assert (await opened.open_secret(tenant, {key.version: key}, row, WEATHER)).matches(Secret(PLAIN))
    assert await opened.pseudonym_key(tenant) == await house.vault.pseudonym_key(house.tenant)
    with pytest.raises(SealedValueError):
        await house.fresh_vault().pseudonym_key(tenant)


async def test_two_tenant_secrets_overlap_and_a_key_is_proved_by_the_one_that_it_is_from(house: Household) -> None:
    tenant = await next_secret(house.service, house.tenant, NOW)
    assert (tenant.secret_number, tenant.generation) == (2, 2)
    assert tenant.wrapped_old_secret == house.tenant.wrapped_secret
    assert tenant.wrapped_secret not in {b"", house.tenant.wrapped_secret}
    new = await house.fresh_vault().new_project_key(tenant, house.key.project, 2, NOW)
    assert (house.key.secret_number, new.secret_number) == (1, 2)
    for wrapped in (tenant, await rewrap_tenant(house.service, tenant)):
        assert await rederive(house.service, wrapped, house.key)
        assert await rederive(house.service, wrapped, new)
    ended = replace(tenant, wrapped_old_secret=b"")
    assert await rederive(house.service, ended, new)
    with pytest.raises(SealedValueError):
        await rederive(house.service, ended, house.key)


async def test_of_two_tenant_secrets_none_passes_for_the_other(house: Household) -> None:
    tenant = await next_secret(house.service, house.tenant, NOW)
    third = await next_secret(house.service, tenant, NOW)
    for one in (tenant, third):
        swapped = replace(one, wrapped_secret=one.wrapped_old_secret, wrapped_old_secret=one.wrapped_secret)
        with pytest.raises(SealedValueError):
            await house.fresh_vault().new_project_key(swapped, house.key.project, 2, NOW)
        with pytest.raises(SealedValueError):
            await rewrap_tenant(house.service, swapped)


async def test_the_old_secret_moves_and_turns_with_the_new_one(house: Household) -> None:
    tenant = await next_secret(house.service, house.tenant, NOW)
    new = MemoryKeyService()
    moved = await rewrap_tenant(Handover(house.service, new), tenant)
    assert moved.wrapped_old_secret not in {b"", tenant.wrapped_old_secret}
    key = await rewrap_project_key(Handover(house.service, new), TENANT, house.key)
    assert await rederive(new, moved, key)
    assert (await rewrap_tenant(house.service, house.tenant)).wrapped_old_secret == b""


async def test_which_tenant_secret_a_key_is_from_cannot_be_changed_beside_it(house: Household) -> None:
    tenant = await next_secret(house.service, house.tenant, NOW)
    new = await house.fresh_vault().new_project_key(tenant, house.key.project, 2, NOW)
    for key, number in ((house.key, 2), (new, 1), (new, 3)):
        with pytest.raises(SealedValueError):
            await rederive(house.service, tenant, replace(key, secret_number=number))
