"""Where a project says so every request for an asset needs a token, and its answer is for one caller alone."""

import re
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import pytest

from apikeychain.errors import BackendUnavailableError, SealedValueError
from apikeychain.model.asset import AssetTokenKey
from apikeychain.model.ids import TenantId
from apikeychain.rules.asset_tokens import make_token
from apikeychain.tenants.change import project_change
from apikeychain.vault import contexts
from gate import APP, Answer
from stocked_shelf import SCRIPT, Shop, heard, open_shop

pytestmark = pytest.mark.usefixtures("left")


@pytest.fixture
async def shop() -> AsyncGenerator[Shop, None]:
    async with open_shop(asset_tokens=True) as shop:
        yield shop


async def ask(shop: Shop, url: str) -> Answer:
    path, _, query = url.partition("?")
    return await shop.gate.call(path, query.encode())


async def token_key(shop: Shop) -> bytes:
    residence = shop.residence
    assert residence.assets is not None
    shelf = residence.assets._shelves.fresh(shop.project)
    assert shelf is not None
    (key,) = await residence.assets._token_keys.of(shelf, datetime.now(UTC))
    return key


async def test_a_good_token_is_served_to_its_caller_alone(shop: Shop) -> None:
    for _ in range(2):
        answer = await ask(shop, await shop.assets.url("index.js", ttl=timedelta(minutes=1)))
        assert (answer.status, answer.body) == (200, SCRIPT)
        assert answer.headers.get(b"cache-control") == b"private, max-age=0, must-revalidate"
        named = await ask(shop, await shop.assets.url("index.js", ttl=timedelta(minutes=1), immutable=True))
        told = re.fullmatch(rb"private, max-age=([0-9]+), immutable", named.headers.get(b"cache-control") or b"")
        assert told is not None
        assert 50 < int(told[1]) <= 60
    assert (await ask(shop, await shop.assets.url("assets.json", ttl=timedelta(minutes=1)))).status == 200


async def test_without_a_good_one_nothing_is_told_not_even_what_there_is(shop: Shop) -> None:
    path = f"/api/apikeychain/{shop.project}/js/index.js"
    await ask(shop, await shop.assets.url("index.js", ttl=timedelta(minutes=1)))
    key, now = await token_key(shop), int(datetime.now(UTC).timestamp())
    good = make_token(key, shop.project, "js/index.js", now + 60)
    assert (await ask(shop, f"{path}?token={good}")).status == 200
    other = await shop.gate.acme.ensure_project("other")
    bad = [
        *("", "v1", "v1..", "v1.60." + "A" * 43, good[:-1], good + "=", good.upper(), "v2" + good[2:], good + "%20"),
        make_token(key, shop.project, "css/index.css", now + 60),
        make_token(key, other.id, "js/index.js", now + 60),
        make_token(b"another key", shop.project, "js/index.js", now + 60),
        make_token(key, shop.project, "js/index.js", now - 1),
        make_token(key, shop.project, "js/index.js", now + 25 * 3600),
    ]
    answers = [await ask(shop, f"{path}?token={token}") for token in bad]
    answers += [await ask(shop, path), await ask(shop, f"{path}?token={good}&token={good}")]
    answers += [await ask(shop, f"/api/apikeychain/{shop.project}/js/none.js?token={good}")]
    assert {(one.status, one.code, one.body) for one in answers} == {(403, "token-refused", answers[0].body)}
    ghost = make_token(key, shop.project, "js/none.js", now + 60)
    assert (await ask(shop, f"/api/apikeychain/{shop.project}/js/none.js?token={ghost}")).status == 404
    (told,) = await shop.told("refusals")
    assert (told["code"], told["count"]) == ("token-refused", len(answers))


async def test_a_token_outlives_a_new_version_and_the_key_that_made_it(shop: Shop) -> None:
    url = await shop.assets.url("index.js", ttl=timedelta(hours=1))
    await shop.assets.put("index.js", b"let next;")
    await heard()
    assert (await ask(shop, url)).body == b"let next;"
    await shop.gate.shop.turn_key()
    await heard()
    for _ in range(2):
        assert (await ask(shop, url)).body == b"let next;"
        assert (await ask(shop, await shop.assets.url("index.js", ttl=timedelta(hours=1)))).status == 200


async def old_key(shop: Shop, **fields: object) -> None:
    """Change what is kept of the key before."""
    async with project_change(shop.residence.office, TenantId("acme"), shop.project, "tester") as change:
        (stored,) = await change.store.list(AssetTokenKey, (shop.project,), 9)
        await change.store_changed(stored, **fields)
        change.note("project.changed")
    await heard()


async def test_an_old_key_counts_until_its_time_is_over(shop: Shop) -> None:
    url = await shop.assets.url("index.js", ttl=timedelta(hours=1))
    await shop.gate.shop.turn_key()
    await heard()
    await old_key(shop, until=datetime.now(UTC) - timedelta(seconds=1))
    assert (await ask(shop, url)).code == "token-refused"


async def test_an_old_key_that_does_not_open_makes_no_other_token_bad(shop: Shop) -> None:
    url = await shop.assets.url("index.js", ttl=timedelta(hours=1))
    await shop.gate.shop.turn_key()
    await heard()
    await old_key(shop, sealed=b"AK")
    assert (await ask(shop, url)).code == "token-refused"
    assert (await ask(shop, await shop.assets.url("index.js", ttl=timedelta(hours=1)))).status == 200


async def test_a_key_that_cannot_be_opened_closes_the_door(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    url = await shop.assets.url("index.js", ttl=timedelta(hours=1))
    vault = shop.residence.office.vault
    for fault, code in ((SealedValueError(), "secret-unavailable"), (BackendUnavailableError(), "backend-unavailable")):

        async def fails(*_: object, raised: Exception = fault, **__: object) -> bytes:
            raise raised

        vault.forget(None)
        with monkeypatch.context() as patched:
            patched.setattr(vault, "own_key", fails)
            answer = await ask(shop, url)
            assert (answer.status, answer.code) == (503, code)
    assert (await ask(shop, url)).status == 200


async def test_a_project_without_a_key_has_no_good_token() -> None:
    async with open_shop() as shop:
        bare = await shop.gate.acme.ensure_project("bare")
        await bare.configure(origins=[APP], assets=True, asset_tokens=True)
        await heard()
        token = make_token(b"k", bare.id, "js/index.js", int(datetime.now(UTC).timestamp()) + 60)
        answer = await shop.get("js", b"token=" + token.encode(), project=bare.id)
        assert (answer.status, answer.code) == (403, "token-refused")


async def test_where_tokens_are_off_one_changes_nothing() -> None:
    async with open_shop() as shop:
        for _ in range(2):
            answer = await shop.get("js", b"token=v1.1.wrong")
            assert (answer.status, answer.headers.get(b"cache-control")) == (200, b"public, no-cache")


def test_the_key_of_tokens_is_not_the_one_that_seals() -> None:
    project = "p_" + "a" * 20
    assert contexts.of_asset_token_key(TenantId("acme"), project).purpose == "asset-token"  # type: ignore[arg-type]  # as parsed
