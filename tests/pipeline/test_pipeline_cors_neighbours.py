"""A host's own CORSMiddleware on either side of ours: inside it touches no answer of the gate, outside nothing starts.

Where a host wants it outside all the same (`outer_cors`), it decides who may read; who may call stays ours.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from apikeychain import APIKeyChain, APIKeyChainMiddleware, APIKeyChainSettings
from apikeychain.errors import MisplacedMiddlewareError
from apikeychain.model.headers import Line
from gate import APP, Answer, Gate, open_gate

EVIL = "https://evil.example"
OTHER = "https://other.example.com"
PREFLIGHT = (b"access-control-request-method", b"GET")
REPAIR = "Add ours last: app.add_middleware(APIKeyChainMiddleware, keychain=keychain)"


class OwnCORS(CORSMiddleware):
    """As hosts derive it."""


async def home(_: Request) -> PlainTextResponse:
    return PlainTextResponse("home")


def theirs(kind: type[CORSMiddleware] = CORSMiddleware, origins: Sequence[str] = ("*",)) -> Middleware:
    """The host's: by default it opens everything to everybody."""
    return Middleware(
        kind,
        allow_origins=list(origins),
        allow_methods=["*"],
        allow_headers=["*"],
        allow_credentials=True,
        expose_headers=["x-own"],
    )


def host(*outside_first: Middleware) -> Starlette:
    return Starlette(routes=[Route("/", home)], middleware=list(outside_first))


def ours(keychain: APIKeyChain) -> Middleware:
    return Middleware(APIKeyChainMiddleware, keychain=keychain)


@asynccontextmanager
async def neighbours(outside: str, *, origins: Sequence[str] = ("*",)) -> AsyncGenerator[Gate, None]:
    """A gate whose host has a CORSMiddleware: ``"ours"`` or ``"theirs"`` stands outside, or ``"none"`` is there."""
    async with open_gate(settings=APIKeyChainSettings(outer_cors=outside == "theirs")) as gate:
        pair = [ours(gate.keychain), theirs(origins=origins)]
        stack = {"ours": pair, "theirs": pair[::-1], "none": pair[:1]}[outside]
        yield replace(gate, app=host(*stack))  # type: ignore[arg-type]  # whatever is called like ours


async def ask(gate: Gate, origin: str, *lines: Line, method: str = "GET") -> Answer:
    headers = [(b"origin", origin.encode()), *lines]
    return await gate.call(gate.shop.url("weather"), b"q=Paris", method=method, headers=headers)


def readers(answer: Answer) -> list[str]:
    return [value.decode() for value in answer.headers.all(b"access-control-allow-origin")]


@pytest.mark.parametrize("origin", [APP, EVIL])
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "DELETE"])
async def test_theirs_inside_ours_touches_no_answer_of_the_gate(origin: str, method: str) -> None:
    told: list[object] = []
    for outside in ("none", "ours"):
        async with neighbours(outside) as gate:
            answer = await ask(gate, origin, *([PREFLIGHT] if method == "OPTIONS" else []), method=method)
            body = answer.body.replace(gate.shop.id.encode(), b"")
            told.append((answer.status, answer.code, sorted(answer.headers), body, len(gate.provider.requests)))
    assert told[0] == told[1]


async def test_theirs_inside_ours_still_serves_the_hosts_own_routes() -> None:
    async with neighbours("ours") as gate:
        answer = await gate.call("/", headers=[(b"origin", EVIL.encode())])
        preflight = await gate.call("/", method="OPTIONS", headers=[(b"origin", EVIL.encode()), PREFLIGHT])
    assert (answer.status, answer.body, readers(answer)) == (200, b"home", [EVIL])
    assert (preflight.status, readers(preflight)) == (200, [EVIL])


@pytest.mark.parametrize("kind", [CORSMiddleware, OwnCORS])
def test_theirs_outside_of_ours_keeps_the_host_from_starting(
    kind: type[CORSMiddleware], caplog: pytest.LogCaptureFixture
) -> None:
    app = host(theirs(kind), ours(APIKeyChain.in_memory()))
    with pytest.raises(MisplacedMiddlewareError, match=r"app\.add_middleware"), TestClient(app):
        pytest.fail("it started")
    (line,) = [record.getMessage() for record in caplog.records if record.name == "apikeychain"]
    assert line.endswith(REPAIR)
    assert "\n" not in line


def test_the_line_that_repairs_it_does() -> None:
    app = host()
    app.add_middleware(CORSMiddleware, allow_origins=["*"])
    app.add_middleware(APIKeyChainMiddleware, keychain=APIKeyChain.in_memory())
    with TestClient(app) as client:
        assert client.get("/").text == "home"


async def test_theirs_outside_where_it_is_wanted_answers_preflights_and_calls_nobody() -> None:
    async with neighbours("theirs") as gate:
        preflight = await ask(gate, EVIL, PREFLIGHT, method="OPTIONS")
        assert (preflight.status, readers(preflight)) == (200, [EVIL])
        refused = await ask(gate, EVIL)
        assert (refused.status, refused.code) == (403, "origin-refused")
        assert gate.provider.requests == []


@pytest.mark.parametrize("origins", [("*",), (APP,), (APP, OTHER)])
async def test_theirs_outside_where_it_is_wanted_leaves_one_allowed_reader(origins: Sequence[str]) -> None:
    async with neighbours("theirs", origins=origins) as gate:
        answer = await ask(gate, APP)
        assert answer.status == 200
        assert len(readers(answer)) == 1
        assert readers(answer)[0] in {APP, "*"}
        foreign = await ask(gate, OTHER)
        assert (foreign.status, foreign.code, len(gate.provider.requests)) == (403, "origin-refused", 1)
