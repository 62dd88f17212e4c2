"""Attacks on assets that others wrote down, each tried on a shop. Where their folder is absent there are no tests."""

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apikeychain.rules.asset_tokens import make_token
from outside import cases
from stocked_shelf import SCRIPT, Shop, heard, open_shop

pytestmark = pytest.mark.usefixtures("left")
CASES = cases("asset_cases")
SHA256 = hashlib.sha256(SCRIPT).hexdigest().encode()
Trial = Callable[[Shop], Awaitable[None]]


async def with_token(shop: Shop, token: str, path: str = "js") -> int:
    await shop.gate.shop.configure(asset_tokens=True)
    await heard()
    return (await shop.get(path, b"token=" + token.encode())).status


async def key_of(shop: Shop) -> bytes:
    serving = shop.residence.assets
    assert serving is not None
    (key,) = await serving._token_keys.of(await serving._shelves.load(shop.project), datetime.now(UTC))
    return key


async def token(shop: Shop, left: float, path: str = "js/index.js") -> str:
    return make_token(await key_of(shop), shop.project, path, int(datetime.now(UTC).timestamp() + left))


async def at(shop: Shop, seconds: float) -> int:
    """The status of a token so many seconds after its expiry, by a clock that stands still."""
    expiry = int(datetime.now(UTC).timestamp()) + 60
    serving = shop.residence.assets
    assert serving is not None
    made = make_token(await key_of(shop), shop.project, "js/index.js", expiry)
    serving._now = lambda: datetime.fromtimestamp(expiry + seconds, UTC)
    return await with_token(shop, made)


async def valid(shop: Shop) -> None:
    assert await with_token(shop, await token(shop, 60)) == 200


async def before_its_end(shop: Shop) -> None:
    assert await at(shop, -1) == 200


async def at_its_end(shop: Shop) -> None:
    assert await at(shop, 0) == 403


async def after_its_end(shop: Shop) -> None:
    assert await at(shop, 1) == 403


async def odd_expiries(shop: Shop) -> None:
    mac = (await token(shop, 60)).rpartition(".")[2]
    for expiry in ("1.5", "-1", "1" + "0" * 30, "\uff11\uff12\uff13", "NaN", "+60", " 60", "0x3c", "1e9"):
        assert await with_token(shop, f"v1.{expiry}.{mac}") == 403


async def empty(shop: Shop) -> None:
    for text in ("", ".", "v1..", "v1." + "." + "A" * 43):
        assert await with_token(shop, text) == 403


async def of_another_asset(shop: Shop) -> None:
    assert await with_token(shop, await token(shop, 60, "js/index.js"), "css") == 403


async def after_a_replacement(shop: Shop) -> None:
    made = await token(shop, 60)
    await shop.assets.put("index.js", b"let next;")
    await heard()
    assert await with_token(shop, made) == 200


async def elsewhere(shop: Shop) -> None:
    made = await token(shop, 60)
    await with_token(shop, made)
    assert (await shop.get(f"js/{made}")).status == 403
    assert (await shop.get(f"js/index.js/{made}")).status == 403
    assert (await shop.get("js", b"", (b"authorization", b"Bearer " + made.encode()))).status == 403
    assert (await shop.get("js", b"", (b"token", made.encode()))).status == 403
    assert (await shop.get("js", b"", (b"cookie", b"token=" + made.encode()))).status == 403


async def not_cached_beyond(shop: Shop) -> None:
    await shop.gate.shop.configure(asset_tokens=True)
    await heard()
    for immutable in (False, True):
        path, _, query = (await shop.assets.url("index.js", ttl=timedelta(seconds=9), immutable=immutable)).partition(
            "?"
        )
        answer = await shop.gate.call(path, query.encode())
        told = re.match(rb"private, max-age=([0-9]+)", answer.headers.get(b"cache-control") or b"")
        assert told is not None
        assert int(told[1]) <= 9


async def hash_of_the_identity(shop: Shop) -> None:
    for coding in (b"gzip", b"br", b"identity"):
        answer = await shop.get("js", b"", (b"accept-encoding", coding))
        assert answer.headers.get(b"content-sha256") == SHA256


