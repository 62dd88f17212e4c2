"""What a secret was before is opened while its provider takes it, and is in nobody's way."""

from dataclasses import replace

import pytest

from apikeychain.errors import BackendUnavailableError
from apikeychain.model.keys import KeyContext
from apikeychain.model.provider import Provider
from apikeychain.model.records import SealedSecret
from apikeychain.model.rotation_records import ProviderKey
from apikeychain.model.route import ProxyRoute
from apikeychain.rules.snapshot import Snapshot
from apikeychain.secret import Secret
from apikeychain.vault.retiring import open_retiring
from apikeychain.vault.vault import Vault
from sample_keys import NOW, PLAIN, PROJECT, WEATHER, Household
from sample_project import a_snapshot

ROUTE = ProxyRoute("weather", provider="weather", secret="main")


@pytest.fixture
async def house() -> Household:
    return await Household.found(lambda: 0.0)


def was(row: SealedSecret, number: int) -> ProviderKey:
    return ProviderKey(
        project=PROJECT,
        secret=row.name,
        number=number,
        state="retiring",
        reason="schedule",
        label="",
        created=NOW,
        after=NOW,
        sealed=row.sealed,
        version=row.version,
        fingerprint=row.fingerprint,
    )


async def shop_of(house: Household, provider: Provider = WEATHER) -> Snapshot:
    """A project whose secret has its third version."""
    rows = [await house.put(f"{PLAIN}-{version}", version=version) for version in (1, 2, 3)]
    keys = [was(rows[0], 1), was(rows[1], 2)]
    other = replace(ROUTE, name="other", secret="other")
    return a_snapshot(
        secrets=rows[2:], provider_keys=keys, keys=[house.key], providers=[provider], routes=[ROUTE, other]
    )


async def opened(vault: Vault, shop: Snapshot, *, route: bytes = b"weather", holds: bool = True) -> list[Secret]:
    return await open_retiring(vault, shop, shop.routes[route], lambda project: holds and project is shop)


async def test_each_value_that_a_secret_had_is_opened_once(house: Household) -> None:
    vault, shop = house.fresh_vault(), await shop_of(house)
    first = await opened(vault, shop)
    assert [secret.reveal().decode() for secret in first] == [f"{PLAIN}-1", f"{PLAIN}-2"]
    unwraps, again = house.service.unwraps, await opened(vault, shop)
    assert all(one is other for one, other in zip(first, again, strict=True))
    assert house.service.unwraps == unwraps
    assert await opened(vault, shop, route=b"other") == []


async def test_what_changed_meanwhile_is_not_kept(house: Household) -> None:
    vault, shop = house.fresh_vault(), await shop_of(house)
    first, again = [await opened(vault, shop, holds=False) for _ in range(2)]
    assert [one.matches(other) for one, other in zip(first, again, strict=True)] == [True, True]
    assert [one is other for one, other in zip(first, again, strict=True)] == [False, False]


async def test_one_that_was_put_for_another_address_is_left_out(house: Household) -> None:
    shop = await shop_of(house, replace(WEATHER, base_url="https://other.weather.example"))
    assert await opened(house.fresh_vault(), shop) == []


async def test_a_key_service_that_is_down_lets_nothing_pass_unseen(house: Household) -> None:
    def down(key: bytes, _: KeyContext) -> bytes:
        raise BackendUnavailableError

    house.service.distort = down
    with pytest.raises(BackendUnavailableError):
        await opened(house.fresh_vault(), await shop_of(house))
