"""The doctor looks at real gates behind a real front server, from outside."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trustme
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Receive, Scope, Send

from apikeychain import APIKeyChain, APIKeyChainMiddleware, APIKeyChainSettings
from apikeychain.cli.demo import serving
from apikeychain.doctor.finding import Finding
from apikeychain.doctor.probes import Place, _ahead, _speaks_old, look_at_deployment, parse_place
from apikeychain.errors import InvalidValueError
from terminal import Terminal
from tls_front import Forwarding, tls_front

TRUSTING = APIKeyChainSettings(trusted_proxies=("127.0.0.1",), outer_cors=True)


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return made


@asynccontextmanager
async def gate_behind(
    authority: trustme.CA,
    settings: APIKeyChainSettings = TRUSTING,
    *,
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    forwarding: Forwarding = "overwrites",
    cors: bool = False,
) -> AsyncGenerator[tuple[int, int], None]:
    """A gate behind TLS: the port in front, and the one behind."""
    app = Starlette()
    app.add_middleware(APIKeyChainMiddleware, keychain=APIKeyChain.in_memory(settings=settings))
    if cors:
        app.add_middleware(CORSMiddleware, allow_origins=["*"])
    with serving.bound(0) as (listener, *_):
        behind = serving.port_of(listener)
        async with serving.served(app, listener), tls_front(behind, authority, version, forwarding) as front:
            yield front, behind


async def look(tmp_path: Path, port: int, *, plain: int | None = None) -> list[Finding]:
    place = Place("localhost", port, "/api/apikeychain", plain)
    return [
        finding for finding in await look_at_deployment(place, ca_file=tmp_path / "ca.pem") if finding.state != "ok"
    ]


async def test_a_good_deployment_leaves_nothing_to_say(tmp_path: Path, authority: trustme.CA) -> None:
    async with gate_behind(authority) as (front, behind):
        assert await look(tmp_path, front, plain=behind) == []
        assert await look(tmp_path, front) == []


async def test_a_front_server_that_says_nothing_is_told(tmp_path: Path, authority: trustme.CA) -> None:
    async with gate_behind(authority, forwarding="nothing") as (front, _):
        (finding,) = await look(tmp_path, front)
    assert "for one over http" in finding.told


async def test_a_front_server_that_believes_callers_is_told(tmp_path: Path, authority: trustme.CA) -> None:
    async with gate_behind(authority, forwarding="believes") as (front, _):
        (finding,) = await look(tmp_path, front)
    assert finding.told == "what a caller says of its own way is believed"


async def test_cors_in_front_of_the_gate_is_told(tmp_path: Path, authority: trustme.CA) -> None:
    async with gate_behind(authority, cors=True) as (front, _):
        (finding,) = await look(tmp_path, front)
    assert "a foreign origin is allowed in the answer to a call and a preflight" in finding.told


async def test_an_older_tls_and_a_plain_port_that_answers_are_told(tmp_path: Path, authority: trustme.CA) -> None:
    async def host(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    with serving.bound(0) as (listener, *_):
        async with (
            serving.served(host, listener),
            gate_behind(authority, version=ssl.TLSVersion.TLSv1_2) as (front, _),
        ):
            found = await look(tmp_path, front, plain=serving.port_of(listener))
    assert [finding.told for finding in found] == [
        "the connection is TLSv1.2",
        "a call over http is answered with status 200",
    ]


async def test_who_does_not_answer_or_cannot_be_trusted_is_told(tmp_path: Path, authority: trustme.CA) -> None:
    with serving.bound(0) as (listener, *_):
        port = serving.port_of(listener)
    (finding,) = await look(tmp_path, port)
    assert "it does not answer: ConnectionRefusedError" in finding.told
    async with gate_behind(trustme.CA()) as (front, _):
        (finding,) = await look(tmp_path, front)
    assert "its certificate does not hold: unable to get local issuer certificate" in finding.told


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
@pytest.mark.parametrize(("version", "is_old"), [("TLSv1_1", True), ("TLSv1_2", False)])
async def test_a_version_that_nobody_should_speak_is_found(authority: trustme.CA, version: str, is_old: bool) -> None:
    async with gate_behind(authority, version=ssl.TLSVersion[version]) as (front, _):
        assert await _speaks_old(Place("127.0.0.1", front, "/", None)) is is_old


async def test_a_plain_port_that_is_closed_is_as_it_should_be(tmp_path: Path, authority: trustme.CA) -> None:
    with serving.bound(0) as (listener, *_):
        closed = serving.port_of(listener)
    async with gate_behind(authority) as (front, _):
        assert await look(tmp_path, front, plain=closed) == []


@pytest.mark.parametrize("date", [{}, {"date": "now"}], ids=["none", "no date"])
def test_a_server_without_a_date_tells_no_time(date: dict[str, str]) -> None:
    assert _ahead(httpx.Response(200, headers=date), 0) is None


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://shop.example.com", Place("shop.example.com", 443, "/api/apikeychain", 80)),
        ("https://shop.example.com/keys/", Place("shop.example.com", 443, "/keys", 80)),
        ("https://[::1]:8443/keys", Place("::1", 8443, "/keys", None)),
    ],
    ids=["host", "path", "port"],
)
def test_an_address_names_a_place(url: str, place: Place) -> None:
    assert parse_place(url) == place


@pytest.mark.parametrize(
    "url", ["http://shop.example.com", "shop.example.com", "https://", "https://a:b@c", "https://a?b", "https://a:b"]
)
def test_what_is_no_https_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidValueError, match="say an https address"):
        parse_place(url)


def test_the_command_looks_from_outside(terminal: Terminal, authority: trustme.CA) -> None:
    async def looked() -> tuple[int, str, str]:
        async with gate_behind(authority) as (front, _):
            url = f"https://localhost:{front}"
            arguments = ("doctor", "--url", url, "--ca-file", str(terminal.data.parent / "ca.pem"))
            return await asyncio.to_thread(terminal.run, *arguments)

    code, out, err = asyncio.run(looked())
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "ok       tls           the connection is TLS 1.3"
