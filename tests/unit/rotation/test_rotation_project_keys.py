"""Keys at a provider are told apart by their values also after the project's own key turned."""

from dataclasses import replace

import pytest

from apikeychain import Secret
from apikeychain.errors import ConflictError
from management import WEATHER
from rotation_house import SECRET, RotationHouse

AN_HOUR = 3600


async def test_a_key_that_is_put_back_after_the_projects_key_turned_is_not_ended(house: RotationHouse) -> None:
    first = await house.serving()
    await house.shop.rotate(SECRET)
    await house.attend()
    assert await house.states() == ["retiring", "current"]
    await house.shop.turn_key()
    await house.shop.put_secret(SECRET, Secret(first), provider="weather")
    assert await house.states() == ["current", "retiring"]
    house.clock.go_on(AN_HOUR)
    await house.attend()
    assert [key.value for key in house.provider.alive()] == [first] == [await house.serving()]
    assert await house.states() == ["current", "revoked"]


async def test_a_key_that_was_ended_before_the_projects_key_turned_cannot_be_put_back(house: RotationHouse) -> None:
    first = await house.serving()
    await house.shop.rotate(SECRET)
    await house.attend()
    house.clock.go_on(AN_HOUR)
    await house.attend()
    assert await house.states() == ["revoked", "current"]
    for _ in range(2):
        await house.shop.turn_key()
        with pytest.raises(ConflictError, match="was ended at its provider"):
            await house.shop.put_secret(SECRET, Secret(first), provider="weather")


async def test_a_new_key_that_came_to_nothing_is_known_after_the_projects_key_turned(house: RotationHouse) -> None:
    house.provider.faults = ["", "refuses", "refuses"]
    await house.shop.rotate(SECRET)
    await house.attend()
    assert await house.states() == ["current", "retiring"]
    second = house.provider.keys["key-2"].value
    await house.shop.turn_key()
    await house.shop.put_secret(SECRET, Secret(second), provider="weather")
    house.clock.go_on(AN_HOUR)
    await house.attend()
    assert [key.value for key in house.provider.alive()] == [second] == [await house.serving()]


async def test_so_are_those_that_somebody_replaced_by_hand(house: RotationHouse) -> None:
    first = await house.serving()
    by_hand = house.provider.made("by-hand").value
    await house.shop.put_secret(SECRET, Secret(by_hand), provider="weather")
    await house.shop.turn_key()
    await house.shop.put_secret(SECRET, Secret(first), provider="weather")
    assert await house.states() == ["current", "retiring"]
    [serves, retires] = (await house.scene()).keys
    assert (serves.sealed, bool(retires.sealed), retires.version) == (b"", True, 2)
    await house.shop.turn_key()
    await house.shop.put_secret(SECRET, Secret(by_hand), provider="weather")
    assert await house.states() == ["retiring", "current"]


async def test_a_replaced_key_of_another_address_keeps_no_project_from_turning(house: RotationHouse) -> None:
    await house.shop.rotate(SECRET)
    await house.attend()
    second = await house.serving()
    await house.shop.register_provider(replace(WEATHER, base_url="https://other.weather.example"))
    await house.shop.put_secret(SECRET, Secret(second), provider="weather")
    turned = await house.shop.turn_key()
    assert turned is not None
    assert await house.serving() == second
    [retires, serves] = (await house.scene()).keys
    assert (retires.state, retires.sealed, retires.fingerprint, retires.id) == ("retiring", b"", "", "key-1")
    assert (serves.state, serves.fingerprint) == ("current", (await house.scene()).sealed.fingerprint)
    house.clock.go_on(AN_HOUR)
    await house.attend()
    assert [key.value for key in house.provider.alive()] == [second]
