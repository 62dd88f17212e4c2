"""Assets through the middleware: who gets one, what the answer says, and what is 404."""

import asyncio
import gzip
import hashlib
import json
import logging
from typing import Any

import brotli  # type: ignore[import-untyped]  # the wheel has no types
import pytest

from apikeychain import APIKeyChainSettings
from apikeychain.errors import DoesNotExistError
from apikeychain.model.headers import Line
from gate import APP, Answer, open_gate
from stocked_shelf import SCRIPT, STYLE, heard, open_shop

pytestmark = pytest.mark.usefixtures("left")

ORIGIN: Line = (b"origin", APP.encode())
EVIL: Line = (b"origin", b"https://evil.example")
SHA256 = hashlib.sha256(SCRIPT).hexdigest().encode()


def cors_lines(answer: Answer) -> list[bytes]:
    return [name for name, _ in answer.headers if name.startswith(b"access-control-")]


async def test_a_plain_tag_gets_the_script_and_all_that_is_said_of_it() -> None:  # contracts 9
    async with open_shop() as shop:
        for path in ("js", "js/index.js"):
            answer = await shop.get(path, b"", (b"sec-fetch-dest", b"script"), (b"sec-fetch-mode", b"no-cors"))
            assert (answer.status, answer.body, answer.ended) == (200, SCRIPT, True)
            assert answer.headers.get(b"content-type") == b"text/javascript; charset=utf-8"
            assert answer.headers.get(b"content-sha256") == SHA256
            assert answer.headers.get(b"cache-control") == b"public, no-cache"
            assert answer.headers.get(b"vary") == b"Accept-Encoding, Origin"
            assert answer.headers.get(b"cross-origin-resource-policy") == b"cross-origin"
            assert answer.headers.get(b"x-content-type-options") == b"nosniff"
            assert answer.headers.get(b"referrer-policy") == b"no-referrer"
            assert answer.headers.get(b"strict-transport-security") == b"max-age=31536000"
            assert (answer.headers.get(b"content-security-policy") or b"").endswith(b"sandbox")
            assert not cors_lines(answer)
            assert not {b"set-cookie", b"last-modified"} & answer.headers.first.keys()
            assert answer.headers.are_unique
        style = await shop.get("css")
        assert (style.status, style.body) == (200, STYLE)
        assert style.headers.get(b"content-type") == b"text/css; charset=utf-8"


@pytest.mark.parametrize(("coding", "decoded"), [(b"gzip", gzip.decompress), (b"br", brotli.decompress)])
async def test_the_hash_is_that_of_the_body_itself_in_every_coding(coding: bytes, decoded: Any) -> None:
    async with open_shop() as shop:
        for _ in range(2):
            answer = await shop.get("js", b"", (b"accept-encoding", coding))
            assert answer.headers.get(b"content-encoding") == coding
            assert decoded(answer.body) == SCRIPT
            assert answer.headers.get(b"content-sha256") == SHA256


async def test_head_range_and_what_the_caller_has() -> None:
    async with open_shop() as shop:
        whole = await shop.get("js")
        etag = whole.headers.get(b"etag") or b""
        head = await shop.get("js", method="HEAD")
        assert (head.status, head.body) == (200, b"")
        assert head.headers == whole.headers
        part = await shop.get("js", b"", (b"range", b"bytes=7-11"), (b"if-range", etag))
        assert (part.status, part.body) == (206, SCRIPT[7:12])
        assert part.headers.get(b"content-sha256") == SHA256
        for _ in range(2):
            same = await shop.get("js", b"", ORIGIN, (b"if-none-match", etag))
            assert (same.status, same.body) == (304, b"")
            assert same.headers.get(b"content-sha256") == SHA256
            assert same.headers.get(b"access-control-allow-origin") == APP.encode()


async def test_a_page_of_the_list_may_read_it_and_another_gets_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with open_shop() as shop:
        for _ in range(2):
            answer = await shop.get("js", b"", ORIGIN)
            assert answer.status == 200
            assert answer.headers.get(b"access-control-allow-origin") == APP.encode()
            assert answer.headers.get(b"access-control-allow-credentials") == b"true"
            exposed = answer.headers.get(b"access-control-expose-headers") or b""
            assert {b"ETag", b"Content-SHA256", b"Repr-Digest", b"X-APIKeyChain-Error"} <= {*exposed.split(b", ")}
        for origin in (EVIL, (b"origin", b"null"), (b"origin", APP.encode() + b"/"), (b"origin", b"")):
            refused = await shop.get("js", b"", origin)
            assert (refused.status, refused.code) == (403, "origin-refused")
            assert not cors_lines(refused)
            assert refused.headers.get(b"cross-origin-resource-policy") == b"cross-origin"
        assert "https://evil.example is not on the list" in caplog.text
        (told,) = await shop.told("refusals")
        assert (told["code"], told["count"]) == ("origin-refused", 4)


