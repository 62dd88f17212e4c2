"""Signed calls, through the whole gate to a recording provider."""

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from apikeychain import JSONBody, JSONField, ProxyRoute, RawBody
from apikeychain.backends.memory_replay_guard import MemoryReplayGuard
from apikeychain.model.headers import Line
from gate import APP, WEATHER, Answer, Gate, open_gate, scope_of
from signer import Signer, signer_of

PATH = "/data/2.5/weather"
ASK = ProxyRoute("ask", provider="weather", path=PATH, methods=["POST"], body=JSONBody([JSONField("q")]))
UPLOAD = ProxyRoute(
    "upload",
    provider="weather",
    path=PATH,
    methods=["POST"],
    body=RawBody(["application/octet-stream"]),
    max_body_bytes=4 << 20,
)
STRICT = ProxyRoute("strict", provider="weather", path=PATH, require="signature")
ORIGIN = (b"origin", APP.encode())
JSON = (b"content-type", b"application/json")
BYTES = (b"content-type", b"application/octet-stream")


@pytest.fixture
async def gate() -> AsyncGenerator[Gate, None]:
    async with open_gate(routes=[WEATHER, ASK, UPLOAD, STRICT]) as opened:
        yield opened


async def send(
    gate: Gate, signer: Signer, route: str = "weather", *, lines: tuple[Line, ...] = (), **more: Any
) -> Answer:
    """A signed call; what is signed otherwise stands in `signer`."""
    path, method = gate.shop.url(route), more.pop("method", "GET")
    query, body = more.pop("query", b"q=Paris" if route == "weather" else b""), more.pop("body", b"")
    signing = signer.sign(path, query, method=method, body=body, lines=lines, **more)
    pieces = [body[start : start + 65536] for start in range(0, len(body), 65536)]
    return await gate.call(path, query, method=method, headers=[*lines, *signing], body=pieces)


async def test_a_signed_call_needs_no_origin(gate: Gate) -> None:
    answer = await send(gate, await signer_of(gate))
    assert answer.status == 200
    assert b"access-control-allow-origin" not in answer.headers
    [received] = gate.provider.requests
    assert not [name for name, _ in received.headers if name.startswith(b"x-")]


async def test_a_signed_call_with_an_allowed_origin_is_readable_to_its_page(gate: Gate) -> None:
    answer = await send(gate, await signer_of(gate), lines=(ORIGIN,))
    assert answer.status == 200
    assert answer.headers.get(b"access-control-allow-origin") == APP.encode()


async def test_a_good_signature_does_not_heal_a_bad_origin(gate: Gate) -> None:
    answer = await send(gate, await signer_of(gate), lines=((b"origin", b"https://evil.example"),))
    assert (answer.status, answer.code) == (403, "origin-refused")


@pytest.mark.parametrize("origin", [True, False])
@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("version", "apikeychain-v2"),
        ("project", "p_aaaaaaaaaaaaaaaaaaaa"),
        ("key_id", "k_other"),
        ("timestamp", "1"),
        ("nonce", "0123456789abcdef"),
        ("method", "HEAD"),
        ("path", "/other"),
        ("query", "q=Rome"),
        ("content_type", "text/plain"),
        ("user", "carol"),
        ("block", "00"),
        ("body", "00"),
    ],
)
async def test_a_call_whose_signature_covers_another_is_refused(
    gate: Gate, part: str, value: str, origin: bool
) -> None:
    signer = await signer_of(gate, changed={part: value})
    answer = await send(gate, signer, lines=(ORIGIN,) if origin else ())
    assert (answer.status, answer.code) == (401, "signature-refused")
    assert answer.headers.get(b"www-authenticate") == b"APIKeyChain-HMAC"
    assert gate.provider.requests == []


async def test_an_unknown_key_and_a_wrong_mac_are_one_answer(gate: Gate) -> None:
    signer = await signer_of(gate)
    unknown = await send(gate, Signer("k_unknown", signer.key, signer.project))
    wrong = await send(gate, Signer(signer.key_id, b"wrong", signer.project))
    assert (unknown.status, unknown.body) == (wrong.status, wrong.body) == (401, wrong.body)


async def test_any_signing_header_means_verify_it(gate: Gate) -> None:
    for line in ((b"x-nonce", b"0123456789abcdef"), (b"x-key-id", b"k"), (b"x-signature", b"v1=00")):
        answer = await gate.get(headers=[line])
        assert (answer.status, answer.code) == (401, "signature-refused")
    assert gate.provider.requests == []


