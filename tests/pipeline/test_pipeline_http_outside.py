"""Requests that others wrote down to confuse servers and proxies, end to end: raw bytes on a socket of uvicorn, the
gate, and a provider that writes down what reaches it. Where the folder of cases is absent there are no tests.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from starlette.types import Receive, Scope, Send

from apikeychain import APIKeyChainMiddleware, APIKeyChainSettings, HeaderCredential, Provider, ProxyRoute, RawBody
from apikeychain.testing.local_provider import Received
from gate import KEY, Gate, host, open_gate
from http_cases import ABUSES, sent
from wire import PARSERS, served

ABUSED = ProxyRoute(
    "abused",
    provider="weather",
    path="/here",
    tail=True,
    methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
    body=RawBody(["application/octet-stream"]),
)
WITH_HEADER = Provider("weather", "https://weather.localhost", HeaderCredential("X-Api-Key"))
LAST = b"GET /last HTTP/1.1\r\nhost: host.example\r\nconnection: close\r\n\r\n"
MUST_BE_SERVED = {"secret_still_injected", "stripped", "serve"}
NEVER_SENT = {b"connection", b"proxy-connection", b"upgrade", b"http2-settings", b"te", b"trailer", b"authorization"}

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Site:
    """A server in front of a provider.

    Attributes:
        strangers: the paths that reached the host's own application.
    """

    port: int
    gate: Gate
    strangers: list[str]

    async def send(self, raw: bytes) -> tuple[int, bytes, list[Received]]:
        """The first status (0: none), the whole answer, and what the provider saw, of bytes and one request more.

        The request more ends the connection, and is what a smuggled head would swallow.
        """
        before = len(self.gate.provider.requests)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        pieces: list[bytes] = []
        with contextlib.suppress(ConnectionError, TimeoutError):
            writer.write(raw + LAST)
            async with asyncio.timeout(2):
                while piece := await reader.read(65536):
                    pieces.append(piece)
        writer.close()
        answer = b"".join(pieces)
        return int(answer[9:12] or 0), answer, self.gate.provider.requests[before:]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=PARSERS)
async def site(request: pytest.FixtureRequest) -> AsyncGenerator[Site, None]:
    strangers: list[str] = []

    async def writing_host(scope: Scope, receive: Receive, send: Send) -> None:
        strangers.append(scope["path"])
        await host(scope, receive, send)

    settings = APIKeyChainSettings(trusted_proxies=("127.0.0.1",))
    async with open_gate(settings=settings, provider=WITH_HEADER, routes=[ABUSED]) as gate:
        await gate.shop.configure(quota="100000/minute", address_quota="100000/minute")
        gate.provider.on("/here", lambda visit: visit.answer(200, body=b"fine"))
        async with served(APIKeyChainMiddleware(writing_host, gate.keychain), request.param) as port:
            yield Site(port, gate, strangers)


if ABUSES:

    @pytest.mark.parametrize("case", ABUSES, ids=lambda case: case["id"])
    async def test_a_request_that_others_tried_is_served_clean_or_refused(case: dict[str, Any], site: Site) -> None:
        known = len(site.strangers)
        raw = sent(case, site.gate.shop.url("abused").encode())
        status, answer, seen = await site.send(raw)
        strangers = [path for path in site.strangers[known:] if path != "/last"]
        assert "/smuggled" not in site.strangers
        assert KEY.encode() not in answer
        assert b"\r\nset-cookie" not in answer.lower()
        assert status < 500 or (status in {501, 505} and not seen)
        if case["expect"] in MUST_BE_SERVED:
            assert (status, len(seen)) == (200, 1)
        if case["expect"] in {"reject", "4xx"}:
            assert (status == 0 or status >= 400, seen) == (True, [])
        if "strict_oracle" in case:
            assert len(seen) + len(strangers) <= case["strict_oracle"]["requests_seen"]
        for request in seen:
            _require_clean(request)


def _require_clean(request: Received) -> None:
    lines = Received("", b"", request.lines, 0).headers
    assert lines.all(b"x-api-key") == (KEY.encode(),)
    assert not NEVER_SENT & {name for name, _ in lines}
    assert not [value for _, value in lines if value in {b"client", b"evil.test", b"/admin", b"other", b"127.0.0.1"}]
    assert request.target.startswith(b"/here")
