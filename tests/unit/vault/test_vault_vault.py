import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from apikeychain.errors import BackendUnavailableError, SealedValueError, SecretUnavailableError
from apikeychain.model.ids import TenantId
from apikeychain.model.provider import HeaderCredential, Provider
from apikeychain.primitives import seal_value
from apikeychain.secret import Secret
from apikeychain.vault import Vault, contexts
from apikeychain.vault.key_services import KeyServices
from apikeychain.vault.wrapping import unwrap_derived_key
from sample_keys import NOW, OTHER_PROJECT, PLAIN, PROJECT, TENANT, WEATHER, Household


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def house(clock: Clock) -> Household:
    return await Household.found(clock)


async def test_a_sealed_secret_opens(house: Household) -> None:
    row = await house.put()
    opened = await house.fresh_vault().open_secret(house.tenant, house.keys, row, WEATHER)
    assert opened.matches(Secret(PLAIN))


async def test_two_seals_of_one_secret_differ_and_their_fingerprints_do_not(house: Household) -> None:
    one, two, other = await house.put(), await house.put(version=2), await house.put("another-secret")
    assert one.sealed != two.sealed
    assert one.fingerprint == two.fingerprint != other.fingerprint
    assert len(bytes.fromhex(one.fingerprint)) == 8
    assert await house.vault.fingerprint(house.tenant, house.key, Secret(PLAIN)) == one.fingerprint


async def test_a_fingerprint_says_nothing_across_projects(house: Household) -> None:
    row = await house.put()
    elsewhere = await house.vault.new_project_key(house.tenant, OTHER_PROJECT, 1, NOW)
    assert await house.vault.fingerprint(house.tenant, elsewhere, Secret(PLAIN)) != row.fingerprint


async def test_an_opened_secret_is_at_hand_without_waiting_for_five_minutes(house: Household, clock: Clock) -> None:
    row = await house.put()
    assert house.vault.opened(house.tenant, row, WEATHER) is None
    opened = await house.vault.open_secret(house.tenant, house.keys, row, WEATHER)
    assert house.vault.opened(house.tenant, row, WEATHER) is opened
    clock.now += 300
    assert house.vault.opened(house.tenant, row, WEATHER) is None


async def test_a_hundred_calls_at_once_make_one_trip_for_the_key(house: Household) -> None:
    rows = [await house.put(name=f"n{number}") for number in range(4)]
    house.service.unwraps = 0
    vault = house.fresh_vault()
    await asyncio.gather(*(vault.open_secret(house.tenant, house.keys, row, WEATHER) for row in rows * 25))
    assert house.service.unwraps == 2  # the metadata and the derived key


