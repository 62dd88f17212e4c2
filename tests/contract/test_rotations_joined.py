"""A rotation that a tenant adds, turned by the engine with our rotators, against providers on this machine over TLS."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import pytest
from starlette.applications import Starlette

from apikeychain import (
    APIKeyChain,
    APIKeyChainMiddleware,
    APIKeyChainSettings,
    AWSCredential,
    BasicCredential,
    Network,
    OAuth2Credential,
    Provider,
    ProviderSecret,
    ProxyRoute,
    Secret,
)
from apikeychain.backends.upstream_aiohttp import AiohttpUpstream
from apikeychain.rules import rotation as rules
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.testing.eventually import until
from apikeychain.testing.local_provider import LocalProvider
from apikeychain.testing.servers.aws import AWSServer
from apikeychain.testing.upstream_scene import LocalGuard
from described_api import HOST, SHAPES, KeyAPI
from gate import APP
from iam_front import HOW, iam_front
from token_server import HOWS, TokenServer, secrets


def _keychain(network: Mapping[str, Network]) -> APIKeyChain:
    return APIKeyChain.in_memory(
        settings=APIKeyChainSettings(kdf="pbkdf2-sha512"),
        network=network,
        upstream=lambda _: AiohttpUpstream(LocalGuard()),
    )


async def _shop(keychain: APIKeyChain) -> ProjectAdmin:
    shop = await (await keychain.create_tenant("acme")).create_project("shop")
    shop.turn_here()
    return shop


async def _versions(shop: ProjectAdmin) -> dict[str, int]:
    return {info.name: info.version for info in await shop.list_secrets()}


async def _turned(shop: ProjectAdmin, name: str, version: int) -> None:
    async def is_turned() -> bool:
        return (await _versions(shop))[name] >= version

    await until(is_turned, every=0.05)


@pytest.mark.parametrize("name", SHAPES)
async def test_a_key_whose_making_broke_off_is_replaced_by_one(name: str) -> None:
    shape = SHAPES[name]
    async with LocalProvider(HOST) as local, AiohttpUpstream(LocalGuard()) as upstream:
        api = KeyAPI(local, shape)
        api.listen()
        access = api.access(upstream)
        async with _keychain(access.networks) as keychain:
            shop, rotated, credential = await _shop(keychain), shape.rotated.name, shape.how.credential
            for secret in (rotated, credential):
                await shop.register_provider(api.providers()[secret])
            first = api.make("by-hand")
            await shop.put_secret(rotated, Secret(shape.key(first)), provider=rotated)
            await shop.put_secret(credential, Secret(api.admin), provider=shape.key_api.name)
            await shop.add_rotation(rotated, shape.how, key_id=first.id)
            api.lost = 1
            await shop.rotate(rotated)
            await _turned(shop, rotated, 2)
            (info,) = await shop.rotations()
        current = next(key for key in info.keys if key.state == "current")
        assert [key.id for key in api.keys] == [first.id, current.id]


async def test_an_access_key_turns_and_the_one_put_by_hand_lives_until_its_grace_is_over(
    aws: AWSServer,
) -> None:
    async with iam_front(aws) as front:
        base = f"https://{HOST}:{front.local.port}"
        async with _keychain({base: front.local.network}) as keychain:
            shop = await _shop(keychain)
            for service in ("iam", "sts"):
                await shop.register_provider(Provider(service, base, AWSCredential("us-east-1", service)))
            first = await front.make()
            await shop.put_secret("sts", Secret(first), provider="sts")
            await shop.put_secret("iam-admin", Secret(front.admin), provider="iam")
            await shop.add_rotation("sts", HOW)
            front.lost = 1
            await shop.rotate("sts")
            await _turned(shop, "sts", 2)
            (info,) = await shop.rotations()
        states = {key.state: key.id for key in info.keys}
        # AWS gives a user two keys at once, and the key says its id itself.
        assert states["retiring"] == first.partition(":")[0]
        assert {*await front.alive()} == {states["retiring"], front.made[states["current"]]}


async def test_a_refresh_token_that_turns_is_put_with_the_access_token() -> None:
    async with LocalProvider(HOST) as local:
        server = TokenServer(local)
        server.listen()
        server.judge.rotates = True
        base = f"https://{HOST}:{local.port}"
        async with _keychain({base: local.network}) as keychain:
            shop = await _shop(keychain)
            await shop.register_provider(Provider("idp", base, BasicCredential()))
            await shop.register_provider(Provider("api", base, OAuth2Credential()))
            for name, secret in secrets().items():
                await shop.put_secret(name, secret, provider="idp")
            await shop.put_secret("api", Secret("a-made-up-first-token"), provider="api")
            await shop.add_rotation("api", HOWS["refresh"])
            for version in (2, 3):
                await shop.rotate("api")
                await _turned(shop, "api", version)
            assert await _versions(shop) == {"api": 3, "idp-client": 1, "idp-refresh": 3}


@asynccontextmanager
async def _calling(keychain: APIKeyChain, path: str) -> AsyncGenerator[list[int], None]:
    """Calls through the gate, one after the other; what each was answered with."""
    statuses: list[int] = []

    async def call_on_and_on(page: httpx.AsyncClient) -> None:
        while True:
            statuses.append((await page.get(path)).status_code)

    transport = httpx.ASGITransport(APIKeyChainMiddleware(Starlette(), keychain=keychain), client=("192.0.2.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="https://gate.example", headers={"origin": APP}) as page:
        calls = asyncio.create_task(call_on_and_on(page))
        yield statuses
        calls.cancel()
        await asyncio.wait([calls])


async def test_no_call_is_refused_while_keys_turn_and_those_before_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "GRACE", timedelta(seconds=0.5))
    shape = SHAPES["plain"]
    async with LocalProvider(HOST) as local, AiohttpUpstream(LocalGuard()) as upstream:
        api = KeyAPI(local, shape)
        api.listen()
        access = api.access(upstream)
        first = api.make("by-hand")
        async with _keychain(access.networks) as keychain:
            shop = await _shop(keychain)
            await shop.configure(
                origins=[APP],
                providers=[api.providers()["plain"]],
                routes=[ProxyRoute("me", provider="plain", path="/me")],
                secrets={"plain": Secret(first.text), "plain-admin": ProviderSecret(Secret(api.admin), "plain")},
                quota="60000/minute",
                address_quota="60000/minute",
                enabled=True,
            )
            await shop.add_rotation("plain", shape.how, key_id=first.id)
            async with _calling(keychain, f"/api/apikeychain/{shop.id}/proxy/me") as statuses, asyncio.timeout(60):
                for version in (2, 3, 4):
                    before = len(statuses)
                    await shop.rotate("plain")
                    await _turned(shop, "plain", version)
                    await until(lambda: len(api.keys) == 1)
                    assert len(statuses) > before
    assert {*statuses} == {200}
    assert [key.number for key in api.keys] == [4]