async def test_a_preflight_may_ask_for_a_part_and_for_nothing_else() -> None:
    async with open_shop() as shop:
        asks = (b"access-control-request-method", b"GET")
        answer = await shop.get("js/none.js", b"", ORIGIN, asks, method="OPTIONS")
        assert (answer.status, answer.body) == (204, b"")
        assert answer.headers.get(b"access-control-allow-origin") == APP.encode()
        assert answer.headers.get(b"access-control-allow-methods") == b"GET, HEAD, OPTIONS"
        assert answer.headers.get(b"access-control-allow-headers") == b"Range"
        names = b"access-control-request-headers"
        assert (await shop.get("js", b"", ORIGIN, asks, (names, b"range"), method="OPTIONS")).status == 204
        for name in (b"content-type", b"x-iso-user", b"authorization", b"x-signature"):
            refused = await shop.get("js", b"", ORIGIN, asks, (names, name), method="OPTIONS")
            assert (refused.status, refused.code) == (403, "preflight-refused")
        posts = (b"access-control-request-method", b"POST")
        assert (await shop.get("js", b"", ORIGIN, posts, method="OPTIONS")).code == "preflight-refused"
        assert (await shop.get("js", b"", EVIL, asks, method="OPTIONS")).code == "origin-refused"


@pytest.mark.parametrize(
    "path",
    [
        *("js/", "css/", "assets.json/", "assets.json/a", "js/none.js", "css/index.js", "js/index.css", "js/index.js/"),
        *("js/../js/index.js", "js/%2e%2e/js/index.js", "js/%69ndex.js", "js//index.js", "js/index.js%00", "js/."),
        *("js/INDEX.js", "js/index.js;a", "js/index%2ejs", "js/" + "a" * 5000 + ".js", "js/a%2fb", "js/a%5cb"),
        *("", "assets", "JS", "js.map", "asset.json", "index.js", "js%2findex.js", "js\\index.js"),
    ],
)
async def test_everything_else_is_not_found(path: str) -> None:  # contracts 1
    async with open_shop() as shop:
        assert ((await shop.get("js")).status, (await shop.get("css")).status) == (200, 200)
        answer = await shop.get(path)
        assert (answer.status, answer.code) == (404, "not-found")


async def test_unknown_and_off_and_removed_are_one_answer() -> None:
    async with open_shop() as shop:
        other = await shop.gate.acme.ensure_project("other")
        rival = await (await shop.gate.keychain.ensure_tenant("rival")).ensure_project("shop")
        await rival.configure(assets=True)
        answers = [
            await shop.get("js", project=project)
            for project in ("p_" + "a" * 20, "p_x", shop.project[:-1], shop.project + "0", other.id, rival.id)
        ]
        await shop.assets.remove("index.js")
        await heard()
        answers.append(await shop.get("js"))
        await shop.assets.disable()
        await heard()
        answers += [await shop.get("css"), await shop.get("assets.json")]
        assert {(one.status, one.body, one.headers) for one in answers} == {
            (404, answers[0].body, answers[0].headers),
        }


async def test_the_proxy_and_the_assets_have_a_switch_each() -> None:
    async with open_shop() as shop:
        await shop.gate.shop.disable()
        await heard()
        assert (await shop.get("js")).status == 200
        assert (await shop.gate.get()).status == 404
        await shop.gate.shop.enable()
        await shop.assets.disable()
        await heard()
        assert (await shop.get("js")).status == 404
        assert (await shop.gate.get()).status == 200


async def test_what_is_put_next_is_served_next_and_the_one_before_by_its_hash() -> None:
    async with open_shop() as shop:
        first = await shop.get("js")
        await shop.assets.put("index.js", b"let next;")
        await heard()
        answer = await shop.get("js", b"", (b"if-none-match", first.headers.get(b"etag") or b""))
        assert (answer.status, answer.body) == (200, b"let next;")
        for _ in range(2):
            before = await shop.get("js", b"sha256=" + SHA256)
            assert (before.status, before.body) == (200, SCRIPT)
            assert before.headers.get(b"cache-control") == b"public, max-age=31536000, immutable"
        assert (await shop.get("css", b"sha256=" + SHA256)).status == 404
        assert (await shop.get("js", b"sha256=" + b"0" * 64)).status == 404
        await shop.assets.remove("index.js")
        await heard()
        assert (await shop.get("js", b"sha256=" + SHA256)).status == 404


async def test_the_manifest_says_what_there_is() -> None:
    async with open_shop() as shop:
        answer = await shop.get("assets.json", b"", ORIGIN, (b"sec-fetch-dest", b"json"))
        assert answer.status == 200
        assert json.loads(answer.body) == await shop.assets.manifest()
        assert answer.headers.get(b"content-type") == b"application/json"
        assert answer.headers.get(b"cache-control") == b"public, no-cache"
        assert answer.headers.get(b"content-sha256") == hashlib.sha256(answer.body).hexdigest().encode()
        assert answer.headers.get(b"access-control-allow-origin") == APP.encode()
        etag = (b"if-none-match", answer.headers.get(b"etag") or b"")
        assert (await shop.get("assets.json", b"", etag)).status == 304
        assert (await shop.get("assets.json", b"", (b"sec-fetch-dest", b"script"))).code == "destination-refused"
        assert (await shop.get("assets.json", b"sha256=" + SHA256)).code == "parameter-refused"
        for entry in json.loads(answer.body)["assets"].values():
            for url in (entry["url"], entry["immutable_url"]):
                path, _, query = url.partition("?")
                asked = await shop.gate.call(path, query.encode())
                assert hashlib.sha256(asked.body).hexdigest() == entry["content_sha256"]
        await shop.assets.put("a.css", STYLE)
        await heard()
        assert (await shop.get("assets.json", b"", etag)).status == 200


