"""Providers that want each call signed: a real S3 server verifies AWS signatures, and stand-ins verify the others."""

import base64
import hashlib
import hmac
import ssl
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme

import canary
from apikeychain import (
    AcceptedCall,
    APIKeyChain,
    APIKeyChainSettings,
    AWSCredential,
    HMACCredential,
    JSONBody,
    Network,
    OAuth2Credential,
    Provider,
    ProxyRoute,
    QueryParameter,
    RawBody,
    Secret,
    residence,
)
from apikeychain.backends.upstream_aiohttp import AiohttpUpstream
from apikeychain.backends.upstream_httpx import HttpxUpstream
from apikeychain.errors import InvalidValueError
from apikeychain.model.headers import Line
from apikeychain.model.provider import Credential
from apikeychain.testing.local_provider import Visit
from apikeychain.testing.servers.s3 import REGION, S3Server
from gate import APP, Answer, Gate, open_gate
from still_clock import StillClock
from tls_front import tls_front

HERE = (b"origin", APP.encode())
TEXT = (b"content-type", b"text/plain")
KEY = canary.secret()
S3_ROUTES = (
    ProxyRoute("objects", provider="store", path="/bucket", methods=("GET", "DELETE"), tail=True),
    ProxyRoute("put", provider="store", path="/bucket", methods=("PUT",), tail=True, body=RawBody(("text/plain",))),
    ProxyRoute("list", provider="store", path="/bucket", parameters=[QueryParameter("prefix")]),
    ProxyRoute(
        "documents",
        provider="store",
        path="/bucket",
        methods=("PUT",),
        tail=True,
        body=JSONBody(undeclared="forward"),
    ),
)


