"""A key goes to the address that it was made or put for, whatever is managed while a rotation asks for it."""

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from apikeychain import Provider, Secret
from apikeychain.backends.upstream_aiohttp import AiohttpUpstream
from apikeychain.errors import RotationRefusedError
from apikeychain.model.ids import TenantId
from apikeychain.model.provider import BasicCredential
from apikeychain.model.rotators import HTTPRotation, OAuth2Rotation
from apikeychain.ports.rotator import NewKey, Order, Rotator
from apikeychain.ports.store import Store, TenantReader
from apikeychain.rotation.engine import Engine
from apikeychain.rotation.http_rotator import HTTPRotator
from apikeychain.rotation.oauth2_rotator import OAuth2Rotator
from apikeychain.rotation.page import Workshop
from apikeychain.rotation.scene import Scene
from apikeychain.rotation.stored_secrets import rotator_for
from apikeychain.testing.local_provider import LocalProvider, Visit
from apikeychain.testing.upstream_scene import LocalGuard
from described_api import HOST, PLAIN_ROTATION, SHAPES, KeyAPI
from rotation_house import RotationHouse, attend

Deed = Callable[[], Coroutine[Any, Any, object]]
TOKENS = OAuth2Rotation(
    provider="idp",
    credential="idp-client",
    path="/token",
    grant="refresh_token",
    refresh="idp-refresh",
    client="body",
)


class ReadAcross:
    """A store behind each of whose readings somebody manages: what is read next is not what was read before."""

    def __init__(self, store: Store, manage: Deed) -> None:
        self._store, self._manage = store, manage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @asynccontextmanager
    async def reading(self, tenant: TenantId) -> AsyncGenerator[TenantReader, None]:
        async with self._store.reading(tenant) as reader:
            yield reader
        await self._manage()


class Before:
    """A rotator before whose trial of a key somebody manages."""

    def __init__(self, rotator: Rotator, manage: Deed) -> None:
        self._rotator, self._manage = rotator, manage

    async def create(self, order: Order) -> NewKey:
        return await self._rotator.create(order)

    async def verify(self, key: Secret) -> None:
        await self._manage()
        await self._rotator.verify(key)

    async def revoke(self, key_id: str) -> None:
        await self._rotator.revoke(key_id)


@dataclass
class TwoAddresses:
    """A project whose provider is at one address, and may be registered at another, which hears everything."""

    house: RotationHouse
    api: KeyAPI
    elsewhere: LocalProvider
    upstream: AiohttpUpstream

    def __post_init__(self) -> None:
        self.plain = self.api.providers()["plain"]
        self.idp = replace(self.plain, name="idp", credential=BasicCredential())
        self.api.local.on("/v1/token", _refuse)

    async def fill(self) -> None:
        shop = self.house.shop
        for provider in (self.plain, self.idp):
            await shop.register_provider(provider)
        for name, text in {"plain": self.api.make("by-hand").text, "plain-admin": self.api.admin}.items():
            await shop.put_secret(name, Secret(text), provider="plain")
        for name, text in {"idp-client": "shop-client:a-made-up-secret", "idp-refresh": "a-made-up-refresh"}.items():
            await shop.put_secret(name, Secret(text), provider="idp")
        await shop.add_rotation("plain", PLAIN_ROTATION, key_id=self.api.keys[0].id)

    async def move(self, provider: Provider, *, away: bool = True) -> None:
        moved = replace(provider, base_url=self._address_elsewhere()) if away else provider
        await self.house.shop.register_provider(moved)

    def rotator(self, scene: Scene, store: Store | None = None) -> Rotator:
        house = self.house
        return rotator_for(
            scene,
            store=store or house.store.sibling(),
            vault=house.office.vault,
            upstream=self.upstream,
            networks={
                self.plain.base_url: self.api.local.network,
                self._address_elsewhere(): self.elsewhere.network,
            },
            now=house.clock.now,
        )

    async def turn(self, rotator_of: Callable[[Scene], Rotator]) -> list[str]:
        """The states of the keys after a turn."""
        house = self.house
        workshop: Workshop = house.workshop(house.store.sibling(), None)  # type: ignore[arg-type]  # replaced here
        await house.shop.rotate("plain")
        await attend(Engine(replace(workshop, rotator_of=rotator_of)), house.acme.id, house.shop.id, "plain")
        (info,) = [one for one in await house.shop.rotations() if one.secret == "plain"]
        return [key.state for key in info.keys]

    def _address_elsewhere(self) -> str:
        return f"https://{HOST}:{self.elsewhere.port}/v1"


