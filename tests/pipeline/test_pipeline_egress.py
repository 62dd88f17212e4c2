"""The guard is the only door: whatever a name resolves to, and whenever it changes, only what was judged is dialled.

Both clients, a provider over TLS on this machine, and a note of every connection that the process tries.
"""

import asyncio
from collections.abc import Sequence

import pytest

from apikeychain import HeaderCredential, Provider, ProxyRoute, Secret
from apikeychain.backends.upstream_aiohttp import AiohttpUpstream
from apikeychain.backends.upstream_httpx import HttpxUpstream
from apikeychain.embedded import UpstreamFactory
from apikeychain.testing.local_provider import Visit
from gate import APP, KEY
from outward import GOOD, LOOPBACK, OTHER, Detour, dialled, get, is_refused, open_outward

ROUTE = ProxyRoute("r", provider="p0", path="/here", secret="p0")
PRIVATE, METADATA = "10.0.0.1", "169.254.169.254"
UPSTREAMS = pytest.mark.parametrize("upstream", [AiohttpUpstream, HttpxUpstream])


async def leaving(visit: Visit) -> None:
    """A provider that keeps no connection, so that every call dials."""
    await visit.answer(200, [(b"connection", b"close")], b"fine")


@UPSTREAMS
async def test_what_was_judged_is_dialled_in_turn_and_nobody_else_is_asked_for_the_name(
    upstream: UpstreamFactory,
) -> None:
    # A second look-up between the judgement and the dial could have another answer.
    detour = Detour([GOOD, OTHER], leads=["127.0.0.2", "127.0.0.3", LOOPBACK])
    async with open_outward(upstream, detour, ROUTE) as gate:
        with dialled() as seen:
            assert (await get(gate)).status == 200
        assert seen.lookups == []
        assert [address[0] for address in seen.connects] == ["127.0.0.2", "127.0.0.3", LOOPBACK]
        assert {address[1] for address in seen.connects} == {gate.provider.port}
        assert detour.handed == [GOOD, OTHER]
        assert gate.provider.server_names == ["api.provider.test"]


@UPSTREAMS
@pytest.mark.parametrize("turned", [PRIVATE, METADATA, LOOPBACK])
async def test_a_name_that_turns_bad_between_two_calls_is_not_dialled_again(
    upstream: UpstreamFactory, turned: str
) -> None:
    detour = Detour([GOOD], [turned])
    async with open_outward(upstream, detour, ROUTE) as gate:
        gate.provider.on("/here", leaving)
        assert (await get(gate)).status == 200
        detour.clock.now += 31
        with dialled() as seen:
            for _ in range(3):
                is_refused(await get(gate))
        assert (seen.connects, detour.handed, len(gate.provider.requests)) == ([], [GOOD], 1)


@UPSTREAMS
async def test_a_connection_that_is_kept_is_refused_too_once_its_name_turned_bad(upstream: UpstreamFactory) -> None:
    detour = Detour([GOOD], [METADATA])
    async with open_outward(upstream, detour, ROUTE) as gate:
        assert (await get(gate)).status == 200
        detour.clock.now += 31
        # The call that asks anew goes out on the connection that was judged; none after it does.
        assert (await get(gate)).status == 200
        with dialled() as seen:
            for _ in range(3):
                is_refused(await get(gate))
        assert (seen.connects, detour.handed) == ([], [GOOD])
        assert (gate.provider.connections, len(gate.provider.requests)) == (1, 2)


@UPSTREAMS
async def test_a_name_that_moves_to_another_good_address_is_followed_there(upstream: UpstreamFactory) -> None:
    detour = Detour([GOOD], [OTHER])
    async with open_outward(upstream, detour, ROUTE) as gate:
        gate.provider.on("/here", leaving)
        for _ in range(2):
            assert (await get(gate)).body == b"fine"
            detour.clock.now += 31
        assert detour.handed == [GOOD, OTHER]


