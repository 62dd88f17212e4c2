"""The module with which a page calls, in real Node, against a real server that answers as it is told."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

import pytest

import node
from apikeychain import APIKeyChain
from apikeychain.client import browser_script
from apikeychain.errors import PathRefusedError
from apikeychain.model.headers import Line
from apikeychain.rules.pairs import split_form, split_query
from apikeychain.rules.paths import read_segment, require_segment
from apikeychain.testing.local_provider import LocalProvider, Received, Visit
from command import ROOT

PROJECT = "/api/apikeychain/p_abcdefghijklmnopqrst"
# What a test sees of what was thrown.
_CAUGHT = """
  const told = (error) => ({
    ...error, kind: error.name, said: error.message, cause: undefined, response: undefined,
    is: ["APIKeyChainError", "RefusedError"].filter((name) => error instanceof module[name]),
  });
"""


@dataclass(frozen=True)
class Said:
    """One answer of the server."""

    status: int = 200
    lines: Sequence[Line] = ()
    body: bytes = b"[]"


def refusal(status: int, code: str, *, after: str | None = None, **problem: object) -> Said:
    """An answer of the gate's own."""
    lines = [(b"content-type", b"application/problem+json"), (b"x-apikeychain-error", code.encode())]
    again = [] if after is None else [(b"retry-after", after.encode())]
    return Said(status, [*lines, *again], json.dumps({"title": "No.", "code": code, **problem}).encode())


LIMITED, DOWN = refusal(429, "rate-limited", after="0"), refusal(503, "backend-unavailable", after="0")


async def called(program: str, *answers: Said, given: object = None, connect: str = "") -> tuple[Any, list[Received]]:
    """What `program` returns, which has `api`, and what came to the server; after `answers` each is an empty list."""
    said = iter(answers)

    async def answer(visit: Visit) -> None:
        one = next(said, Said())
        await visit.answer(one.status, one.lines, one.body)

    async with LocalProvider("localhost") as local:
        for method in ("weather", "pay"):
            local.on(f"{PROJECT}/proxy/{method}", answer)
        options = json.dumps(f"https://localhost:{local.port}{PROJECT}") + connect
        text = f"{_CAUGHT} const api = module.connect({options}); {program}"
        told = await asyncio.to_thread(node.run, text, given, module=node.CLIENT, ca=str(local.ca_pem_path))
        return told, local.requests


def url(route: str = "weather", segments: Sequence[object] = (), query: object = None) -> Any:
    program = """
      const api = module.connect(given.address);
      try { return api.url(given.route, given.segments, given.query ?? undefined); }
      catch (error) { return `${error.name}: ${error.message}`; }
    """
    given = {"address": f"https://host.example{PROJECT}", "route": route, "segments": segments, "query": query}
    return node.run(program, given, module=node.CLIENT)


def test_the_package_gives_the_module_which_imports_nothing_and_holds_no_key() -> None:
    text = browser_script().decode()
    assert text == node.CLIENT.read_text()
    assert [line for line in text.splitlines() if line.startswith(("import ", "export * "))] == []
    errors = ["APIKeyChainError", "NetworkError", "ProviderError", "RateLimitedError", "RefusedError"]
    names = sorted(node.run("return Object.keys(module);", module=node.CLIENT))
    assert names == [*errors, "UnavailableError", "connect"]
    reference = (ROOT / "docs" / "reference" / "browser-client.md").read_text()
    assert [name for name in names if f"`{name}" not in reference] == []


async def test_an_address_is_the_one_that_the_project_gives_and_is_read_as_it_was_meant() -> None:
    text = "".join(map(chr, range(0x20, 0x180))) + "日本\U0001f600"
    segments = [one for one in text if is_segment(one)] + ["a b", "a:b", "...", "a.;b", "%2e%2e", "100%"]
    async with APIKeyChain.in_memory() as keychain:
        shop = await (await keychain.ensure_tenant("acme")).ensure_project("shop")
        expected = shop.url("weather", *segments).partition(shop.id)[2]
    address = url(segments=segments)
    assert address == f"https://host.example{PROJECT}{expected}"
    raw = address.partition("/weather/")[2].encode().split(b"/")
    assert [read_segment(one) for one in raw] == segments