@pytest.mark.parametrize(
    ("lines", "method", "query", "code"),
    [
        ([(b"sec-fetch-dest", b"document")], "GET", b"", "destination-refused"),
        ([(b"sec-fetch-mode", b"navigate")], "GET", b"", "destination-refused"),
        ([(b"service-worker", b"script")], "GET", b"", "destination-refused"),
        ([(b"x-signature", b"v1=0")], "GET", b"", "signature-refused"),
        ([(b"x_signature", b"v1=0")], "GET", b"", "header-refused"),
        ([ORIGIN, ORIGIN], "GET", b"", "header-refused"),
        ([(b"sec-fetch-dest", b"script"), (b"sec_fetch_dest", b"document")], "GET", b"", "header-refused"),
        ([(b"content-length", b"1"), (b"transfer-encoding", b"chunked")], "GET", b"", "header-refused"),
        ([], "POST", b"", "method-refused"),
        ([], "DELETE", b"", "method-refused"),
        ([], "OPTIONS", b"", "method-refused"),
        ([], "GET", b"v=1", "parameter-refused"),
        ([], "GET", b"token=a&token=a", "token-refused"),
    ],
)
async def test_what_is_not_as_it_should_be_is_refused(lines: list[Line], method: str, query: bytes, code: str) -> None:
    async with open_shop() as shop:
        for _ in range(2):
            answer = await shop.get("js", query, *lines, method=method)
            assert answer.code == code
            assert answer.headers.get(b"content-sha256") is None
            assert answer.headers.get(b"cross-origin-resource-policy") == b"cross-origin"
            assert answer.headers.get(b"allow") == (b"GET, HEAD" if code == "method-refused" else None)
            if code == "parameter-refused":
                assert answer.problem["parameter"] == "v"
            assert (await shop.get("js")).status == 200


async def test_only_https_is_served_outside_development() -> None:
    async with open_shop() as shop:
        for _ in range(2):
            assert (await shop.get("js", scheme="http")).code == "https-required"
            assert (await shop.get("js")).status == 200
    async with open_shop(settings=APIKeyChainSettings(development=True)) as shop:
        answer = await shop.get("js", scheme="http")
        assert answer.status == 200
        assert answer.headers.get(b"strict-transport-security") is None
        assert "--development" not in (await shop.get("js", b"", EVIL)).problem["hint"]


async def test_where_a_host_is_named_it_alone_serves_assets_and_the_proxy_stays_everywhere() -> None:
    async with open_shop(settings=APIKeyChainSettings(asset_host="assets.example.com:8443")) as shop:
        there = [(b"host", b"Assets.Example.com:8443")]
        for _ in range(2):
            assert (await shop.get("js", headers=there)).body == SCRIPT
            assert (await shop.get("js")).status == 404
            assert (await shop.get("js", headers=[(b"host", b"assets.example.com")])).status == 404
        assert (await shop.gate.get()).status == 200


@pytest.mark.parametrize(
    ("asked", "status"),
    [("assets.example.com", 200), ("Assets.example.com:443", 200), ("assets.example.com:8443", 404)],
)
async def test_the_usual_port_of_a_host_can_be_said_or_left_out(asked: str, status: int) -> None:
    async with open_shop(settings=APIKeyChainSettings(asset_host="assets.example.com")) as shop:
        assert (await shop.get("js", headers=[(b"host", asked.encode())])).status == status


async def test_a_keychain_that_keeps_no_assets_has_none() -> None:
    async with open_gate() as gate:
        for path in ("js", "css", "js/index.js", "assets.json"):
            assert (await gate.call(f"/api/apikeychain/{gate.shop.id}/{path}")).status == 404


async def test_a_suspended_project_serves_its_assets_on() -> None:
    async with open_shop() as shop:
        await shop.gate.shop.suspend(reason="a trial")
        await heard()
        assert (await shop.gate.get()).code == "suspended"
        assert (await shop.get("js")).status == 200


async def test_assets_spend_no_quota_and_leave_no_entry() -> None:
    async with open_shop(quota="1/minute") as shop:
        for _ in range(5):
            assert (await shop.get("js")).status == 200
        assert (await shop.gate.get()).status == 200
        assert len(await shop.told("call")) == 1


async def test_a_large_asset_is_sent_whole_by_the_longer_way(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with open_shop() as shop:
        large = b"/* \xc3\xa9 */" * 10_000
        await shop.assets.put("large.css", large)
        await heard()
        for _ in range(2):
            assert (await shop.get("css/large.css")).body == large
        with pytest.raises(DoesNotExistError):
            await shop.assets.show("none.css")
        await asyncio.sleep(0)