async def test_a_request_passes_once(gate: Gate) -> None:
    signer = await signer_of(gate)
    path, lines = gate.shop.url("weather"), signer.sign(gate.shop.url("weather"), b"q=Paris")
    answers = [await gate.call(path, b"q=Paris", headers=lines) for _ in range(3)]
    assert [(answer.status, answer.code) for answer in answers] == [(200, ""), (401, "replayed"), (401, "replayed")]
    again = signer.sign(
        path, b"q=Paris", nonce=dict(lines)[b"x-nonce"].decode(), at=1 + int(dict(lines)[b"x-timestamp"])
    )
    assert (await gate.call(path, b"q=Paris", headers=again)).code == "replayed"
    assert len(gate.provider.requests) == 1


async def test_without_a_nonce_two_equal_calls_in_a_second_are_one(gate: Gate) -> None:
    signer = await signer_of(gate)
    at = time.time()
    answers = [await send(gate, signer, nonce="", at=at, query=query) for query in (b"q=a", b"q=a", b"q=b")]
    assert [answer.status for answer in answers] == [200, 401, 200]


@pytest.mark.parametrize(("away", "code"), [(-28, ""), (28, ""), (-31, "timestamp-refused"), (32, "timestamp-refused")])
async def test_what_was_signed_too_long_ago_or_ahead_is_refused(gate: Gate, away: int, code: str) -> None:
    signer = await signer_of(gate)
    at = time.time() + away
    assert (await send(gate, signer, at=at)).code == code


async def test_a_refused_call_claims_nothing_and_a_replay_spends_nothing(gate: Gate) -> None:
    signer = await signer_of(gate)
    nonce = "0123456789abcdef"
    wrong = Signer(signer.key_id, signer.key, signer.project, changed={"query": "q=x"})
    assert (await send(gate, wrong, nonce=nonce)).code == "signature-refused"
    first = await send(gate, signer, nonce=nonce)
    replay = await send(gate, signer, nonce=nonce)
    second = await send(gate, signer)
    left = [(answer.headers.get(b"ratelimit") or b"").split(b";")[1] for answer in (first, second)]
    assert (first.status, replay.code, left) == (200, "replayed", [b"r=59", b"r=58"])


async def test_a_claim_stands_when_a_quota_refuses(gate: Gate) -> None:
    await gate.shop.configure(address_quota="1/minute")
    signer = await signer_of(gate)
    assert (await send(gate, signer)).status == 200
    nonce = "0123456789abcdef"
    assert (await send(gate, signer, nonce=nonce)).code == "rate-limited"
    assert (await send(gate, signer, nonce=nonce)).code == "replayed"


async def test_two_keys_are_valid_until_one_is_retired(gate: Gate) -> None:
    one, other = await signer_of(gate), await signer_of(gate)
    assert [(await send(gate, signer)).status for signer in (one, other)] == [200, 200]
    await gate.shop.retire_signing_key(one.key_id)
    await asyncio.sleep(0.02)
    assert [(await send(gate, signer)).code for signer in (one, other)] == ["signature-refused", ""]


async def test_a_signed_body_goes_up_and_another_does_not(gate: Gate) -> None:
    signer, body = await signer_of(gate), b'{"q":"x"}'
    assert (await send(gate, signer, "ask", method="POST", body=body, lines=(JSON,))).status == 200
    assert gate.provider.requests[-1].body == body
    changed = Signer(signer.key_id, signer.key, signer.project, changed={"body": hashlib.sha256(b"{}").hexdigest()})
    assert (await send(gate, changed, "ask", method="POST", body=body, lines=(JSON,))).code == "signature-refused"
    assert len(gate.provider.requests) == 1


@pytest.mark.parametrize("route", ["ask", "upload"])
async def test_an_announced_body_is_held_against_its_hash(gate: Gate, route: str) -> None:
    signer, kind = await signer_of(gate), JSON if route == "ask" else BYTES
    path, body = gate.shop.url(route), b'{"q":"x"}'
    for sent, status in ((body, 200), (b'{"q":"y"}', 401), (b"", 401)):
        lines = [kind, *signer.sign(path, method="POST", body=body, lines=(kind,), announce=True)]
        answer = await gate.call(path, method="POST", headers=lines, body=[sent])
        assert answer.status == status
    assert [received.is_whole for received in gate.provider.requests].count(True) == 1