@pytest.mark.parametrize("text", ["..", ".", "a/b", "../x", "a\\b", "a\nb", "a\x7f", "..;x", ".;"])
def test_a_segment_with_which_a_browser_would_call_another_route_is_not_sent(text: str) -> None:
    with pytest.raises(PathRefusedError):
        require_segment(text.encode())
    assert url(segments=[text]).startswith("TypeError: no segment of a path")


def is_segment(text: str) -> bool:
    try:
        require_segment(text.encode())
    except PathRefusedError:
        return False
    return True


def test_a_query_is_read_as_it_was_meant() -> None:
    text = "".join(map(chr, range(1, 0x180))) + "日本\U0001f600"
    query = {"q": text, "a b&": "New York", "many": ["1+1", 2, True], "none": None, "nothing": [], "empty": ""}
    raw = url(query=query).partition("?")[2].encode()
    many = [("many", "1+1"), ("many", "2"), ("many", "true")]
    expected = [("q", text), ("a b&", "New York"), *many, ("empty", "")]
    assert [(pair.name, pair.value) for pair in split_query(raw)] == expected
    assert url(query=[["a", "1"], ["a", " "]]).endswith("/weather?a=1&a=%20")
    assert url(query={}) == f"https://host.example{PROJECT}/proxy/weather"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"route": "../p_x"}, "TypeError: not the name of a route"),
        ({"route": ""}, "TypeError: not the name of a route"),
        ({"query": "a=b"}, "TypeError: a query or form is an object"),
        ({"query": {"a": {"b": 1}}}, "TypeError: a value of a path, query or form"),
        ({"segments": [None]}, "TypeError: a value of a path, query or form"),
    ],
)
def test_what_is_no_address_is_told(given: dict[str, Any], told: str) -> None:
    assert url(**given).startswith(told)


@pytest.mark.parametrize(
    ("address", "is_one"),
    [
        (f"https://host.example{PROJECT}", True),
        (f"https://host.example{PROJECT}/", True),
        (f"https://host.example{PROJECT}/proxy", False),
        ("https://host.example/api/apikeychain", False),
        ("https://host.example/", False),
    ],
)
def test_only_the_address_of_a_project_is_taken(address: str, *, is_one: bool) -> None:
    program = "try { return module.connect(given).url('a'); } catch (error) { return error.name; }"
    expected = f"https://host.example{PROJECT}/proxy/a" if is_one else "TypeError"
    assert node.run(program, address, module=node.CLIENT) == expected


async def test_a_body_is_json_a_form_or_what_fetch_takes() -> None:
    program = """
      await api.post("pay", { json: { a: "ü" }, user: "user-42" });
      await api.call("pay", { form: { a: "b c", d: ["+", 2] } });
      await api.call("pay", { method: "PUT", body: "x", headers: { "Content-Type": "text/x", "X-Other": "y" } });
      await api.post("pay", { json: 1, headers: { "content-type": "application/json; charset=utf-8" } });
      const form = new FormData();
      form.set("a", "b");
      await api.post("pay", { form });
      await api.get("pay");
      return true;
    """
    _, (first, form, put, typed, multipart, get) = await called(program)
    assert (first.method, bytes(first.body)) == ("POST", '{"a":"ü"}'.encode())
    assert first.headers.get(b"content-type") == b"application/json"
    assert first.headers.get(b"x-iso-user") == b"user-42"
    assert form.method == "POST"
    assert (form.headers.get(b"content-type") or b"").startswith(b"application/x-www-form-urlencoded")
    assert [(p.name, p.value) for p in split_form(bytes(form.body))] == [("a", "b c"), ("d", "+"), ("d", "2")]
    assert (put.method, bytes(put.body), put.headers.get(b"content-type")) == ("PUT", b"x", b"text/x")
    assert put.headers.get(b"x-other") == b"y"
    assert typed.headers.get(b"content-type") == b"application/json; charset=utf-8"
    assert (multipart.headers.get(b"content-type") or b"").startswith(b"multipart/form-data; boundary=")
    assert (get.method, bytes(get.body), get.headers.get(b"content-type")) == ("GET", b"", None)


async def test_what_cannot_be_sent_is_a_type_error_and_nothing_is_sent() -> None:
    program = """
      const twice = { json: 1, body: "x" }, header = { headers: { "a b": "c" } };
      const wrong = [twice, { user: "Zoë ✓" }, { method: "GET", json: 1 }, header];
      const kind = (error) => [error.name, error instanceof TypeError];
      return Promise.all(wrong.map((one) => api.call("pay", one).catch(kind)));
    """
    told, requests = await called(program)
    assert told == [["TypeError", True]] * 4
    assert requests == []


