"""An open keychain turns what is due by itself, with the rotators that its host gave it."""

import asyncio
from typing import Any

import pytest

from apikeychain import APIKeyChain, APIKeyChainSettings, HeaderCredential, Provider, Secret
from apikeychain.backends.upstream_aiohttp import AiohttpUpstream
from apikeychain.egress import Egress
from apikeychain.errors import DoesNotExistError, InvalidValueError
from apikeychain.listing import every
from apikeychain.model.alert import OutgoingAlert
from apikeychain.model.rotators import HostRotation
from apikeychain.ports.rotator import Account
from apikeychain.rotation import engine
from apikeychain.tenants import registry
from apikeychain.testing.eventually import until
from apikeychain.upkeep import Upkeep
from management import WEATHER, fill
from rotation_house import OWN, Fuse, KeyProvider, ModelRotator, RotationHouse, attend

QUICK = APIKeyChainSettings(kdf="pbkdf2-sha512")


async def test_a_secret_is_turned_where_somebody_waits_for_it_or_calls_are_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "_ROUND_SECONDS", 0.01)
    provider = KeyProvider(idempotent=True)
    rotators = {"own": Account(ModelRotator(provider, Fuse()), base_url=WEATHER.base_url, tenants=("acme",))}
    async with APIKeyChain.in_memory(settings=QUICK, rotators=rotators) as keychain:
        shop = await (await keychain.create_tenant("acme")).create_project("shop")
        await fill(shop, provider.made("first").value)
        await shop.add_rotation("weather", HostRotation(name="own"), key_id="key-1")
        await shop.rotate("weather")

        async def is_turned() -> bool:
            [info] = await shop.rotations()
            return [key.state for key in info.keys] == ["retiring", "current"]

        await asyncio.sleep(0.2)
        assert not await is_turned()
        shop.turn_here()
        await until(is_turned)
        assert [info.version for info in await shop.list_secrets()] == [2]


@pytest.mark.parametrize(
    ("name", "base_url", "tenant"),
    [
        ("other", WEATHER.base_url, "acme"),
        ("own", WEATHER.base_url, "somebody-else"),
        ("own", "https://elsewhere.example", "acme"),
    ],
    ids=["by-name", "by-tenant", "by-address"],
)
async def test_a_rotator_is_given_to_its_tenants_for_its_provider_alone(
    house: RotationHouse, name: str, base_url: str, tenant: str
) -> None:
    own = ModelRotator(house.provider, Fuse())
    given = {name: Account(own, base_url=base_url, tenants=(tenant,))}
    fitting = {"own": Account(own, base_url=WEATHER.base_url + "/", tenants=("somebody-else", "acme"))}
    async with AiohttpUpstream(Egress()) as upstream:
        upkeep = Upkeep(house.office, upstream, asyncio.Event(), rotators=given)
        with pytest.raises(DoesNotExistError, match=f"no rotator 'own' for the tenant 'acme' and {WEATHER.base_url}$"):
            upkeep._rotator_of(await house.scene())
        upkeep = Upkeep(house.office, upstream, asyncio.Event(), rotators=fitting)
        assert upkeep._rotator_of(await house.scene()) is own


async def test_no_tenant_ends_keys_of_another_by_the_name_of_its_rotator(house: RotationHouse) -> None:
    evil = Provider("evil", "https://evil.example", HeaderCredential("x-api-key"))
    mallory = await registry.create_tenant(house.office, "mallory", "test")
    theirs = await mallory.create_project("theirs")
    await theirs.configure(providers=[evil], secrets={"evil": Secret("a-made-up-key")}, enabled=True)
    await theirs.add_rotation("evil", OWN, key_id="key-1")
    await theirs.rotate("evil")
    account = Account(ModelRotator(house.provider, Fuse()), base_url=WEATHER.base_url, tenants=("acme",))
    async with AiohttpUpstream(Egress()) as upstream:
        engine = Upkeep(house.office, upstream, asyncio.Event(), rotators={"own": account}).engine
        for _ in range(6):
            await attend(engine, mallory.id, theirs.id, "evil")
            house.clock.go_on(3700)
    assert house.provider.asked.total() == 0
    assert house.provider.keys["key-1"].alive
    (info,) = await theirs.rotations()
    assert "given no rotator 'own' for the tenant 'mallory'" in info.failure


async def test_no_tenant_ends_keys_of_another_in_an_account_that_they_share(house: RotationHouse) -> None:
    """It says the id of a key of acme's as its own: ids are told in alerts, and some are counted."""
    mallory = await registry.create_tenant(house.office, "mallory", "test")
    theirs = await mallory.create_project("theirs")
    await theirs.configure(providers=[WEATHER], secrets={"weather": Secret("a-made-up-key-0001")}, enabled=True)
    await theirs.add_rotation("weather", OWN, key_id="key-1")
    account = Account(ModelRotator(house.provider, Fuse()), base_url=WEATHER.base_url, tenants=("acme", "mallory"))
    async with AiohttpUpstream(Egress()) as upstream:
        engine = Upkeep(house.office, upstream, asyncio.Event(), rotators={"own": account}).engine
        for _ in range(2):
            await theirs.rotate("weather", reason="compromised")
            await attend(engine, mallory.id, theirs.id, "weather")
            house.clock.go_on(61)
            await attend(engine, mallory.id, theirs.id, "weather")
    assert house.provider.asked["create"] == 2
    # Its own it ends, which the rotator named.
    assert [key.id for key in house.provider.alive()] == ["key-1", "key-3"]
    async with house.store.reading(mallory.id) as reader:
        [told] = [outgoing.alert for outgoing in await every(reader, OutgoingAlert)]
    assert (told.topic, "id 'key-1'" in told.todo) == ("rotation.left", True)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("Own", {}),
        ("own", {"base_url": "a.example"}),
        ("own", {"tenants": ()}),
        ("own", {"tenants": "acme"}),
        ("own", {"tenants": ("a b",)}),
    ],
    ids=["name", "address", "no-tenant", "text", "tenant"],
)
def test_a_rotator_that_nobody_can_be_given_is_refused_at_once(name: str, given: dict[str, Any]) -> None:
    own = ModelRotator(KeyProvider(idempotent=True), Fuse())
    usual: dict[str, Any] = {"base_url": "https://a.example", "tenants": ("acme",)}
    with pytest.raises(InvalidValueError):
        APIKeyChain.in_memory(settings=QUICK, rotators={name: Account(own, **(usual | given))})


def test_a_rotator_that_does_not_say_whose_it_is_is_refused_at_once() -> None:
    own: Any = ModelRotator(KeyProvider(idempotent=True), Fuse())
    with pytest.raises(InvalidValueError, match="the rotator 'own' is given as an Account"):
        APIKeyChain.in_memory(settings=QUICK, rotators={"own": own})
