"""Tokens of an OAuth 2.0 server: what comes with them, and what a server takes once."""

import base64
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta

import pytest

from apikeychain.backends.upstream_aiohttp import AiohttpUpstream
from apikeychain.errors import BackendUnavailableError, RotationRefusedError
from apikeychain.ports.rotator import Order
from apikeychain.rotation.access import Access
from apikeychain.rotation.oauth2_rotator import OAuth2Rotator
from apikeychain.secret import Secret
from apikeychain.testing.local_provider import LocalProvider
from apikeychain.testing.upstream_scene import LocalGuard
from described_api import HOST, NOW, HeldSecrets
from token_server import CLIENT, CLIENT_SECRET, HOWS, REFRESH, TokenServer, secrets

ORDER = Order(label="apikeychain-p-1")


@pytest.fixture
async def server() -> AsyncGenerator[TokenServer, None]:
    async with LocalProvider(HOST) as local:
        server = TokenServer(local)
        server.listen()
        yield server


@pytest.fixture
async def held() -> dict[str, Secret]:
    return secrets()


@pytest.fixture
async def access(server: TokenServer, held: dict[str, Secret]) -> AsyncGenerator[Access, None]:
    async with AiohttpUpstream(LocalGuard()) as upstream:
        yield server.access(upstream, held)


async def test_a_token_has_an_end_and_the_label_for_an_id(access: Access) -> None:
    made = await OAuth2Rotator(HOWS["basic"], access).create(ORDER)
    assert (made.id, made.expires, made.also) == (ORDER.label, NOW + timedelta(hours=1), {})


async def test_a_clients_secret_is_in_the_form_or_in_the_header_and_not_in_both(
    server: TokenServer, access: Access
) -> None:
    for how in ("basic", "body"):
        await OAuth2Rotator(HOWS[how], access).create(ORDER)
    basic, body = server.local.requests
    assert b"client_secret" not in basic.body
    assert b"authorization" in basic.headers
    assert b"client_secret" in body.body
    assert b"authorization" not in body.headers


async def test_a_refresh_token_that_stays_is_not_put_anew(access: Access) -> None:
    assert (await OAuth2Rotator(HOWS["refresh"], access).create(ORDER)).also == {}


async def test_a_refresh_token_that_turns_comes_with_the_access_token(
    server: TokenServer, access: Access, held: dict[str, Secret]
) -> None:
    server.judge.rotates = True
    rotator = OAuth2Rotator(HOWS["refresh"], access)
    made = await rotator.create(ORDER)
    assert list(made.also) == ["idp-refresh"]
    assert not made.also["idp-refresh"].matches(Secret(REFRESH))
    with pytest.raises(RotationRefusedError, match=r"refused to give a token \(HTTP 400\)"):  # invalid_grant
        await rotator.create(ORDER)
    held |= made.also
    assert (await rotator.create(ORDER)).also.keys() == {"idp-refresh"}


async def test_a_client_that_the_server_does_not_know_is_refused(access: Access, held: dict[str, Secret]) -> None:
    held["idp-client"] = Secret("shop-client:another-secret")
    for how in ("basic", "body"):
        with pytest.raises(RotationRefusedError, match=r"\(HTTP 401\)"):  # invalid_client
            await OAuth2Rotator(HOWS[how], access).create(ORDER)


async def test_a_refresh_token_that_nobody_asked_for_has_no_place(server: TokenServer, access: Access) -> None:
    server.instead = b'{"access_token": "a-made-up-token", "token_type": "bearer", "refresh_token": "a-made-up-one"}'
    made = await OAuth2Rotator(HOWS["basic"], access).create(ORDER)
    assert (made.also, made.expires) == ({}, None)


async def test_an_answer_that_is_no_token_is_not_known(server: TokenServer, access: Access) -> None:
    server.instead = b"<html>"
    with pytest.raises(BackendUnavailableError):
        await OAuth2Rotator(HOWS["basic"], access).create(ORDER)


async def test_a_token_is_believed_where_nothing_tries_it(server: TokenServer, access: Access) -> None:
    await OAuth2Rotator(replace(HOWS["basic"], verify=None), access).verify(Secret("a-made-up-token"))
    assert not server.local.requests


async def test_a_token_is_left_to_its_end(server: TokenServer, access: Access) -> None:
    rotator = OAuth2Rotator(HOWS["basic"], access)
    made = await rotator.create(ORDER)
    await rotator.revoke(made.id)
    await rotator.verify(made.key)
    assert len(server.judge.tokens) == 1


async def test_a_refresh_token_of_another_address_goes_nowhere(server: TokenServer, access: Access) -> None:
    assert isinstance(access.secrets, HeldSecrets)
    there = access.secrets.providers
    moved = replace(there["idp-refresh"], base_url="https://elsewhere.provider.test")
    split = replace(access, secrets=replace(access.secrets, providers={**there, "idp-refresh": moved}))
    with pytest.raises(BackendUnavailableError, match="was changed meanwhile"):
        await OAuth2Rotator(HOWS["refresh"], split).create(ORDER)
    assert not server.local.requests


async def test_a_token_that_holds_the_id_of_its_client_is_taken(server: TokenServer, access: Access) -> None:
    token = "a." + base64.b64encode(f'{{"azp":"{CLIENT}"}}'.encode()).decode().rstrip("=") + ".b"
    server.instead = json.dumps({"access_token": token, "token_type": "bearer"}).encode()
    for how in ("basic", "body"):
        assert (await OAuth2Rotator(HOWS[how], access).create(ORDER)).key.matches(Secret(token))


@pytest.mark.parametrize("how", ["basic", "body"])
async def test_a_clients_secret_that_comes_back_is_no_token(server: TokenServer, access: Access, how: str) -> None:
    server.instead = json.dumps({"access_token": f"x-{CLIENT_SECRET}", "token_type": "bearer"}).encode()
    with pytest.raises(BackendUnavailableError, match="repeats at 'access_token'"):
        await OAuth2Rotator(HOWS[how], access).create(ORDER)