async def test_a_signed_get_with_the_hash_of_a_body_that_is_not_there_is_refused(gate: Gate) -> None:
    signer = await signer_of(gate)
    assert (await send(gate, signer, announce=True)).status == 200
    path = gate.shop.url("weather")
    lines = signer.sign(path, b"q=Paris", body=b"something", announce=True)
    assert (await gate.call(path, b"q=Paris", headers=lines)).code == "signature-refused"


async def test_a_streamed_body_may_be_signed_without_its_hash(gate: Gate) -> None:
    signer, body = await signer_of(gate), b"u" * (3 << 20)
    assert (await send(gate, signer, "upload", method="POST", body=body, lines=(BYTES, ORIGIN))).status == 200
    assert gate.provider.requests[-1].body_bytes == len(body)


async def test_a_signed_body_beyond_eight_mib_announces_its_hash() -> None:  # decision 12
    big = replace(UPLOAD, max_body_bytes=16 << 20)
    async with open_gate(routes=[big]) as gate:
        signer, body = await signer_of(gate), b"u" * ((8 << 20) + 1)
        for lines, most in (((BYTES,), 1 << 20), ((BYTES, ORIGIN), 8 << 20)):
            told = await send(gate, signer, "upload", method="POST", body=body[: most + 1], lines=lines)
            assert told.code == "body-too-large"
            told = await send(gate, signer, "upload", method="POST", body=body[:most], lines=lines)
            assert told.status == 200
        told = await send(gate, signer, "upload", method="POST", body=body, lines=(BYTES,), announce=True)
        assert told.status == 200
        assert gate.provider.requests[-1].body_bytes == len(body)


async def test_an_unknown_route_is_told_to_whoever_signed_and_nobody_else(gate: Gate) -> None:
    signer = await signer_of(gate)
    assert (await send(gate, signer, "nowhere")).code == "not-found"
    assert (await send(gate, signer, "weather", method="POST")).code == "method-refused"
    forged = Signer(signer.key_id, b"forged", signer.project)
    assert (await send(gate, forged, "nowhere")).code == "signature-refused"
    big = await send(gate, forged, "nowhere", method="POST", body=b"x" * ((1 << 20) + 1))
    assert big.code == "body-too-large"