@pytest.fixture(params=[AiohttpUpstream, HttpxUpstream])
async def s3(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[tuple[S3Server, Gate], None]:
    """An S3 server that speaks TLS on a port of its own, and the gate in front of it."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with S3Server(tls=False) as server:
        server.create_bucket("bucket")
        async with tls_front(server.port, authority, ssl.TLSVersion.TLSv1_3, name="store.localhost") as port:
            base = f"https://store.localhost:{port}"
            network = {base: Network(private=True, trust=str(tmp_path / "ca.pem"))}
            keychain = APIKeyChain.in_memory(settings=APIKeyChainSettings(), network=network, upstream=request.param)
            async with open_gate(keychain=keychain) as gate:
                await gate.shop.register_provider(Provider("store", base, AWSCredential(REGION, "s3")))
                secret = Secret(f"{server.access_key_id}:{server.secret_access_key}")
                await gate.shop.put_secret("store", secret, provider="store")
                for route in S3_ROUTES:
                    await gate.shop.add_route(route)
                yield server, gate


async def _call(
    gate: Gate,
    route: str,
    tail: str = "",
    query: bytes = b"",
    *,
    method: str = "GET",
    headers: Sequence[Line] = (),
    body: Sequence[bytes] = (),
) -> Answer:
    return await gate.call(f"{gate.shop.url(route)}{tail}", query, method=method, headers=[HERE, *headers], body=body)


@pytest.mark.parametrize("name", ["plain.txt", "a:b@c!$&'()*+,;=~.txt", "a%20b/%E4%BD%A0.txt"])
async def test_an_object_is_put_read_and_deleted_through_the_gate(s3: tuple[S3Server, Gate], name: str) -> None:
    server, gate = s3
    put = await _call(
        gate, "put", f"/{name}", method="PUT", headers=[TEXT, (b"content-length", b"5")], body=[b"hel", b"lo"]
    )
    assert (put.status, put.body) == (200, b"")
    assert list(server.stored("bucket").values()) == [b"hello"]
    got = await _call(gate, "objects", f"/{name}")
    assert (got.status, got.body) == (200, b"hello")
    listed = await _call(gate, "list", "", b"prefix=a+b:")
    assert (listed.status, b"<ListBucketResult" in listed.body) == (200, True)
    assert (await _call(gate, "objects", f"/{name}", method="DELETE")).status == 204
    assert server.stored("bucket") == {}


async def test_a_body_that_is_read_whole_is_signed_with_its_hash(s3: tuple[S3Server, Gate]) -> None:
    server, gate = s3
    lines = [(b"content-type", b"application/json")]
    assert (await _call(gate, "documents", "/d.json", method="PUT", headers=lines, body=[b'{"a":1}'])).status == 200
    assert server.stored("bucket") == {"d.json": b'{"a":1}'}


@pytest.mark.parametrize("wrong", ["key id", "key"])
async def test_an_s3_server_refuses_what_was_signed_with_another_key(s3: tuple[S3Server, Gate], wrong: str) -> None:
    server, gate = s3
    key_id = "anotherkeyid" if wrong == "key id" else server.access_key_id
    key = "another-secret-access-key" if wrong == "key" else server.secret_access_key
    await gate.shop.put_secret("store", Secret(f"{key_id}:{key}"), provider="store")
    refused = await _call(gate, "list")
    assert refused.status == 403
    assert key.encode() not in refused.body


HMAC = HMACCredential(
    header="X-Sign",
    signed="{timestamp}\n{method}\n{host}\n{target}\n{body_sha256}",
    encoding="base64",
    prefix="v1=",
    timestamp_header="X-Time",
    key_id_header="X-Key",
)
SIGNED = ProxyRoute(
    "weather",
    provider="weather",
    path="/signed",
    methods=("POST",),
    parameters=[QueryParameter("q")],
    body=JSONBody(undeclared="forward"),
)
FORMS = (
    KEY.encode(),
    KEY.encode().hex().encode(),
    base64.b64encode(KEY.encode()),
    base64.urlsafe_b64encode(b"x" + KEY.encode()),
    "".join(f"%{byte:02x}" for byte in KEY.encode()).encode(),
    "".join(f"\\u{byte:04x}" for byte in KEY.encode()).encode(),
)


def _told(visit: Visit, judged: bool) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """An answer that tells all it was sent, and the secret in every form."""
    lines = [(b"x-request-id", value) for _, value in visit.received.lines]
    heard = b"\n".join(b"%b: %b" % line for line in visit.received.lines)
    return (200 if judged else 401), lines[-1:], b" ".join((heard, *FORMS))


async def verify_hmac(visit: Visit) -> None:
    """A provider that takes what is signed with the key, and was so within 5 seconds."""
    await visit.read_all()
    get = visit.received.headers.get
    stamp, digest = get(b"x-time") or b"", hashlib.sha256(visit.received.body).hexdigest().encode()
    parts = (stamp, visit.received.method.encode(), get(b"host") or b"", visit.received.target, digest)
    mac = base64.b64encode(hmac.digest(KEY.encode(), b"\n".join(parts), "sha256"))
    sound = get(b"x-sign") == b"v1=" + mac and get(b"x-key") == b"ann" and abs(int(stamp) - time.time()) < 5
    await visit.answer(*_told(visit, sound))


async def verify_bearer(visit: Visit) -> None:
    """A resource server with one access token."""
    await visit.answer(*_told(visit, visit.received.headers.all(b"authorization") == (b"Bearer " + KEY.encode(),)))


@asynccontextmanager
async def _signing(credential: Credential, secret: str, **plugs: Any) -> AsyncGenerator[Gate, None]:
    """A gate in front of a provider with that credential and that secret."""
    async with open_gate(routes=[SIGNED], **plugs) as gate:
        base = f"https://weather.localhost:{gate.provider.port}"
        await gate.shop.register_provider(Provider("weather", base, credential))
        await gate.shop.put_secret("weather", Secret(secret), provider="weather")
        yield gate


async def _posted(gate: Gate, *lines: tuple[bytes, bytes]) -> Answer:
    headers = [HERE, (b"content-type", b"application/json"), *lines]
    return await gate.call(gate.shop.url("weather"), b"q=a:b", method="POST", headers=headers, body=[b'{"a":', b"1}"])


def _assert_clean(gate: Gate, answer: Answer) -> None:
    whole = b"\n".join([*(value for _, value in answer.headers), answer.body])
    assert b"[redacted]" in answer.body
    assert not [form for form in FORMS if form in whole]
    (received,) = gate.provider.requests
    for name, value in received.lines:
        if name.lower() in {b"authorization", b"x-sign"}:
            # Whoever had it could repeat the call, at the provider itself.
            assert value.rpartition(b"ature=")[2].removeprefix(b"v1=").removeprefix(b"Bearer ") not in whole


async def test_a_provider_verifies_an_hmac_of_what_it_was_sent_and_tells_nothing_of_the_key() -> None:
    async with _signing(HMAC, f"ann:{KEY}") as gate:
        gate.provider.on("/signed", verify_hmac)
        answer = await _posted(gate, (b"x-sign", b"mine"), (b"x-time", b"0"), (b"x-key", b"eve"))
        assert answer.status == 200
        _assert_clean(gate, answer)
        assert b"x-key: ann" in answer.body


async def test_a_signature_says_when_a_call_is_sent_and_not_when_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = StillClock()
    monkeypatch.setattr(residence, "_now", clock.now)
    came = clock.seconds()

    def take_long(_: AcceptedCall) -> None:
        clock.go_on(20)

    async with _signing(HMAC, f"ann:{KEY}", sanitizers={"weather": take_long}) as gate:
        gate.provider.on("/signed", lambda visit: visit.answer(200))
        assert (await _posted(gate)).status == 200
        (received,) = gate.provider.requests
    assert received.headers.get(b"x-time") == b"%d" % (came + 20)


async def test_a_provider_gets_an_access_token_and_tells_nothing_of_it() -> None:
    async with _signing(OAuth2Credential(), KEY) as gate:
        gate.provider.on("/signed", verify_bearer)
        answer = await _posted(gate, (b"authorization", b"Bearer mine"))
        assert answer.status == 200
        _assert_clean(gate, answer)


async def test_an_aws_provider_that_tells_all_it_knows_tells_nothing_of_the_key() -> None:
    secret = f"AKID:{canary.secret('other')}:{KEY}"
    async with _signing(AWSCredential("eu-central-1", "execute-api"), secret) as gate:
        gate.provider.on("/signed", lambda visit: visit.answer(*_told(visit, judged=True)))
        answer = await _posted(gate, (b"x-amz-date", b"mine"))
        assert answer.status == 200
        _assert_clean(gate, answer)
        assert b"mine" not in answer.body


@pytest.mark.parametrize("credential", [HMAC, AWSCredential("eu-central-1", "lambda")], ids=["hmac", "aws"])
async def test_a_route_whose_body_cannot_be_signed_is_not_added(credential: Credential) -> None:
    async with open_gate() as gate:
        await gate.shop.register_provider(Provider("signed", "https://signed.example", credential))
        raw = ProxyRoute("raw", provider="signed", methods=("PUT",), body=RawBody(("text/plain",)))
        with pytest.raises(InvalidValueError, match="the route 'raw' cannot have a RawBody"):
            await gate.shop.add_route(raw)
        # Nor does a provider become one that signs while such a route is there.
        await gate.shop.register_provider(Provider("plain", "https://signed.example", OAuth2Credential()))
        await gate.shop.add_route(replace(raw, provider="plain"))
        with pytest.raises(InvalidValueError, match="the route 'raw' cannot have a RawBody"):
            await gate.shop.register_provider(Provider("plain", "https://signed.example", credential))