async def test_a_key_is_opened_anew_after_so_many_uses(house: Household, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [await house.put(name=f"n{number}") for number in range(5)]
    monkeypatch.setattr("apikeychain.vault.opened_keys.MAX_USES", 2)
    vault = house.fresh_vault()
    house.service.unwraps = 0
    for row in rows:
        await vault.open_secret(house.tenant, house.keys, row, WEATHER)
    assert house.service.unwraps == 4  # twice the metadata and the derived key


async def test_opened_keys_serve_while_the_key_service_is_down_until_their_time_is_over(
    house: Household,
    clock: Clock,
) -> None:
    row, unopened = await house.put(), await house.put(name="unopened")
    house.service.reachable = False
    clock.now += 299
    assert (await house.vault.open_secret(house.tenant, house.keys, unopened, WEATHER)).matches(Secret(PLAIN))
    clock.now += 1
    with pytest.raises(BackendUnavailableError):
        await house.vault.open_secret(house.tenant, house.keys, row, WEATHER)


async def test_a_secret_does_not_outlive_the_key_that_opened_it(house: Household, clock: Clock) -> None:
    early, late = await house.put(), await house.put(name="late")
    await house.vault.open_secret(house.tenant, house.keys, early, WEATHER)
    clock.now += 179
    await house.vault.open_secret(house.tenant, house.keys, late, WEATHER)
    house.service.reachable = False
    clock.now += 120.9
    for row in (early, late):
        assert (await house.vault.open_secret(house.tenant, house.keys, row, WEATHER)).matches(Secret(PLAIN))
    clock.now += 0.1
    for row in (early, late):
        with pytest.raises(BackendUnavailableError):
            await house.vault.open_secret(house.tenant, house.keys, row, WEATHER)


async def test_a_project_that_is_called_all_the_time_never_waits_for_the_key_service(
    house: Household, clock: Clock
) -> None:
    row = await house.put()
    began = await house.vault.open_secret(house.tenant, house.keys, row, WEATHER)
    house.service.unwraps = 0
    for _ in range(1500):
        clock.now += 1
        held = len(house.vault._secrets)
        await house.vault.open_secret(house.tenant, house.keys, row, WEATHER)
        assert (held, len(house.vault._secrets)) == (1, 1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert 2 * 1500 / 300 <= house.service.unwraps <= 2 * 1500 / 175
    assert house.vault.opened(house.tenant, row, WEATHER) is not began


async def test_forgetting_a_project_forgets_its_keys_and_secrets_at_once(house: Household) -> None:
    row = await house.put()
    await house.vault.open_secret(house.tenant, house.keys, row, WEATHER)
    house.service.unwraps = 0
    house.vault.forget(OTHER_PROJECT)
    assert house.vault.opened(house.tenant, row, WEATHER) is not None
    await house.put(name="another")
    assert house.service.unwraps == 0
    house.vault.forget(PROJECT)
    assert house.vault.opened(house.tenant, row, WEATHER) is None
    await house.vault.open_secret(house.tenant, house.keys, row, WEATHER)
    assert house.service.unwraps == 2


async def test_neither_secret_nor_key_is_kept_of_a_row_that_was_read_before_a_change(house: Household) -> None:
    row, vault = await house.put(), house.fresh_vault()
    opened = await vault.open_secret(house.tenant, house.keys, row, WEATHER, current=lambda: False)
    assert opened.matches(Secret(PLAIN))
    assert len(vault._secrets) == len(vault._keys) == 0


async def test_opened_keys_are_opened_once_and_one_that_does_not_open_keeps_nobody(house: Household) -> None:
    broken = replace(house.key, wrapped_derived=house.key.wrapped_master)
    vault = house.fresh_vault()
    await vault.open_keys(house.tenant, [broken, house.key])
    house.service.reachable = False
    sealed, _ = await vault.seal_secret(house.tenant, house.key, WEATHER, "main", 1, Secret(PLAIN))
    assert sealed
    with pytest.raises(BackendUnavailableError):
        await house.fresh_vault().open_keys(house.tenant, [house.key])


async def test_a_name_that_was_removed_and_put_again_is_another_secret(house: Household) -> None:
    old, new = await house.put("the-old-secret"), await house.put("the-new-secret")
    await house.vault.open_secret(house.tenant, house.keys, old, WEATHER)
    assert house.vault.opened(house.tenant, new, WEATHER) is None
    opened = await house.vault.open_secret(house.tenant, house.keys, new, WEATHER)
    assert opened.matches(Secret("the-new-secret"))


@pytest.mark.parametrize(
    "base_url",
    [
        "https://evil.example/v2",
        "https://api.weather.example:8443/v2",
        "https://weather.example/v2",
    ],
)
async def test_a_provider_that_moved_gets_no_secret_even_from_the_cache(house: Household, base_url: str) -> None:
    row = await house.put()
    await house.vault.open_secret(house.tenant, house.keys, row, WEATHER)
    moved = replace(WEATHER, base_url=base_url)
    assert house.vault.opened(house.tenant, row, moved) is None
    with pytest.raises(SecretUnavailableError):
        await house.vault.open_secret(house.tenant, house.keys, row, moved)


async def test_a_new_path_below_the_same_host_keeps_the_secret(house: Household) -> None:
    row = await house.put()
    deeper = replace(WEATHER, base_url="https://api.weather.example/v3")
    assert (await house.vault.open_secret(house.tenant, house.keys, row, deeper)).matches(Secret(PLAIN))


async def test_a_provider_of_another_name_at_the_same_address_gets_no_secret(house: Household) -> None:
    row = await house.put()
    await house.vault.open_secret(house.tenant, house.keys, row, WEATHER)
    twin = Provider("twin", WEATHER.base_url, HeaderCredential("X-Leak"))
    assert house.vault.opened(house.tenant, row, twin) is None
    with pytest.raises(SecretUnavailableError):
        await house.vault.open_secret(house.tenant, house.keys, row, twin)


async def test_a_row_that_was_moved_does_not_open(house: Household) -> None:
    row = await house.put()
    await house.vault.open_secret(house.tenant, house.keys, row, WEATHER)
    for moved in (
        replace(row, name="other"),
        replace(row, version=2),
        replace(row, project=OTHER_PROJECT),
        replace(row, provider="other"),
    ):
        assert house.vault.opened(house.tenant, moved, WEATHER) is None
        with pytest.raises(SecretUnavailableError):
            await house.vault.open_secret(house.tenant, house.keys, moved, WEATHER)
    with pytest.raises(SecretUnavailableError):
        await house.vault.open_secret(replace(house.tenant, id=TenantId("other")), house.keys, row, WEATHER)


@pytest.mark.parametrize("plaintext", [b"k\xc3\xa9y-of-the-weather", b"two\nlines", b"short", b""], ids=range(4))
async def test_a_sealed_value_that_holds_no_secret_is_unavailable_and_not_shown(
    house: Household, plaintext: bytes
) -> None:
    row = await house.put()
    derived = await unwrap_derived_key(house.service, TENANT, house.key)
    context = contexts.of_secret(TENANT, PROJECT, WEATHER, row.name, row.version)
    sealed = seal_value(derived, bytes.fromhex(house.key.version), plaintext, context.encoded)
    with pytest.raises(SecretUnavailableError) as caught:
        await house.vault.open_secret(house.tenant, house.keys, replace(row, sealed=sealed), WEATHER)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


async def test_secrets_that_are_opened_one_after_the_other_make_one_trip_for_the_key(house: Household) -> None:
    rows, vault = [await house.put(name=name) for name in ("one", "two")], house.fresh_vault()
    house.service.unwraps = 0
    for row in rows:
        await vault.open_secret(house.tenant, house.keys, row, WEATHER)
    assert house.service.unwraps == 2


async def test_each_version_of_a_key_is_opened_as_itself(house: Household) -> None:
    newer = await house.vault.new_project_key(house.tenant, PROJECT, 2, NOW)
    marks = {await house.vault.fingerprint(house.tenant, key, Secret(PLAIN)) for key in (house.key, newer)}
    assert len(marks) == 2


async def test_the_derivations_of_a_loop_take_turns(house: Household) -> None:
    assert house.vault._derivations.here() is house.vault._derivations.here()


async def test_a_secret_whose_key_version_is_gone_is_unavailable(house: Household) -> None:
    row = await house.put()
    for keys in ({}, {"00" * 16: house.key}):
        with pytest.raises(SecretUnavailableError):
            await house.vault.open_secret(house.tenant, keys, row, WEATHER)


async def test_older_versions_of_a_key_still_open_what_they_sealed(house: Household) -> None:
    row = await house.put()
    newer = await house.vault.new_project_key(house.tenant, PROJECT, 2, NOW + timedelta(days=1))
    keys = {**house.keys, newer.version: newer}
    assert newer.version != house.key.version
    assert (await house.vault.open_secret(house.tenant, keys, row, WEATHER)).matches(Secret(PLAIN))


async def test_a_tenant_has_two_keys_of_its_own_which_no_one_else_unwraps(house: Household) -> None:
    again = await house.vault.new_tenant(TENANT, NOW)
    one, two = await house.vault.pseudonym_key(house.tenant), await house.vault.pseudonym_key(again)
    assert one != two
    assert len(one) == len(two) == 32
    swapped = replace(house.tenant, wrapped_pseudonym_key=house.tenant.wrapped_secret)
    with pytest.raises(SealedValueError):
        await house.vault.pseudonym_key(swapped)
    with pytest.raises(SealedValueError):
        await house.vault.pseudonym_key(replace(house.tenant, id=TenantId("other")))


async def test_the_pseudonym_key_is_fetched_once(house: Household) -> None:
    keys = {await house.vault.pseudonym_key(house.tenant) for _ in range(3)}
    assert len(keys) == 1
    assert house.service.unwraps == 1


async def test_a_project_key_remembers_how_it_was_made(house: Household) -> None:
    vault = Vault(KeyServices(house.service), kdf="argon2id")
    keys = await asyncio.gather(*(vault.new_project_key(house.tenant, PROJECT, number, NOW) for number in (2, 3)))
    assert [(key.kdf, key.number, len(key.salt), key.generation) for key in keys] == [
        ("argon2id", 2, 32, 1),
        ("argon2id", 3, 32, 1),
    ]
    assert len({key.salt for key in keys} | {bytes.fromhex(key.version) for key in keys}) == 4


def test_a_vault_serves_one_loop_after_the_other() -> None:
    async def use(vault: Vault) -> int:
        tenant = await vault.new_tenant(TENANT, NOW)
        keys = [vault.new_project_key(tenant, PROJECT, number, NOW) for number in (1, 2)]
        return len(await asyncio.gather(*keys))

    vault = asyncio.run(Household.found(lambda: 0.0)).vault
    assert [asyncio.run(use(vault)) for _ in range(2)] == [2, 2]


@pytest.mark.full_key_costs
async def test_the_loop_runs_on_while_a_key_is_derived(house: Household) -> None:
    making = asyncio.create_task(house.vault.new_project_key(house.tenant, PROJECT, 2, NOW))
    turns = 0
    while not making.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert turns > 10


async def test_a_key_that_has_sealed_more_meanwhile_is_not_opened_again(house: Household) -> None:
    await house.put()
    unwraps = house.service.unwraps
    house.key = replace(house.key, uses=1, generation=2)
    await house.put()
    assert house.service.unwraps == unwraps
    with pytest.raises(SealedValueError):
        await house.vault.fingerprint(house.tenant, replace(house.key, number=2), Secret(PLAIN))
