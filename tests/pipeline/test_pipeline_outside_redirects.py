"""Redirects and addresses that others wrote down to lead a call or its secret elsewhere: the gate, a provider that
writes down what reaches it, and a resolver that answers as the case says. Where the folder of cases is absent there are
no tests.
"""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio

from apikeychain import ProxyRoute
from apikeychain.backends.upstream_aiohttp import AiohttpUpstream
from apikeychain.backends.upstream_httpx import HttpxUpstream
from apikeychain.embedded import UpstreamFactory
from apikeychain.model.headers import Line
from apikeychain.testing.eventually import until
from apikeychain.testing.local_provider import Visit
from gate import APP, KEY, Answer, Gate
from outside import cases
from outward import GOOD, HOST, LOOPBACK, Detour, dialled, open_outward

REDIRECTS, ADDRESSES = cases("redirect_dns"), cases("ip_ranges")
MOVES = [case for case in REDIRECTS if "location" in case]
ANSWERS = [case for case in REDIRECTS if "dns_answers" in case]
OTHERS = [case for case in REDIRECTS if "location" not in case and "dns_answers" not in case]
ROUTE = ProxyRoute("r", provider="p0", path="", tail=True, secret="p0")
UPSTREAMS = [AiohttpUpstream, HttpxUpstream]
CLOSE = (b"connection", b"close")

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def get_x(gate: Gate) -> Answer:
    return await gate.call(gate.shop.url("r") + "/x", headers=[(b"origin", APP.encode())])


def says(gate: Gate, status: int, *lines: Line) -> None:
    """Let the provider answer so, on connections that are not kept."""
    gate.provider.on("/v1/x", lambda visit: visit.answer(status, [CLOSE, *lines], b""))


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=UPSTREAMS)
async def site(request: pytest.FixtureRequest) -> AsyncGenerator[tuple[Gate, Detour], None]:
    detour = Detour([GOOD])
    async with open_outward(request.param, detour, ROUTE, bases=["/v1"]) as gate:
        yield gate, detour


Site = tuple[Gate, Detour]


async def seen_once(site: Site) -> Answer:
    """The answer to one call that made one request and nothing else, with the secret where it belongs."""
    gate, detour = site
    detour.clock.now += 31
    before = len(gate.provider.requests)
    with dialled() as seen:
        answer = await get_x(gate)
    (received,) = gate.provider.requests[before:]
    assert received.target == b"/v1/x"
    assert (seen.connects, seen.lookups) == ([(LOOPBACK, gate.provider.port)], [])
    assert {host for host, _ in detour.names.asked} == {HOST}
    assert KEY.encode() not in answer.body + repr(answer.headers.lines).encode()
    return answer


if MOVES:

    @pytest.mark.parametrize("case", MOVES, ids=lambda case: case["id"])
    async def test_a_redirect_that_others_tried_is_neither_followed_nor_passed(
        case: dict[str, Any], site: Site
    ) -> None:
        assert case["expect"] in {"not_followed", "not_followed_with_secret"}
        says(site[0], case["status"], (b"location", case["location"].encode()))
        answer = await seen_once(site)
        assert (answer.status, answer.code) == (502, "upstream-refused")
        assert b"location" not in answer.headers


def _lines(case: dict[str, Any], port: int) -> tuple[int, list[Line]]:
    """What a provider answers in a case that tells it in words."""
    for words, status, line in (
        ("304", 304, (b"etag", b'"1"')),
        ("same-origin redirect", 302, (b"location", f"https://{HOST}:{port}/v1/y".encode())),
        ("Refresh", 200, (b"refresh", b"0; url=https://evil.test")),
        ("Content-Location", 200, (b"content-location", b"http://169.254.169.254/")),
        ("Link", 200, (b"link", b"<http://evil.test>; rel=preload")),
    ):
        if words in case["why"]:
            return status, [line]
    return 200, []


if OTHERS:

    @pytest.mark.parametrize("case", OTHERS, ids=lambda case: case["id"])
    async def test_what_others_let_a_provider_point_at_is_not_fetched(case: dict[str, Any], site: Site) -> None:
        status, lines = _lines(case, site[0].provider.port)
        says(site[0], status, *lines)
        answer = await seen_once(site)
        assert answer.status == status
        assert not {b"refresh", b"content-location", b"link"} & {name for name, _ in answer.headers}
        assert answer.headers.get(b"location") == (site[0].shop.url("r") + "/y").encode() or status != 302


if ADDRESSES:

    @pytest.mark.parametrize("case", ADDRESSES, ids=lambda case: case["id"])
    async def test_an_address_that_others_listed_is_dialled_or_refused(case: dict[str, Any], site: Site) -> None:
        gate, detour = site
        says(gate, 200)
        detour.names.answers = [[case["ip"]]]
        detour.clock.now += 31
        # A name that was refused stays so for the call that asks for it anew.
        await get_x(gate)
        await until(lambda: not [*detour._door._flights])
        before = len(gate.provider.requests), len(detour.handed)
        with dialled() as seen:
            answer = await get_x(gate)
        sent = len(gate.provider.requests) - before[0]
        allowed = case["expect"] == "allow" and not case.get("doubtful")
        assert (answer.status, sent) == ((200, 1) if allowed else (502, 0))
        assert detour.handed[before[1] :] == [case["ip"]] * sent
        assert len(seen.connects) == sent


if ANSWERS:

    @pytest.mark.parametrize("case", ANSWERS, ids=lambda case: case["id"])
    @pytest.mark.parametrize("upstream", UPSTREAMS)
    @pytest.mark.parametrize("kept", [False, True])
    async def test_answers_of_a_resolver_that_others_tried_lead_nowhere_inside(
        case: dict[str, Any], upstream: UpstreamFactory, kept: bool
    ) -> None:
        detour = Detour(*case["dns_answers"])
        async with open_outward(upstream, detour, ROUTE, bases=["/v1"]) as gate:
            gate.provider.on("/v1/x", Visit.answer) if kept else says(gate, 200)
            statuses: list[int] = []
            for _ in [*case["dns_answers"], "again"]:
                statuses.append((await get_x(gate)).status)
                detour.clock.now += 31
            assert statuses[-1] == 502
            assert set(detour.handed) <= {GOOD}
            assert gate.provider.connections == len(detour.handed)
