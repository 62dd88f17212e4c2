"""The JavaScript of the package in real Node, and what it does where it takes itself to be in a browser."""

import asyncio
import time
from typing import Any

import pytest

import node
from apikeychain.client import JAVASCRIPT
from apikeychain.errors import SignatureRefusedError
from overheard import Overheard, overheard
from signature_vectors import require_signed

KEY = "aks_" + "k" * 43
SESSION = "s1.k_2345.99999999999.dXNlci00Mg"  # of user-42
PATH = "/api/apikeychain/p_abcdefghijklmnopqrst/proxy/pay"
# Node without what tells Node apart, and with what tells a browser.
_BROWSER = """
import * as module from {module};
const given = JSON.parse(process.argv[1]);
for (const name of ["window", "document"]) globalThis[name] = {{}};
delete globalThis.process;
const told = await (async () => {{ {program} }})();
console.log(JSON.stringify(told));
"""
_SIGN = """
  try {
    return await module.sign({ key: await module.importKey(given.key), ...given.request });
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
"""
_FETCH = """
  const key = await module.importKey(given.key);
  await module.signedFetch(given.url, given.init, { keyId: "k_2345", key, ...given.signer });
  return true;
"""


def signed(key: str = KEY, **request: Any) -> Any:
    given = {"keyId": "k_2345", "url": f"https://host.example{PATH}"} | request
    return node.run(_SIGN, {"key": key, "request": given})


def in_browser(key: str, **request: Any) -> Any:
    given = {"key": key, "request": {"url": f"https://host.example{PATH}"} | request}
    return node.run(_SIGN, given, frame=_BROWSER)


def test_where_node_is_missing_the_test_says_how_to_install_it() -> None:
    with pytest.raises(pytest.fail.Exception, match="apt-get install -y nodejs"):
        node.require(None)


def test_the_key_cannot_be_read_back() -> None:
    program = """
      const key = await module.importKey(given);
      const exported = await crypto.subtle.exportKey("raw", key).catch((error) => error.name);
      return [key.extractable, exported.startsWith("InvalidAccess"), JSON.stringify(key)];
    """
    assert node.run(program, KEY) == [False, True, "{}"]


def test_time_and_nonce_are_fresh_unless_they_are_given() -> None:
    one, other = signed(), signed()
    assert len(one["x-nonce"]) == 24
    assert one["x-nonce"] != other["x-nonce"]
    assert abs(int(one["x-timestamp"]) - time.time()) < 60


async def _fetched(init: dict[str, Any], *, query: str = "", program: str = _FETCH, **signer: Any) -> Overheard:
    async with overheard() as heard:
        given = {"key": KEY, "url": f"{heard.address}{PATH}{query}", "init": init, "signer": signer}
        assert await asyncio.to_thread(node.run, program, given) is True
    return heard


@pytest.mark.parametrize(
    ("init", "query", "body"),
    [
        ({}, "", b""),
        ({}, "?q=São Paulo&x=%2f+'\"<>", b""),
        ({"method": "post", "body": "alíce"}, "", "alíce".encode()),
        ({"method": "POST", "body": "{}", "headers": {"content-type": "application/json"}}, "/a b/ß", b"{}"),
    ],
)
async def test_what_fetch_sends_is_what_was_signed(init: dict[str, Any], query: str, body: bytes) -> None:
    heard = await _fetched(init, query=query)
    call, sent = heard.call()
    assert sent == body
    require_signed(call, KEY, sent, at=time.time())
    with pytest.raises(SignatureRefusedError):
        require_signed(call, KEY + "x", sent, at=time.time())


@pytest.mark.parametrize(
    "body",
    [
        "new URLSearchParams({ a: 'b c' })",
        "Uint8Array.from([0, 255, 10])",
        "new Blob(['x'], { type: 'text/x' })",
        "(() => { const form = new FormData(); form.set('a', 'b'); return form; })()",
    ],
)
async def test_every_kind_of_body_is_signed_with_the_type_that_fetch_gives_it(body: str) -> None:
    program = _FETCH.replace("given.init", f"{{ method: 'POST', body: {body} }}")
    call, sent = (await _fetched({}, program=program)).call()
    assert sent
    require_signed(call, KEY, sent, at=time.time())


async def test_user_and_signed_headers_are_sent_and_signed() -> None:
    heard = await _fetched({"headers": {"X-Tenant": " t 1 "}}, user="u-1", signedHeaders=["X-Tenant", "x-absent"])
    call, _ = heard.call()
    assert call.headers.get(b"x-iso-user") == b"u-1"
    require_signed(call, KEY, b"", at=time.time(), names=("x-absent", "x-tenant"))


