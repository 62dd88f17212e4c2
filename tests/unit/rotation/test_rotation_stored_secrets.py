"""A secret goes to its own provider alone, also where a rotation asks for it; a rotation that is stored turns keys."""

from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from apikeychain import APIKeyChain, APIKeyChainSettings, HeaderCredential, Provider, Secret
from apikeychain.backends.memory_store import MemoryStore
from apikeychain.backends.upstream_aiohttp import AiohttpUpstream
from apikeychain.errors import InvalidValueError, RotationRefusedError, SecretUnavailableError
from apikeychain.model.ids import TenantId
from apikeychain.model.records import ProjectKey, RegisteredProvider, SealedSecret
from apikeychain.model.rotators import HowToRotate, ManualRotation
from apikeychain.ports.rotator import Order, Rotator
from apikeychain.rotation.scene import scene_of
from apikeychain.rotation.stored_secrets import StoredSecrets, rotator_for
from apikeychain.tenants.change import Office
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.testing.local_provider import LocalProvider
from apikeychain.testing.upstream_scene import LocalGuard
from described_api import HOST, PLAIN_ROTATION, SHAPES, KeyAPI

ACME = TenantId("acme")
OTHER = Provider("other", "https://api.other.test", HeaderCredential("X-Key"))


@pytest.fixture
async def keychain() -> AsyncGenerator[APIKeyChain, None]:
    async with APIKeyChain.in_memory(settings=APIKeyChainSettings(kdf="pbkdf2-sha512")) as keychain:
        yield keychain


@pytest.fixture
async def office(keychain: APIKeyChain) -> Office:
    residence = keychain._residence
    assert residence is not None
    return residence.office


@pytest.fixture
async def shop(keychain: APIKeyChain) -> ProjectAdmin:
    return await (await keychain.create_tenant("acme")).create_project("shop")


@pytest.fixture
async def api() -> AsyncGenerator[KeyAPI, None]:
    async with LocalProvider(HOST) as local:
        api = KeyAPI(local, SHAPES["plain"])
        api.listen()
        yield api


async def _filled(shop: ProjectAdmin, api: KeyAPI) -> None:
    plain = replace(SHAPES["plain"].rotated, base_url=f"https://{HOST}:{api.local.port}/v1")
    await shop.register_provider(plain)
    await shop.register_provider(OTHER)
    await shop.put_secret("plain", Secret("a-made-up-first-key"), provider="plain")
    await shop.put_secret("plain-admin", Secret(api.admin), provider="plain")
    await shop.put_secret("elsewhere", Secret("a-made-up-other-key"), provider="other")


async def _rotator(
    office: Office, shop: ProjectAdmin, api: KeyAPI, how: HowToRotate, upstream: AiohttpUpstream
) -> Rotator:
    await shop.add_rotation("plain", ManualRotation())
    async with office.store.reading(ACME) as reader:
        scene = await scene_of(reader, shop.id, "plain")
    assert scene is not None
    return rotator_for(
        replace(scene, rotation=replace(scene.rotation, how=how)),
        store=office.store,
        vault=office.vault,
        upstream=upstream,
        networks={f"https://{HOST}:{api.local.port}/v1": api.local.network},
        now=office.now,
    )


async def test_a_rotation_that_is_stored_makes_tries_and_ends_a_key(
    office: Office, shop: ProjectAdmin, api: KeyAPI
) -> None:
    await _filled(shop, api)
    async with AiohttpUpstream(LocalGuard()) as upstream:
        rotator = await _rotator(office, shop, api, PLAIN_ROTATION, upstream)
        made = await rotator.create(Order(label="apikeychain-1"))
        await rotator.verify(made.key)
        await rotator.revoke(made.id)
    assert not api.keys
    sent = {received.headers.get(b"x-key") for received in api.local.requests}
    assert sent == {api.admin.encode(), made.key.reveal()}


@pytest.mark.parametrize(
    ("how", "told"),
    [
        (replace(PLAIN_ROTATION, credential="elsewhere"), "belongs to the provider 'other': put one for 'plain'"),
        (replace(PLAIN_ROTATION, credential="missing"), "no secret 'missing'"),
        (replace(PLAIN_ROTATION, provider="other"), "belongs to the provider 'plain': put one for 'other'"),
    ],
    ids=["foreign", "missing", "other-provider"],
)
async def test_a_secret_goes_to_no_provider_but_its_own(
    office: Office, shop: ProjectAdmin, api: KeyAPI, how: HowToRotate, told: str
) -> None:
    await _filled(shop, api)
    async with AiohttpUpstream(LocalGuard()) as upstream:
        with pytest.raises(RotationRefusedError, match=told):
            await (await _rotator(office, shop, api, how, upstream)).create(Order(label="apikeychain-1"))
    assert not api.local.requests


async def test_what_is_turned_by_hand_has_no_rotator_of_ours(office: Office, shop: ProjectAdmin, api: KeyAPI) -> None:
    await _filled(shop, api)
    async with AiohttpUpstream(LocalGuard()) as upstream:
        with pytest.raises(InvalidValueError, match="by hand"):
            await _rotator(office, shop, api, ManualRotation(), upstream)


@pytest.mark.parametrize("broken", ["provider", "key", "sealed", "moved"])
async def test_a_secret_that_cannot_be_opened_is_not_available(
    office: Office, shop: ProjectAdmin, api: KeyAPI, broken: str
) -> None:
    await _filled(shop, api)
    secrets = StoredSecrets(office.store, office.vault, ACME, shop.id)
    held = await secrets.open("plain")
    assert held.secret.matches(Secret("a-made-up-first-key"))
    assert held.provider.name == "plain"
    assert isinstance(office.store, MemoryStore)
    async with office.store.tenant(ACME) as store:
        sealed = await store.get(SealedSecret, (shop.id, "plain"))
        registered = await store.get(RegisteredProvider, (shop.id, "plain"))
        (key,) = await store.list(ProjectKey, (), 10)
        assert sealed is not None
        assert registered is not None
        if broken == "provider":
            await store.remove(RegisteredProvider, registered.key, registered.generation)
        elif broken == "key":
            await store.remove(ProjectKey, key.key, key.generation)
        elif broken == "sealed":
            await store.replace(replace(sealed, sealed=b"no sealed value"), sealed.generation)
        else:
            moved = replace(registered, provider=replace(registered.provider, base_url=OTHER.base_url))
            await store.replace(moved, registered.generation)
    with pytest.raises(SecretUnavailableError):
        await secrets.open("plain")
