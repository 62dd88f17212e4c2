"""What comes back from a key service is not believed."""

from dataclasses import replace
from typing import cast

import pytest

from apikeychain.errors import BackendUnavailableError, SealedValueError
from apikeychain.model.ids import TenantId
from apikeychain.model.keys import KeyContext
from apikeychain.ports.key_service import KeyService
from apikeychain.vault import contexts
from apikeychain.vault.turn import next_secret, rewrap_tenant
from apikeychain.vault.wrapping import goes_round, unwrap_derived_key, unwrap_key, unwrap_tenant_secret
from sample_keys import NOW, OTHER_PROJECT, TENANT, Household


@pytest.fixture
async def house() -> Household:
    return await Household.found(lambda: 0.0)


async def test_a_key_of_32_bytes_comes_back_as_it_is(house: Household) -> None:
    wrapped = await house.service.wrap(bytes(range(32)), contexts.of_pseudonym_key(TENANT))
    assert await unwrap_key(house.service, wrapped, contexts.of_pseudonym_key(TENANT)) == bytes(range(32))


async def test_of_a_tenants_secrets_the_one_of_today_and_the_one_before_are_kept(house: Household) -> None:
    first = await unwrap_tenant_secret(house.service, house.tenant, 1)
    second = await next_secret(house.service, house.tenant, NOW)
    third = await next_secret(house.service, second, NOW)
    assert await unwrap_tenant_secret(house.service, second, 1) == first
    of_two = await unwrap_tenant_secret(house.service, second, 2)
    assert len({first, of_two, await unwrap_tenant_secret(house.service, third, 3)}) == 3
    await house.service.rotate()
    for kept in (third, await rewrap_tenant(house.service, third)):
        assert await unwrap_tenant_secret(house.service, kept, 2) == of_two
        for number in (0, 1, 4):
            with pytest.raises(SealedValueError):
                await unwrap_tenant_secret(house.service, kept, number)


async def test_of_a_secret_that_is_not_kept_the_key_service_is_not_asked(house: Household) -> None:
    house.service.reachable = False
    with pytest.raises(SealedValueError):
        await unwrap_tenant_secret(house.service, house.tenant, 0)


@pytest.mark.parametrize("length", [0, 31, 33])
async def test_a_key_of_another_length_is_none(house: Household, length: int) -> None:
    wrapped = await house.service.wrap(bytes(length), contexts.of_pseudonym_key(TENANT))
    with pytest.raises(SealedValueError):
        await unwrap_key(house.service, wrapped, contexts.of_pseudonym_key(TENANT))


async def test_whether_a_key_comes_out_again_as_it_went_in_is_found(house: Household) -> None:
    context = contexts.of_pseudonym_key(TENANT)
    assert await goes_round(house.service, context)
    seen = list[bytes]()

    class Other:
        wrap = house.service.wrap

        async def unwrap(self, wrapped: bytes, context: KeyContext) -> bytes:
            seen.append(await house.service.unwrap(wrapped, context))
            return bytes(32)

    for _ in range(2):
        assert not await goes_round(cast("KeyService", Other()), context)
    assert len({*seen}) == 2
    assert {len(key) for key in seen} == {32}


async def test_a_derived_key_seals_and_is_not_the_master_key(house: Household) -> None:
    master = await unwrap_key(
        house.service, house.key.wrapped_master, contexts.of_master_key(TENANT, house.key.project, house.key.version)
    )
    derived = await unwrap_derived_key(house.service, TENANT, house.key)
    assert len(derived) == len(master) == 32
    assert derived != master


async def test_columns_that_are_not_what_was_wrapped_are_refused_before_the_key_is_unwrapped(house: Household) -> None:
    for changed in (
        replace(house.key, number=2),
        replace(house.key, salt=bytes(32)),
        replace(house.key, kdf="argon2id"),
    ):
        house.service.unwraps = 0
        with pytest.raises(SealedValueError):
            await unwrap_derived_key(house.service, TENANT, changed)
        assert house.service.unwraps == 1


async def test_a_key_of_another_tenant_project_or_version_does_not_unwrap(house: Household) -> None:
    with pytest.raises(SealedValueError):
        await unwrap_derived_key(house.service, TenantId("other"), house.key)
    for moved in (replace(house.key, project=OTHER_PROJECT), replace(house.key, version="00" * 16)):
        with pytest.raises(SealedValueError):
            await unwrap_derived_key(house.service, TENANT, moved)


@pytest.mark.parametrize("purpose", ["metadata", "derived"])
async def test_a_service_that_answers_for_another_purpose_is_noticed(house: Household, purpose: str) -> None:
    def distort(key: bytes, context: KeyContext) -> bytes:
        return key[:-1] if context.purpose == purpose else key

    house.service.distort = distort
    with pytest.raises(SealedValueError):
        await unwrap_derived_key(house.service, TENANT, house.key)


async def test_a_service_that_is_down_is_told_as_that(house: Household) -> None:
    house.service.reachable = False
    with pytest.raises(BackendUnavailableError):
        await unwrap_derived_key(house.service, TENANT, house.key)