async def test_a_signed_body_that_is_dribbled_past_its_window_is_refused(gate: Gate) -> None:
    signer, body = await signer_of(gate), b'{"q":"x"}'
    at = time.time() - 28.5
    path = gate.shop.url("ask")
    lines = [JSON, *signer.sign(path, method="POST", body=body, lines=(JSON,), at=at)]
    messages = [{"type": "http.request", "body": body[:5], "more_body": True}]

    async def dribble() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await asyncio.sleep(2.5)
        return {"type": "http.request", "body": body[5:], "more_body": False}

    statuses: list[int] = []

    async def heard(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await gate.app(scope_of(path, method="POST", headers=lines), dribble, heard)
    assert statuses == [401]
    assert gate.provider.requests == []


async def test_what_a_project_or_route_asks_for_is_asked_of_every_call(gate: Gate) -> None:
    signer = await signer_of(gate)
    session = await gate.shop.session_key(user="alice", origin=APP)
    in_session = Signer(session.id, session.key.reveal(), gate.shop.id)
    alice = (ORIGIN, (b"x-iso-user", b"alice"))

    async def told(route: str) -> list[str]:
        unsigned = await gate.call(gate.shop.url(route), b"q=Paris" if route == "weather" else b"", headers=[ORIGIN])
        return [
            unsigned.code,
            (await send(gate, in_session, route, lines=alice)).code,
            (await send(gate, signer, route)).code,
        ]

    assert await told("weather") == ["", "", ""]
    assert await told("strict") == ["signature-missing", "signature-missing", ""]
    await gate.shop.configure(require="session")
    await asyncio.sleep(0.02)
    assert await told("weather") == ["signature-missing", "", ""]
    assert await told("strict") == ["signature-missing", "signature-missing", ""]
    await gate.shop.configure(require="signature")
    await asyncio.sleep(0.02)
    assert await told("weather") == ["signature-missing", "signature-missing", ""]


async def test_a_session_key_is_good_with_its_origin_its_user_and_its_time_only(gate: Gate) -> None:
    await signer_of(gate)
    shown = await gate.shop.session_key(user="alice", origin=APP, ttl=timedelta(minutes=5))
    session = Signer(shown.id, shown.key.reveal(), gate.shop.id)
    alice, bob = (b"x-iso-user", b"alice"), (b"x-iso-user", b"bob")
    assert (await send(gate, session, lines=(ORIGIN, alice))).status == 200
    for lines in ((ORIGIN,), (ORIGIN, bob), (alice,)):
        assert (await send(gate, session, lines=lines)).code == "signature-refused"
    app = await gate.shop.session_key(user="alice")
    in_app = Signer(app.id, app.key.reveal(), gate.shop.id)
    assert (await send(gate, in_app, lines=(alice,))).status == 200
    assert (await send(gate, in_app, lines=(ORIGIN, alice))).code == "signature-refused"
    short = await gate.shop.session_key(user="alice", origin=APP, ttl=timedelta(seconds=1))
    await asyncio.sleep(1.1)
    over = Signer(short.id, short.key.reveal(), gate.shop.id)
    assert (await send(gate, over, lines=(ORIGIN, alice))).code == "signature-refused"


async def test_a_session_key_of_a_page_on_the_gates_own_host_is_good_where_browsers_send_no_origin(gate: Gate) -> None:
    own = "https://host.example"
    same_origin = (b"sec-fetch-site", b"same-origin")
    await signer_of(gate)
    shown = await gate.shop.session_key(user="alice", origin=own)
    session, alice = Signer(shown.id, shown.key.reveal(), gate.shop.id), (b"x-iso-user", b"alice")
    assert (await send(gate, session, lines=(alice, same_origin))).code == "signature-refused"
    await gate.shop.allow_origin(own)
    await asyncio.sleep(0.02)
    assert (await send(gate, session, lines=(alice, same_origin))).status == 200
    for site in ((), ((b"sec-fetch-site", b"cross-site"),), ((b"sec-fetch-site", b"same-site"),)):
        assert (await send(gate, session, lines=(alice, *site))).code == "signature-refused"


async def test_a_caller_who_is_refused_over_and_over_waits_unless_his_signature_comes_alone(gate: Gate) -> None:
    signer = await signer_of(gate)
    forged = Signer(signer.key_id, b"forged", signer.project)
    assert [(await send(gate, forged)).code for _ in range(60)] == ["signature-refused"] * 60
    assert [(await send(gate, forged, announce=announce)).code for announce in (True, False)] == ["rate-limited"] * 2
    refused = await gate.get()
    assert (refused.code, bool(refused.headers.get(b"retry-after"))) == ("rate-limited", True)
    assert (await gate.get(origin="https://evil.example")).code == "origin-refused"
    assert (await send(gate, signer)).code == "rate-limited"
    assert (await send(gate, signer, announce=True)).status == 200
    assert (await gate.get(scope={"client": ("198.51.100.7", 1)})).status == 200


async def test_an_observed_quota_admits_and_names_itself_in_the_log(
    gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    await gate.shop.configure(address_quota="1/minute", observe_quotas=True)
    await asyncio.sleep(0.02)
    answers = [await gate.get() for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert (answers[-1].headers.get(b"ratelimit") or b"").startswith(b'"address";r=0;')
    assert caplog.text.count("the quota 'address' is used up") == 1


async def test_a_user_and_an_origin_have_quotas_of_their_own(gate: Gate) -> None:
    await gate.shop.configure(user_quota="1/minute", origin_quota="2/minute")
    await asyncio.sleep(0.02)
    answers = [await gate.get(scope={"apikeychain.caller": user}) for user in ("ann", "ann", "bob", "cid")]
    assert [answer.status for answer in answers] == [200, 429, 200, 429]
    assert (answers[0].headers.get(b"ratelimit-policy") or b"").split(b";")[0] == b'"address"'
    assert b"ann" not in b"".join(value for answer in answers for _, value in answer.headers)


async def test_a_project_may_ask_for_a_caller_whom_the_host_has_named(gate: Gate) -> None:
    await gate.shop.configure(require_caller=True)
    await asyncio.sleep(0.02)
    assert (await gate.get()).code == "caller-missing"
    for caller, code in (("u-17", ""), ("", "caller-missing"), (17, "caller-missing")):
        assert (await gate.get(scope={"apikeychain.caller": caller})).code == code


async def test_signed_headers_are_covered(gate: Gate) -> None:
    await gate.shop.configure(signed_headers=["X-Order", "accept"])
    signer = await signer_of(gate, signed_headers=["accept", "x-order"])
    lines = ((b"accept", b"*/*"), (b"x-order", b"7"))
    assert (await send(gate, signer, lines=lines)).status == 200
    assert (await send(gate, signer)).status == 200
    path = gate.shop.url("weather")
    signing = signer.sign(path, b"q=Paris", lines=lines)
    for other in ([(b"x-order", b"8")], [], [(b"x-order", b"7"), (b"x-order", b"7")]):
        answer = await gate.call(path, b"q=Paris", headers=[lines[0], *other, *signing])
        assert answer.code == "signature-refused"


@pytest.mark.parametrize("listed", [b"if-match", b"keep-alive, If-Match", b"content-type"])
async def test_what_is_signed_cannot_be_taken_away_by_a_connection_line(gate: Gate, listed: bytes) -> None:
    await gate.shop.configure(signed_headers=["if-match"])
    signer = await signer_of(gate, signed_headers=["if-match"])
    lines: tuple[Line, ...] = ((b"if-match", b'"1"'), (b"connection", listed))
    assert (await send(gate, signer, lines=lines)).code == "signature-refused"
    assert (await send(gate, signer, lines=(lines[0], (b"connection", b"close")))).status == 200
    assert gate.provider.requests[-1].headers.get(b"if-match") == b'"1"'


async def test_a_signed_delete_does_not_lose_its_body() -> None:
    route = ProxyRoute("remove", provider="weather", path=PATH, methods=["DELETE"], body=RawBody())
    async with open_gate(routes=[route]) as gate:
        signer = await signer_of(gate)
        path = gate.shop.url("remove")
        signing = signer.sign(path, method="DELETE", body=b"all of it", announce=True)
        assert (await gate.call(path, method="DELETE", headers=signing)).code == "signature-refused"
        assert gate.provider.requests == []


async def test_a_page_is_told_which_signing_headers_it_may_send(gate: Gate) -> None:
    asked = b"x-key-id, x-timestamp, x-nonce, x-content-sha256, x-signature"
    preflight = [ORIGIN, (b"access-control-request-method", b"GET"), (b"access-control-request-headers", asked)]
    path = gate.shop.url("weather")
    assert (await gate.call(path, method="OPTIONS", headers=preflight)).code == "preflight-refused"
    await signer_of(gate)
    answer = await gate.call(path, method="OPTIONS", headers=preflight)
    assert answer.status == 204
    assert b"X-Signature" in (answer.headers.get(b"access-control-allow-headers") or b"")


async def test_a_full_guard_closes_the_gate_to_signed_calls_only() -> None:
    async with open_gate(replay_guard=MemoryReplayGuard(max_claims=1)) as gate:
        signer = await signer_of(gate)
        assert (await send(gate, signer)).status == 200
        assert (await send(gate, signer)).code == "backend-unavailable"
        assert (await gate.get()).status == 200


async def test_a_user_over_its_quota_cannot_fill_the_guard_of_all() -> None:
    guard = MemoryReplayGuard(max_claims=700)
    async with open_gate(replay_guard=guard) as gate:
        key = await gate.shop.add_signing_key()
        alice = await gate.shop.session_key(user="alice", origin=None, ttl=timedelta(hours=1))
        await asyncio.sleep(0.02)
        session = Signer(alice.id, alice.key.reveal(), gate.shop.id)
        codes = {(await send(gate, session, lines=((b"x-iso-user", b"alice"),))).code for _ in range(720)}
        assert codes == {"", "rate-limited"}
        elsewhere = {"client": ("198.51.100.7", 1)}
        signer = Signer(key.id, key.key.reveal(), gate.shop.id)
        path = gate.shop.url("weather")
        lines = signer.sign(path, b"q=Paris")
        assert (await gate.call(path, b"q=Paris", headers=lines, scope=elsewhere)).status == 200


async def test_the_secret_of_a_signing_key_is_nowhere_in_store_or_ledger(gate: Gate) -> None:
    signer = await signer_of(gate)
    await send(gate, signer)
    entries = await gate.acme.entries(0, 100)
    assert [entry for entry in entries if entry.kind == "signing-key.added"]
    assert all(signer.key not in entry.payload for entry in entries)
    assert [key.id for key in await gate.shop.list_signing_keys()] == [signer.key_id]