@UPSTREAMS
@pytest.mark.parametrize(
    "answers",
    [
        (GOOD, PRIVATE),
        (PRIVATE, GOOD),
        (GOOD, OTHER, METADATA),
        (GOOD, "::1"),
        (GOOD, "::ffff:127.0.0.1"),
        (GOOD, "::127.0.0.1"),
        (GOOD, "64:ff9b::7f00:1"),
        (GOOD, "2002:7f00:1::1"),
        (GOOD, "2001:0:7f00:1::1"),
        (GOOD, "0.0.0.0"),  # noqa: S104  # an address that is refused, not one to listen on
        (GOOD, "fe80::1%1"),
        (GOOD, ""),
        (),
    ],
)
async def test_one_bad_answer_among_good_ones_refuses_all(upstream: UpstreamFactory, answers: Sequence[str]) -> None:
    detour = Detour(answers)
    async with open_outward(upstream, detour, ROUTE) as gate:
        with dialled() as seen:
            is_refused(await get(gate))
        assert (seen.connects, seen.lookups, detour.handed, gate.provider.requests) == ([], [], [], [])


@UPSTREAMS
async def test_a_private_network_has_metadata_refused_like_any_other(upstream: UpstreamFactory) -> None:
    detour = Detour([LOOPBACK], [METADATA])
    async with open_outward(upstream, detour, ROUTE, network={"private": True}) as gate:
        gate.provider.on("/here", leaving)
        assert (await get(gate)).status == 200
        detour.clock.now += 31
        is_refused(await get(gate))
        assert detour.handed == [LOOPBACK]


@UPSTREAMS
async def test_a_name_that_changes_all_the_time_is_never_dialled_at_a_bad_moment(upstream: UpstreamFactory) -> None:
    detour = Detour(*([GOOD], [PRIVATE], [GOOD, METADATA], [OTHER], OSError(), [LOOPBACK]) * 5)
    async with open_outward(upstream, detour, ROUTE) as gate:
        gate.provider.on("/here", leaving)
        statuses: set[int] = set()
        for _ in range(30):
            answers = await asyncio.gather(*(get(gate) for _ in range(3)))
            statuses |= {answer.status for answer in answers}
            detour.clock.now += 31
        assert statuses == {200, 502}
        assert GOOD in detour.handed
        assert set(detour.handed) <= {GOOD, OTHER}
        assert len(gate.provider.requests) == gate.provider.connections


@UPSTREAMS
async def test_no_proxy_of_the_environment_is_dialled(
    upstream: UpstreamFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    met: list[str] = []

    async def meet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.append("met")
        writer.close()

    async with await asyncio.start_server(meet, LOOPBACK, 0) as proxy:
        address = f"http://user:word@{LOOPBACK}:{proxy.sockets[0].getsockname()[1]}"
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, address)
        async with open_outward(upstream, Detour([GOOD]), ROUTE) as gate:
            with dialled() as seen:
                assert (await get(gate)).status == 200
            assert seen.connects == [(LOOPBACK, gate.provider.port)]
            assert b"proxy-authorization" not in gate.provider.requests[0].headers
    assert met == []


@UPSTREAMS
async def test_a_network_of_one_tenant_is_not_used_by_another_that_registers_its_base_url(
    upstream: UpstreamFactory,
) -> None:
    only_acme = {"private": True, "tenants": frozenset({"acme"})}
    async with open_outward(upstream, Detour([PRIVATE]), ROUTE, network=only_acme) as gate:
        assert (await get(gate)).status == 200
        mallory = await (await gate.keychain.create_tenant("mallory")).create_project("own")
        await mallory.configure(
            origins=[APP],
            providers=[Provider("p0", f"https://api.provider.test:{gate.provider.port}", HeaderCredential("x-own"))],
            secrets={"p0": Secret(KEY)},
            routes=[ROUTE],
            enabled=True,
        )
        with dialled() as seen:
            answer = await gate.call(mallory.url("r"), headers=[(b"origin", APP.encode())])
        assert (answer.status, answer.code, seen.connects) == (404, "not-found", [])