async def hash_of_a_part(shop: Shop) -> None:
    answer = await shop.get("js", b"", (b"range", b"bytes=1-2"))
    assert (answer.status, answer.headers.get(b"content-sha256")) == (206, SHA256)


async def hash_of_nothing(shop: Shop) -> None:
    etag = (await shop.get("js")).headers.get(b"etag") or b""
    for answer in (await shop.get("js", method="HEAD"), await shop.get("js", b"", (b"if-none-match", etag))):
        assert answer.headers.get(b"content-sha256") == SHA256


async def a_bit_flipped(shop: Shop) -> None:
    shop.store.damage()
    assert (await shop.get("js")).status == 503
    assert shop.residence.assets is not None
    await shop.residence.assets.close()
    (told,) = await shop.told("asset.damaged")
    assert told["content_sha256"].encode() == SHA256


async def hash_of_the_caller(shop: Shop) -> None:
    # Uploads are Python and take none; what a caller sends here is looked at by nobody.
    answer = await shop.get("js", b"", (b"content-sha256", b"0" * 64))
    assert answer.headers.get(b"content-sha256") == SHA256


async def out_of_its_folder(shop: Shop) -> None:
    for path in ("js/../css/index.css", "js/%2e%2e/css", "js/..%2fcss", "js/%252e%252e/a", "../js", "js/..\\css"):
        assert (await shop.get(path)).status == 404


async def a_long_name(shop: Shop) -> None:
    for path in ("js/" + "a" * 5000, "js/" + "a" * 4997 + ".js"):
        assert (await shop.get(path)).status == 404


async def sibling(shop: Shop) -> None:
    for project in (shop.project + "0", shop.project[:-1], shop.project + "a" * 20):
        assert (await shop.get("js", project=project)).status == 404


async def a_listing(shop: Shop) -> None:
    for path in ("", "js/", "css/", "assets"):
        assert (await shop.get(path)).status == 404


async def before_any_upload(shop: Shop) -> None:
    bare = await shop.gate.acme.ensure_project("bare")
    for path in ("js", "css", "assets.json"):
        assert (await shop.get(path, project=bare.id)).status == 404


async def its_type(shop: Shop) -> None:
    await shop.assets.put("page.js", b"<!doctype html><script>alert(1)</script>")
    await heard()
    answer = await shop.get("js/page.js")
    assert answer.headers.get(b"content-type") == b"text/javascript; charset=utf-8"
    assert answer.headers.get(b"x-content-type-options") == b"nosniff"


async def a_worker(shop: Shop) -> None:
    answer = await shop.get("js", b"", (b"service-worker", b"script"), (b"sec-fetch-dest", b"serviceworker"))
    assert (answer.status, answer.headers.get(b"service-worker-allowed")) == (403, None)


async def many_ranges(shop: Shop) -> None:
    answer = await shop.get("js", b"", (b"range", b"bytes=" + b",".join([b"0-"] * 1000)))
    assert (answer.status, answer.body) == (200, SCRIPT)


TRIALS: Mapping[str, Trial] = {
    "asset-token-01": valid,
    "asset-token-03": before_its_end,
    "asset-token-04": at_its_end,
    "asset-token-05": after_its_end,
    "asset-token-09": odd_expiries,
    "asset-token-12": empty,
    "asset-token-14": of_another_asset,
    "asset-token-19": after_a_replacement,
    "asset-token-21": elsewhere,
    "asset-token-23": not_cached_beyond,
    "asset-hash-02": hash_of_the_identity,
    "asset-hash-03": hash_of_a_part,
    "asset-hash-04": hash_of_nothing,
    "asset-hash-05": a_bit_flipped,
    "asset-hash-11": hash_of_the_caller,
    "asset-path-01": out_of_its_folder,
    "asset-path-04": a_long_name,
    "asset-path-06": sibling,
    "asset-path-10": a_listing,
    "asset-path-11": before_any_upload,
    "asset-path-13": its_type,
    "asset-path-15": a_worker,
    "asset-path-17": many_ranges,
}

if CASES:

    @pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
    async def test_what_others_tried(case: dict[str, Any]) -> None:
        async with open_shop() as shop:
            await TRIALS[case["id"]](shop)

    def test_no_trial_is_left_over() -> None:
        assert {case["id"] for case in CASES} == TRIALS.keys()