async def test_a_user_among_the_headers_is_signed() -> None:
    call, _ = (await _fetched({"headers": {"x-iso-user": "u-7"}})).call()
    assert call.headers.get(b"x-iso-user") == b"u-7"
    require_signed(call, KEY, b"", at=time.time())


def test_a_session_key_says_its_user_itself() -> None:
    assert signed(keyId=SESSION)["x-iso-user"] == "user-42"
    assert in_browser("A" * 43, keyId=SESSION)["x-iso-user"] == "user-42"


def test_a_body_that_is_not_in_memory_is_signed_by_its_hash() -> None:
    assert signed(contentSha256="0" * 64)["x-content-sha256"] == "0" * 64


def test_in_a_browser_no_signing_key_is_taken() -> None:
    for told in (in_browser(KEY, keyId=SESSION), in_browser("A" * 43, keyId="k_2345")):
        assert told.startswith("Error: in a browser only session keys sign: whoever uses the page could read")


def test_a_page_without_web_crypto_is_told_why() -> None:
    frame = _BROWSER.replace("delete", 'Object.defineProperty(globalThis, "crypto", {{ value: {{}} }});\ndelete')
    told = node.run(_SIGN, {"key": "A" * 43, "request": {}}, frame=frame)
    assert told == "Error: WebCrypto is missing: browsers have it on https pages and on localhost only"


def test_node_without_a_global_crypto_takes_that_of_its_module() -> None:
    program = 'Object.defineProperty(globalThis, "crypto", { value: undefined });' + _SIGN
    given = {"keyId": "k_2345", "url": f"https://host.example{PATH}"}
    assert node.run(program, {"key": KEY, "request": given})["x-key-id"] == "k_2345"


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ({"key": "short"}, "TypeError: a key is the text as it was shown"),
        ({"keyId": "k/1"}, "TypeError: not a key id"),
        ({"keyId": None}, "TypeError: not a key id"),
        ({"url": "http://host.example" + PATH}, "Error: signed requests go over https, or to this machine"),
        ({"url": "ftp://localhost" + PATH}, "Error: signed requests go over https, or to this machine"),
        ({"url": "https://host.example/"}, "Error: only what is under /api/apikeychain/<project id>/ is signed"),
        ({"url": "https://host.example/api/apikeychain/p_a"}, "Error: only what is under"),
        ({"url": "https://host.example/api/apikeychain//proxy/a"}, "Error: only what is under"),
        ({"url": f"https://host.example/x/..{PATH}x", "prefix": "/x"}, "Error: only what is under"),
        ({"nonce": "short"}, "TypeError: a nonce is not of its form"),
        ({"contentSha256": "A" * 64}, "TypeError: contentSha256 is not of its form"),
        ({"user": "two words"}, "TypeError: a user is not of its form"),
        ({"keyId": "s1.k.1.IA"}, "TypeError: a user is not of its form"),
        ({"keyId": "s1.k_1"}, "TypeError: not the id of a session key"),
        ({"keyId": "s1.k_1.1.AAAAA"}, "TypeError: not the id of a session key"),
        ({"method": "GET\nx"}, "TypeError: not a method"),
        ({"body": {"a": 1}}, "TypeError: a body to sign is a string, bytes or a Blob"),
        ({"contentType": "text/plain\nx"}, "TypeError: a part of a request that is signed holds a line feed"),
        ({"contentType": "text/plain; a=Ā"}, "TypeError: a part of a request that is signed holds a character"),
        ({"contentType": "text/plain; a=😀"}, "TypeError: a part of a request that is signed holds a character"),
    ],
)
def test_what_cannot_be_signed_is_told_and_the_key_is_not(request_: dict[str, Any], told: str) -> None:
    answered = signed(**request_)
    assert answered.startswith(told)
    assert KEY not in answered


def test_the_module_imports_nothing_and_stands_alone() -> None:
    text = JAVASCRIPT.read_text()
    assert [line for line in text.splitlines() if line.startswith(("import ", "export * "))] == []
    assert sorted(node.run("return Object.keys(module);")) == ["importKey", "sign", "signedFetch"]


@pytest.mark.parametrize("name", ["accept", "User-Agent", "accept-language", "sec-fetch-site", "origin", "cookie"])
def test_a_signed_header_that_fetch_would_add_needs_a_value(name: str) -> None:
    told = signed(signedHeaders=[name])
    assert told.startswith(f"TypeError: give the header {name.lower()} a value")
    assert "x-signature" in signed(signedHeaders=[name], headers={name: "x"})
    assert "x-signature" in signed(signedHeaders=["x-other", "accepted"])