@pytest.mark.parametrize(
    ("said", "kind", "also"),
    [
        (refusal(400, "parameter-refused", parameter="q"), "RefusedError", {"parameter": "q"}),
        (refusal(403, "suspended"), "RefusedError", {}),
        (refusal(404, "not-found", hint="Do this."), "RefusedError", {}),
        (refusal(429, "rate-limited", after="31"), "RateLimitedError", {"retryAfter": 31}),
        (refusal(502, "credential-refused"), "UnavailableError", {}),
        (refusal(503, "backend-unavailable", after="3600"), "UnavailableError", {"retryAfter": 3600}),
        (refusal(504, "upstream-timeout", after=formatdate(0, usegmt=True)), "UnavailableError", {"retryAfter": 0}),
    ],
)
async def test_a_refusal_is_an_error_of_its_kind_with_its_code(said: Said, kind: str, also: dict[str, Any]) -> None:
    code = dict(said.lines)[b"x-apikeychain-error"].decode()
    told, requests = await called("return api.get('weather').catch(told);", said)
    expected = {"kind": kind, "name": kind, "status": said.status, "code": code, **also}
    assert {name: told[name] for name in told if name not in {"said", "is"}} == expected
    assert told["is"] == (["APIKeyChainError", "RefusedError"] if said.status < 500 else ["APIKeyChainError"])
    assert code in told["said"]
    assert told["said"].endswith("Do this.") is (said.status == 404)
    assert len(requests) == 1


async def test_a_refusal_without_a_document_has_its_code_all_the_same() -> None:
    said = Said(403, [(b"x-apikeychain-error", b"suspended")], b"<html>")
    told, _ = await called("return api.call('weather', { method: 'HEAD' }).catch(told);", said)
    assert (told["kind"], told["code"]) == ("RefusedError", "suspended")
    told, _ = await called("return api.get('weather').catch(told);", said)
    assert (told["kind"], told["code"]) == ("RefusedError", "suspended")


@pytest.mark.parametrize("status", [200, 404, 429, 503])
async def test_what_the_provider_answers_is_returned_unread_and_never_sent_again(status: int) -> None:
    program = """
      const answer = await api.get("weather");
      return [answer.status, answer.bodyUsed, answer.headers.get("retry-after"), await answer.json()];
    """
    told, requests = await called(program, Said(status, [(b"retry-after", b"0")], b"[1]"))
    assert told == [status, False, "0", [1]]
    assert len(requests) == 1


async def test_json_is_what_stands_in_a_good_answer_and_a_bad_one_is_an_error_that_has_it() -> None:
    program = """
      const good = await api.json("weather", { query: { q: "x" } });
      const bad = await api.json("weather").catch((error) => error);
      return [good, told(bad), bad.response.status, await bad.response.text()];
    """
    answers = Said(body=b'{"a": 1}'), Said(404, body=b"nowhere")
    (good, bad, status, text), _ = await called(program, *answers)
    assert (good, status, text) == ({"a": 1}, 404, "nowhere")
    assert (bad["kind"], bad["status"], bad.get("code"), bad["is"]) == (
        "ProviderError",
        404,
        None,
        ["APIKeyChainError"],
    )


