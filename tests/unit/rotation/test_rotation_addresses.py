"""A key goes to the address that it was made or put for, whatever is managed while a rotation asks for it."""

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import pytest

from apikeychain import Provider, Secret
from apikeychain.backends.upstream_aiohttp import AiohttpUpstream
from apikeychain.errors import RotationRefusedError
from apikeychain.model.ids import TenantId
from apikeychain.model.network import Network
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

    async def revoke(self, key_id: str) -> Literal["gone"] | None:
        return await self._rotator.revoke(key_id)


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

    async def part(self) -> None:
        """The key API has a provider of its own, as that of IAM has: it does not move with the keys."""
        shop = self.house.shop
        await shop.register_provider(replace(self.plain, name="keys"))
        await shop.put_secret("plain-admin", Secret(self.api.admin), provider="keys")
        how = replace(PLAIN_ROTATION, provider="keys")
        await shop.add_rotation("plain", how, key_id=self.api.keys[0].id)

    async def alerts(self) -> list[str]:
        """All that is told of each."""
        return [f"{one.topic} {one.what} {one.why} {one.todo}" for one in await self.house.alerts()]

    def rotator(self, scene: Scene, store: Store | None = None) -> Rotator:
        home, away = self.api.local.network, self.elsewhere.network
        return self.rotator_by(scene, {self.plain.base_url: home, self._address_elsewhere(): away}, store)

    def rotator_by(self, scene: Scene, networks: dict[str, Network], store: Store | None = None) -> Rotator:
        return rotator_for(
            scene,
            store=store or self.house.store.sibling(),
            vault=self.house.office.vault,
            upstream=self.upstream,
            networks=networks,
            now=self.house.clock.now,
        )

    async def turn(self, rotator_of: Callable[[Scene], Rotator], *, begins: bool = True) -> list[str]:
        """The states of the keys after a turn, or after what is due."""
        house = self.house
        workshop: Workshop = house.workshop(house.store.sibling(), None)  # type: ignore[arg-type]  # replaced here
        if begins:
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


async def test_a_new_key_does_not_go_where_the_one_before_would_not(two: TwoAddresses) -> None:
    """Who moves a provider and knows no secret of it gets none by a turn."""
    await two.part()
    await two.move(two.plain)
    states = await two.turn(two.rotator)
    assert (states, len(two.api.keys)) == (["current"], 1)
    assert not two.elsewhere.requests
    [told] = await two.alerts()
    assert "does not open for the address that its provider has: put it again" in told


async def test_an_order_that_comes_again_makes_no_key_for_an_address_of_later(two: TwoAddresses) -> None:
    await two.part()
    two.api.lost = 1
    assert await two.turn(two.rotator) == ["current", "pending"]
    await two.move(two.plain)
    assert await two.turn(two.rotator) == ["current"]
    assert not two.elsewhere.requests
    lost = two.api.keys[-1]
    assert any(told.startswith("rotation.left") and lost.label in told for told in await two.alerts())


async def test_a_key_that_its_provider_does_not_know_is_named(two: TwoAddresses) -> None:
    """A credential that may not end keys any more hears of none: the key lives."""
    old = two.api.keys[0]
    await two.turn(two.rotator)
    two.api.answers[f"DELETE /v1/keys/{old.id}"] = (404, b"{}")
    two.house.clock.go_on(3601)
    assert await two.turn(two.rotator, begins=False) == ["revoked", "current"]
    assert old in two.api.keys
    [told] = await two.alerts()
    assert told.startswith("rotation.left A key was replaced and may live on")
    assert f"id {old.id!r}" in told


async def test_a_key_that_is_not_known_at_another_account_is_named(two: TwoAddresses) -> None:
    """Its key API has another address by now, and so another account."""
    await two.part()
    old = two.api.keys[0]
    two.elsewhere.on(f"/v1/keys/{old.id}", _not_found)
    shop, away = two.house.shop, two._address_elsewhere()
    await shop.register_provider(replace(two.plain, name="keys", base_url=away))
    await shop.put_secret("plain-admin", Secret("another-administrators-key"), provider="keys")
    await shop.put_secret("plain", Secret("a-key-of-another-account"), provider="plain")
    two.house.clock.go_on(3601)
    assert await two.turn(two.rotator, begins=False) == ["revoked", "current"]
    assert old in two.api.keys
    [told] = await two.alerts()
    assert f"id {old.id!r}" in told


async def test_a_key_whose_end_was_not_answered_may_be_unknown_afterwards(two: TwoAddresses) -> None:
    old = two.api.keys[0]
    await two.turn(two.rotator)
    two.api.answers[f"DELETE /v1/keys/{old.id}"] = (503, b"{}")
    two.house.clock.go_on(3601)
    assert await two.turn(two.rotator, begins=False) == ["retiring", "current"]
    two.api.answers[f"DELETE /v1/keys/{old.id}"] = (404, b"{}")
    two.house.clock.go_on(60)
    assert await two.turn(two.rotator, begins=False) == ["revoked", "current"]
    assert await two.alerts() == []


@pytest.mark.parametrize("is_parted", [True, False], ids=["key-api", "rotated"])
async def test_a_worker_whose_networks_do_not_let_it_leaves_a_turn_to_others(
    two: TwoAddresses, *, is_parted: bool
) -> None:
    """As a command that was given none: of a turn that is another's it refuses nothing."""
    if is_parted:
        await two.part()

    def blind(scene: Scene) -> Rotator:
        known = {} if not is_parted else {two.plain.base_url: two.api.local.network}
        return two.rotator_by(scene, known)

    if is_parted:
        await two.house.shop.register_provider(replace(two.plain, name="keys", base_url=two._address_elsewhere()))
        await two.house.shop.put_secret("plain-admin", Secret(two.api.admin), provider="keys")
    assert await two.turn(blind) == ["current", "pending"]
    assert await two.alerts() == []
    [info] = [one for one in await two.house.shop.rotations() if one.secret == "plain"]
    assert (info.failure, info.keys[-1].asked, two.api.local.requests) == ("", None, [])


async def _not_found(visit: Visit) -> None:
    await visit.read_all()
    await visit.answer(404)


async def _scene(two: TwoAddresses) -> Scene:
    found: list[Scene] = []

    def keep(scene: Scene) -> Rotator:
        found.append(scene)
        raise RotationRefusedError

    await two.turn(keep)
    return found[0]
