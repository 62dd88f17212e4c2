"""Keys over HTTP: what is made of a creation of which nobody knows what came."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from apikeychain.backends.upstream_aiohttp import AiohttpUpstream
from apikeychain.errors import BackendUnavailableError, RotationRefusedError
from apikeychain.model.rotators import HTTPRotation
from apikeychain.ports.rotator import Order
from apikeychain.rotation.http_rotator import HTTPRotator
from apikeychain.secret import Secret
from apikeychain.testing.local_provider import LocalProvider, Visit
from apikeychain.testing.upstream_scene import LocalGuard
from described_api import HOST, PLAIN_ROTATION, SHAPES, HeldSecrets, KeyAPI

LABEL = "apikeychain-p-1"
FIRST, AGAIN = Order(label=LABEL), Order(label=LABEL, again=True)
BLIND = replace(PLAIN_ROTATION, search=None)
IDEMPOTENT = replace(PLAIN_ROTATION, idempotency="Idempotency-Key")


@asynccontextmanager
async def made_by(how: HTTPRotation, shape: str = "plain") -> AsyncGenerator[tuple[KeyAPI, HTTPRotator]]:
    async with LocalProvider(HOST) as local, AiohttpUpstream(LocalGuard()) as upstream:
        api = KeyAPI(local, SHAPES[shape])
        api.takes_idempotency = how.idempotency.lower()
        api.listen()
        yield api, HTTPRotator(how, api.access(upstream))


def _held(api: KeyAPI) -> HeldSecrets:
    return HeldSecrets({api.shape.how.credential: Secret(api.admin)}, api.providers())


def _asked(api: KeyAPI) -> list[str]:
    return [f"{received.method} {received.target.decode()}" for received in api.local.requests]


async def test_the_first_order_makes_a_key_and_looks_for_none() -> None:
    async with made_by(PLAIN_ROTATION) as (api, rotator):
        made = await rotator.create(FIRST)
    assert _asked(api) == ["POST /v1/keys"]
    assert [(key.id, key.label) for key in api.keys] == [(made.id, LABEL)]


async def test_an_order_that_comes_again_ends_what_has_its_label_and_nothing_else() -> None:
    async with made_by(PLAIN_ROTATION) as (api, rotator):
        other, known, lost = api.make("apikeychain-p-2"), api.make(LABEL), api.make(LABEL)
        made = await rotator.create(replace(AGAIN, known=(known.id,)))
    assert {key.id for key in api.keys} == {other.id, known.id, made.id}
    assert lost.id not in {key.id for key in api.keys}
    assert made.orphans == ()


async def test_a_key_that_is_made_late_is_ended_too() -> None:
    async with made_by(PLAIN_ROTATION) as (api, rotator):
        api.late = LABEL
        made = await rotator.create(AGAIN)
    assert [key.id for key in api.keys] == [made.id]
    assert made.orphans == ()


async def test_without_a_search_the_label_is_named() -> None:
    async with made_by(BLIND) as (api, rotator):
        lost = api.make(LABEL)
        made = await rotator.create(AGAIN)
        assert made.orphans == (LABEL,)
        api.status = 403
        with pytest.raises(RotationRefusedError) as refused:
            await rotator.create(AGAIN)
    assert refused.value.orphans == (LABEL,)
    assert {key.id for key in api.keys} == {lost.id, made.id}


@pytest.mark.parametrize("how", [IDEMPOTENT, replace(IDEMPOTENT, search=None)], ids=["search", "blind"])
async def test_a_provider_that_knows_idempotency_keys_gives_the_same_key_again(how: HTTPRotation) -> None:
    async with made_by(how) as (api, rotator):
        api.lost = 1
        with pytest.raises(BackendUnavailableError):
            await rotator.create(FIRST)
        made = await rotator.create(AGAIN)
    assert [key.id for key in api.keys] == [made.id]
    assert made.orphans == ()
    posts = [received for received in api.local.requests if received.method == "POST"]
    assert [received.headers.get(b"idempotency-key") for received in posts] == [LABEL.encode()] * 2


async def test_a_provider_that_forgot_the_idempotency_key_makes_another_and_the_first_is_ended() -> None:
    async with made_by(IDEMPOTENT) as (api, rotator):
        api.lost = 1
        with pytest.raises(BackendUnavailableError):
            await rotator.create(FIRST)
        api._given.clear()
        made = await rotator.create(AGAIN)
    assert [key.id for key in api.keys] == [made.id]


async def test_an_idempotent_order_that_is_refused_names_what_may_live() -> None:
    async with made_by(replace(IDEMPOTENT, search=None)) as (api, rotator):
        api.status = 403
        with pytest.raises(RotationRefusedError) as refused:
            await rotator.create(AGAIN)
    assert refused.value.orphans == (LABEL,)


async def test_what_cannot_be_ended_is_named_by_its_id() -> None:
    async with made_by(PLAIN_ROTATION) as (api, rotator):
        lost = api.make(LABEL)
        api.refused = {"DELETE"}
        made = await rotator.create(AGAIN)
    assert made.orphans == (lost.id,)


async def test_where_listing_is_refused_the_label_is_named() -> None:
    async with made_by(PLAIN_ROTATION) as (api, rotator):
        api.make(LABEL)
        api.refused = {"GET"}
        made = await rotator.create(AGAIN)
    assert made.orphans == (LABEL,)


async def test_nothing_is_made_while_it_is_not_known_what_lives() -> None:
    async with made_by(PLAIN_ROTATION) as (api, rotator):
        api.answers["GET /v1/keys"] = (500, b"")
        with pytest.raises(BackendUnavailableError):
            await rotator.create(AGAIN)
    assert _asked(api) == ["GET /v1/keys"]


async def test_a_key_is_not_lost_because_the_second_search_fails() -> None:
    async with made_by(IDEMPOTENT) as (api, rotator):
        api.answers["GET /v1/keys"] = (500, b"")
        made = await rotator.create(AGAIN)
    assert [key.id for key in api.keys] == [made.id]
    assert made.orphans == (LABEL,)


@pytest.mark.parametrize("shape", ["openai", "cloudflare"])
async def test_a_label_is_found_on_every_page(shape: str) -> None:
    async with made_by(SHAPES[shape].how, shape) as (api, rotator):
        for number in range(5):
            api.make(f"other-{number}")
        api.make(LABEL)
        made = await rotator.create(AGAIN)
    assert [key.id for key in api.keys if key.label == LABEL] == [made.id]
    assert made.orphans == ()


async def test_pages_without_end_are_not_read_to_the_end() -> None:
    async with made_by(SHAPES["cloudflare"].how, "cloudflare") as (api, rotator):
        for number in range(120):
            api.make(f"other-{number}")
        made = await rotator.create(AGAIN)
    assert made.orphans == (LABEL,)
    assert sum(asked.startswith("GET") for asked in _asked(api)) == 100


async def test_a_page_that_comes_again_is_the_last() -> None:
    search = replace(SHAPES["plain"].how.search, page="page")  # type: ignore[type-var]  # it has one
    async with made_by(replace(PLAIN_ROTATION, search=search)) as (api, rotator):
        api.answers["GET /v1/keys"] = (200, b'[{"id": "K1", "name": "other"}]')
        await rotator.create(AGAIN)
    assert [asked for asked in _asked(api) if "=2" in asked] == ["GET /v1/keys?page=2"] * 2
    assert not [asked for asked in _asked(api) if "=3" in asked]


@pytest.mark.parametrize(
    "body",
    [b"", b"no json", b"[]", b'{"id": "K1"}', b'{"secret": "a-made-up-key"}', b'{"id": "K1", "secret": "short"}'],
)
async def test_a_key_that_cannot_be_read_is_made_once_and_named(body: bytes) -> None:
    async with made_by(BLIND) as (api, rotator):
        api.answers["POST /v1/keys"] = (201, body)
        with pytest.raises(RotationRefusedError) as error:
            await rotator.create(FIRST)
    assert "K1" not in str(error.value)
    assert error.value.orphans == (LABEL,)
    assert _asked(api) == ["POST /v1/keys"]


async def test_a_key_that_cannot_be_read_is_ended_where_it_is_found() -> None:
    async with made_by(replace(PLAIN_ROTATION, key="elsewhere")) as (api, rotator):
        for order in (FIRST, AGAIN):
            with pytest.raises(RotationRefusedError, match="no text at 'elsewhere'") as error:
                await rotator.create(order)
            assert error.value.orphans == ()
    assert api.keys == []


@pytest.mark.parametrize(("key", "key_id"), [("headers.x-key", "id"), ("key", "headers.x-key")], ids=["key", "id"])
async def test_a_credential_that_comes_back_is_neither_key_nor_id(key: str, key_id: str) -> None:
    how = replace(BLIND, key=key, id=key_id)
    async with made_by(how) as (api, rotator):

        async def echo(visit: Visit) -> None:
            await visit.read_all()
            sent = {name.decode().lower(): value.decode() for name, value in visit.received.lines}
            told = {"id": "K1", "key": "a-made-up-key", "headers": sent}
            await visit.answer(200, body=json.dumps(told).encode())

        api.local.on("/v1/keys", echo)
        with pytest.raises(RotationRefusedError, match=r"repeats at 'headers[.]x-key' what it was") as error:
            await rotator.create(FIRST)
    assert error.value.orphans == (LABEL,)
    assert api.admin not in str(error.value)


async def test_a_credential_that_comes_back_is_no_id_in_a_list() -> None:
    async with made_by(PLAIN_ROTATION) as (api, rotator):
        api.answers["GET /v1/keys"] = (200, json.dumps([{"id": api.admin, "name": LABEL}]).encode())
        with pytest.raises(BackendUnavailableError, match="repeats at 'id'"):
            await rotator.create(AGAIN)
    assert _asked(api) == ["GET /v1/keys"]


async def test_a_list_may_hold_the_credential_itself() -> None:
    async with made_by(SHAPES["twilio"].how, "twilio") as (api, rotator):
        lost = api.make(LABEL)
        api.admin = "SK-of-the-admin:a-made-up-secret-part"
        own = {"sid": "SK-of-the-admin", "friendly_name": "by-hand"}
        listed = {"keys": [own, {"sid": lost.id, "friendly_name": LABEL}]}
        api.answers["GET /v1/Keys"] = (200, json.dumps(listed).encode())
        made = await HTTPRotator(rotator._how, replace(rotator._access, secrets=_held(api))).create(AGAIN)
    assert lost.id not in {key.id for key in api.keys}
    assert made.orphans == ()


@pytest.mark.parametrize("status", [404, 410])
async def test_a_key_api_that_is_not_there_refuses(status: int) -> None:
    async with made_by(PLAIN_ROTATION) as (api, rotator):
        api.answers["POST /v1/keys"] = (status, b"")
        with pytest.raises(RotationRefusedError, match=f"HTTP {status}"):
            await rotator.create(FIRST)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
async def test_a_provider_that_has_no_time_is_asked_again_later(status: int) -> None:
    async with made_by(PLAIN_ROTATION) as (api, rotator):
        key = api.make(LABEL)
        api.status = status
        for deed in (rotator.create(FIRST), rotator.revoke(key.id)):
            with pytest.raises(BackendUnavailableError, match=f"HTTP {status}"):
                await deed


@pytest.mark.parametrize("status", [404, 410])
async def test_a_key_that_is_gone_is_ended(status: int) -> None:
    async with made_by(PLAIN_ROTATION) as (api, rotator):
        key = api.make(LABEL)
        api.answers[f"DELETE /v1/keys/{key.id}"] = (status, b"")
        await rotator.revoke(key.id)
    assert _asked(api) == [f"DELETE /v1/keys/{key.id}"]
