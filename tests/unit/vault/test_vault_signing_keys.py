"""Signing keys in the vault: they open where they were sealed for, and nowhere else."""

from dataclasses import replace

import pytest

from apikeychain.errors import SealedValueError, SecretUnavailableError
from apikeychain.model.ids import TenantId
from apikeychain.model.records import SigningKey
from apikeychain.primitives import key_version_of
from apikeychain.secret import Secret
from sample_keys import NOW, OTHER_PROJECT, PLAIN, PROJECT, WEATHER, Household

TEXT = Secret("aks_" + "k" * 43)


@pytest.fixture
async def house() -> Household:
    return await Household.found(lambda: 0.0)


async def stored(house: Household, key_id: str = "k_one", text: Secret = TEXT) -> SigningKey:
    sealed = await house.vault.seal_signing_key(house.tenant, house.key, key_id, text)
    return SigningKey(project=PROJECT, id=key_id, created=NOW, sealed=sealed)


async def test_a_sealed_signing_key_opens_and_names_the_key_that_sealed_it(house: Household) -> None:
    row = await stored(house)
    assert key_version_of(row.sealed).hex() == house.key.version
    assert (await house.fresh_vault().open_signing_key(house.tenant, house.keys, row)).matches(TEXT)


async def test_an_opened_signing_key_is_at_hand_for_its_own_row_only(house: Household) -> None:
    row, vault = await stored(house), house.fresh_vault()
    assert vault.opened_signing_key(house.tenant, row) is None
    opened = await vault.open_signing_key(house.tenant, house.keys, row)
    assert vault.opened_signing_key(house.tenant, row) is opened
    assert vault.opened_signing_key(replace(house.tenant, id=TenantId("other")), row) is None
    assert vault.opened_signing_key(replace(house.tenant, key_service="other"), row) is None
    anew = (await stored(house)).sealed
    for other in (replace(row, id="k_two"), replace(row, project=OTHER_PROJECT), replace(row, sealed=anew)):
        assert vault.opened_signing_key(house.tenant, other) is None
    vault.forget(PROJECT)
    assert vault.opened_signing_key(house.tenant, row) is None


async def test_a_signing_key_that_was_moved_does_not_open(house: Household) -> None:
    row, vault = await stored(house), house.vault
    await vault.open_signing_key(house.tenant, house.keys, row)
    for moved in (replace(row, id="k_two"), replace(row, project=OTHER_PROJECT)):
        with pytest.raises(SecretUnavailableError):
            await vault.open_signing_key(house.tenant, house.keys, moved)
    with pytest.raises(SecretUnavailableError):
        await vault.open_signing_key(replace(house.tenant, id=TenantId("other")), house.keys, row)


async def test_a_signing_key_whose_key_version_is_gone_is_unavailable(house: Household) -> None:
    with pytest.raises(SecretUnavailableError):
        await house.fresh_vault().open_signing_key(house.tenant, {}, await stored(house))


async def test_neither_signing_key_nor_its_key_is_kept_of_a_row_that_was_read_before_a_change(house: Household) -> None:
    row, vault = await stored(house), house.fresh_vault()
    opened = await vault.open_signing_key(house.tenant, house.keys, row, current=lambda: False)
    assert opened.matches(TEXT)
    assert len(vault._secrets) == len(vault._keys) == 0


async def test_a_secret_is_no_signing_key_and_a_signing_key_no_secret(house: Household) -> None:
    row, secret = await stored(house, "main"), await house.put()
    with pytest.raises(SecretUnavailableError):
        await house.vault.open_signing_key(house.tenant, house.keys, replace(row, sealed=secret.sealed))
    with pytest.raises(SecretUnavailableError):
        await house.vault.open_secret(house.tenant, house.keys, replace(secret, sealed=row.sealed), WEATHER)


async def test_a_signing_key_is_not_sealed_with_a_key_whose_columns_were_changed(house: Household) -> None:
    with pytest.raises(SealedValueError):
        await house.fresh_vault().seal_signing_key(house.tenant, replace(house.key, number=2), "k_one", Secret(PLAIN))
