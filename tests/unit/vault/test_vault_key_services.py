"""Several key services: each tenant's keys are wrapped by its own, and opened by no other."""

import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from apikeychain.backends.memory_keys import MemoryKeyService
from apikeychain.errors import BackendUnavailableError, InvalidValueError, SealedValueError, SecretUnavailableError
from apikeychain.secret import Secret
from apikeychain.vault import Vault
from apikeychain.vault.key_services import KeyServices, parse_key_services
from sample_keys import NOW, PLAIN, PROJECT, TENANT, WEATHER, CountingKeyService, Household


@pytest.fixture
async def house() -> Household:
    return await Household.found(lambda: 0.0)


def two() -> tuple[CountingKeyService, CountingKeyService, Vault]:
    ours, theirs = CountingKeyService(), CountingKeyService()
    return ours, theirs, Vault(KeyServices(ours, {"theirs": theirs}), kdf="pbkdf2-sha512")


async def test_each_tenant_is_wrapped_and_opened_by_its_own() -> None:
    ours, theirs, vault = two()
    tenant = await vault.new_tenant(TENANT, NOW, "theirs")
    assert tenant.key_service == "theirs"
    ours.reachable = False
    key = await vault.new_project_key(tenant, PROJECT, 1, NOW)
    sealed, _ = await vault.seal_secret(tenant, key, WEATHER, "main", 1, Secret(PLAIN))
    assert sealed
    assert await vault.pseudonym_key(tenant)
    assert (ours.unwraps, theirs.unwraps) == (0, 4)
    ours.reachable, theirs.reachable = True, False
    assert (await vault.new_tenant(TENANT, NOW)).key_service == "default"
    with pytest.raises(BackendUnavailableError):
        await vault.new_project_key(tenant, PROJECT, 2, NOW)


async def test_a_row_that_names_another_opens_nothing_also_where_it_was_open(house: Household) -> None:
    row = await house.put()
    services = KeyServices(house.service, {"theirs": MemoryKeyService()})
    house.vault._key_services = services
    assert await house.vault.open_secret(house.tenant, house.keys, row, WEATHER)
    assert await house.vault.pseudonym_key(house.tenant)
    edited = replace(house.tenant, key_service="theirs")
    assert house.vault.opened(edited, row, WEATHER) is None
    with pytest.raises(SecretUnavailableError):
        await house.vault.open_secret(edited, house.keys, row, WEATHER)
    attempts: tuple[Callable[[], Awaitable[object]], ...] = (
        lambda: house.vault.seal_secret(edited, house.key, WEATHER, "main", 2, Secret(PLAIN)),
        lambda: house.vault.new_project_key(edited, PROJECT, 2, NOW),
        lambda: house.vault.pseudonym_key(edited),
    )
    for attempt in attempts:
        with pytest.raises(SealedValueError):
            await attempt()


async def test_a_row_that_names_none_that_is_there_closes_its_tenant_and_is_told_once(
    house: Household, caplog: pytest.LogCaptureFixture
) -> None:
    lost = replace(house.tenant, key_service="lost")
    reason = "the key service 'lost' of the tenant acme is not given to this keychain (key_services=)"
    for _ in range(3):
        with pytest.raises(BackendUnavailableError, match=f"^{re.escape(reason)}$"):
            await house.vault.pseudonym_key(lost)
    assert caplog.record_tuples == [("apikeychain", logging.ERROR, f"{reason}: the tenant is closed")]
    assert await house.vault.pseudonym_key(house.tenant)


def test_a_name_is_looked_up_or_told_with_those_that_there_are(house: Household) -> None:
    services = KeyServices(house.service, {"kms": house.service, "bao": house.service})
    assert services.named("kms") is not services.named("default") is services.of(house.tenant)
    with pytest.raises(
        InvalidValueError, match=r"^there is no key service 'KMS': this keychain has bao, default, kms$"
    ):
        services.named("KMS")
    services.shut("kms", is_shut=True)
    for ask in (services.named, lambda name: services.of(replace(house.tenant, key_service=name))):
        told = r"^the key service 'kms' (of the tenant acme )?is not open yet: it did not answer$"
        with pytest.raises(BackendUnavailableError, match=told):
            ask("kms")
    services.shut("kms", is_shut=False)
    assert services.named("kms") is services.of(replace(house.tenant, key_service="kms"))


def test_the_names_that_a_host_gives_are_names_and_not_the_default_s() -> None:
    service = MemoryKeyService()
    assert parse_key_services({"kms": service}) == {"kms": service}
    assert parse_key_services(None) == {}
    for name, told in (
        ("Not A Name", "^not a key service name"),
        ("", "^not a key service name"),
        ("default", "^the key service 'default' is that of key_service=$"),
    ):
        with pytest.raises(InvalidValueError, match=told):
            parse_key_services({name: service})