async def _refuse(visit: Visit) -> None:
    await visit.read_all()
    await visit.answer(400)


@pytest.fixture
async def two(house: RotationHouse) -> AsyncGenerator[TwoAddresses, None]:
    async with (
        LocalProvider(HOST) as local,
        LocalProvider(HOST) as elsewhere,
        AiohttpUpstream(LocalGuard()) as upstream,
    ):
        api = KeyAPI(local, SHAPES["plain"])
        api.listen()
        two = TwoAddresses(house, api, elsewhere, upstream)
        await two.fill()
        yield two


@pytest.mark.parametrize("starts_away", [True, False], ids=["away-first", "home-first"])
@pytest.mark.parametrize(("kind", "how"), [(HTTPRotator, PLAIN_ROTATION), (OAuth2Rotator, TOKENS)])
async def test_no_secret_goes_to_an_address_that_is_registered_between_two_readings(
    two: TwoAddresses, kind: type, how: HTTPRotation | OAuth2Rotation, *, starts_away: bool
) -> None:
    provider = two.idp if kind is OAuth2Rotator else two.plain
    away = [starts_away]

    async def turn_about() -> None:
        away[0] = not away[0]
        await two.move(provider, away=away[0])

    scene = await _scene(two)
    store: Any = ReadAcross(two.house.store.sibling(), turn_about)
    rotator = two.rotator(replace(scene, rotation=replace(scene.rotation, how=how)), store)
    assert type(rotator) is kind
    await two.move(provider, away=starts_away)
    if starts_away or kind is OAuth2Rotator:
        with pytest.raises(RotationRefusedError, match="opens for the address of its provider"):
            await rotator.create(Order(label="apikeychain-p-1"))
    else:
        await rotator.create(Order(label="apikeychain-p-1"))
    assert not two.elsewhere.requests


async def test_a_new_key_is_tried_at_the_address_that_it_was_made_for(two: TwoAddresses) -> None:
    states = await two.turn(lambda scene: Before(two.rotator(scene), lambda: two.move(two.plain)))
    assert not two.elsewhere.requests
    assert states[0] == "current"


async def test_a_key_that_was_made_while_its_provider_moved_is_not_taken_along(two: TwoAddresses) -> None:
    made = two.api._manage

    async def moved_meanwhile(visit: Visit) -> None:
        await visit.read_all()
        await two.move(two.plain)
        await made(visit)

    two.api.local.on("/v1/keys", moved_meanwhile)
    states = await two.turn(two.rotator)
    assert not two.elsewhere.requests
    assert states == ["current", "retiring"]


async def test_a_key_that_nobody_can_read_is_made_once_and_named_in_an_alert(two: TwoAddresses) -> None:
    how = replace(PLAIN_ROTATION, key="elsewhere", search=None)
    states = await two.turn(lambda scene: two.rotator(replace(scene, rotation=replace(scene.rotation, how=how))))
    assert states == ["current"]
    _, lost = two.api.keys
    [left] = [alert for alert in await two.house.alerts() if alert.topic == "rotation.left"]
    assert lost.label in left.todo


async def _scene(two: TwoAddresses) -> Scene:
    found: list[Scene] = []

    def keep(scene: Scene) -> Rotator:
        found.append(scene)
        raise RotationRefusedError

    await two.turn(keep)
    return found[0]