@pytest.mark.parametrize(
    ("call", "answers", "sent", "kind"),
    [
        ("api.get('weather')", [LIMITED], 2, None),
        ("api.get('weather')", [LIMITED, DOWN], 3, None),
        ("api.get('weather')", [LIMITED] * 3, 3, "RateLimitedError"),
        ("api.get('weather')", [DOWN] * 3, 3, "UnavailableError"),
        ("api.call('weather', { method: 'HEAD' })", [DOWN], 2, None),
        ("api.post('pay', { json: [1] })", [LIMITED, LIMITED], 3, None),
        ("api.post('pay', { json: [1] })", [DOWN], 1, "UnavailableError"),
        ("api.get('weather')", [refusal(502, "upstream-refused", after="0")], 1, "UnavailableError"),
        ("api.get('weather')", [refusal(429, "rate-limited", after="31")], 1, "RateLimitedError"),
        ("api.get('weather')", [refusal(429, "rate-limited", after=formatdate(0, usegmt=True))], 2, None),
        (
            "api.get('weather')",
            [refusal(429, "rate-limited", after=formatdate(9e9, usegmt=True))],
            1,
            "RateLimitedError",
        ),
        ("api.get('weather')", [refusal(429, "rate-limited")], 2, None),
        ("api.get('weather')", [refusal(429, "rate-limited", after="soon")], 2, None),
    ],
)
async def test_what_went_to_nobody_is_sent_again_so_often_and_no_longer(
    call: str, answers: list[Said], sent: int, kind: str | None
) -> None:
    program = f"return {call}.then((answer) => ({{ kind: null }}), told);"
    told, requests = await called(program, *answers)
    assert (told["kind"], len(requests)) == (kind, sent)
    assert {bytes(one.body) for one in requests} == {b"[1]" if "post" in call else b""}


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ("{ retries: 0 }", 1),
        ("{ retries: 4 }", 5),
        # a second and some jitter leave no room for another second
        ("{ retries: 4, maxWait: 1.5 }", 2),
        ("{ maxWait: 0.5 }", 1),
    ],
)
async def test_how_often_and_how_long_a_page_may_say(options: str, sent: int) -> None:
    said = refusal(429, "rate-limited", after="1" if "maxWait" in options else "0")
    told, requests = await called("return api.get('weather').catch(told);", *[said] * 6, connect=f", {options}")
    assert (told["kind"], len(requests)) == ("RateLimitedError", sent)


async def test_a_body_that_is_a_stream_is_sent_once() -> None:
    program = """
      const body = new Blob(["x"]).stream();
      return api.post("pay", { body, duplex: "half" }).catch(told);
    """
    told, requests = await called(program, LIMITED)
    assert (told["kind"], len(requests), bytes(requests[0].body)) == ("RateLimitedError", 1, b"x")


async def test_whoever_waits_can_be_called_off() -> None:
    """Else it would wait for an hour."""
    program = """
      return waiting.get("weather", { signal: leaving.signal }).catch((error) => error.name);
    """
    connect = """
      , {});
      const leaving = new AbortController();
      const leavingSoon = async (request) => {
        const answer = await fetch(request);
        setTimeout(() => leaving.abort(), 100);
        return answer;
      };
      const waiting = module.connect(api.url("a").replace("/proxy/a", ""), { fetch: leavingSoon, maxWait: 7200 }
    """
    told, requests = await called(program, refusal(429, "rate-limited", after="3600"), connect=connect)
    assert (told, len(requests)) == ("AbortError", 1)


async def test_a_call_that_is_called_off_says_so_and_not_that_the_network_failed() -> None:
    program = """
      const reason = new TypeError("enough");
      const before = await api.get("weather", { signal: AbortSignal.abort(reason) }).catch((error) => error);
      return before === reason;
    """
    told, requests = await called(program)
    assert told is True
    assert requests == []


async def test_where_nobody_answers_the_error_says_what_to_look_at() -> None:
    program = """
      const api = module.connect(`http://127.0.0.1:1${given}`);
      const error = await api.get("weather").catch((error) => error);
      return [told(error), error.cause instanceof TypeError];
    """
    (told, has_cause) = await asyncio.to_thread(node.run, _CAUGHT + program, PROJECT, module=node.CLIENT)
    assert (told["kind"], told["is"], has_cause) == ("NetworkError", ["APIKeyChainError"], True)
    assert all(word in told["said"] for word in ("offline", "the project's list", "switched off", "console"))


async def test_another_fetch_sends_each_try_and_what_it_throws_of_its_own_passes() -> None:
    program = """
      const sent = [];
      const signed = (request) => (sent.push(request.url), request.headers.set("x-signature", "v1"), fetch(request));
      const address = api.url("a").replace("/proxy/a", "");
      const answer = await module.connect(address, { fetch: signed }).get("weather");
      const broken = module.connect(address, { fetch: () => Promise.reject(new RangeError("no")) });
      return [answer.status, sent.length, await broken.get("weather").catch((error) => error.name)];
    """
    told, requests = await called(program, LIMITED)
    assert told == [200, 2, "RangeError"]
    assert [one.headers.get(b"x-signature") for one in requests] == [b"v1", b"v1"]
