"""A gate below a path of its host: a redirect leads back to it, and not to another application of the host."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from apikeychain import APIKeyChainSettings
from apikeychain.testing.eventually import until
from apikeychain.testing.local_provider import Visit
from gate import APP, Gate, open_gate


async def rome(visit: Visit) -> None:
    await visit.answer(302, [(b"location", b"/data/2.5/weather?q=Rome")])


@asynccontextmanager
async def redirecting() -> AsyncGenerator[Gate, None]:
    """A gate whose provider sends every caller to Rome."""
    async with open_gate(settings=APIKeyChainSettings(trusted_proxies=("127.0.0.1",))) as gate:
        gate.provider.on("/data/2.5/weather", rome)
        yield gate


@asynccontextmanager
async def served(gate: Gate, root: str) -> AsyncGenerator[str, None]:
    """The address of uvicorn in front of it, which was told its root path."""
    server = uvicorn.Server(uvicorn.Config(gate.app, port=0, root_path=root, lifespan="off", log_level="critical"))
    serving = asyncio.ensure_future(server.serve())
    await until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


async def test_a_redirect_stays_below_the_path_where_the_gate_is_mounted() -> None:
    async with redirecting() as gate:
        url, origin = gate.shop.url("weather"), (b"origin", APP.encode())
        gate.app = Starlette(routes=[Mount("/sub", gate.app)])  # type: ignore[assignment]  # it is called alike
        answer = await gate.call(f"/sub{url}", b"q=Paris", headers=[origin])
        assert (answer.status, answer.headers.get(b"location")) == (302, f"/sub{url}?q=Rome".encode())


async def test_no_redirect_leads_to_a_host_that_the_caller_wrote_in_the_path() -> None:
    async with redirecting() as gate:
        url, origin = gate.shop.url("weather"), (b"origin", APP.encode())
        gate.app = Starlette(routes=[Mount("/{of_the_caller:path}/app", gate.app)])  # type: ignore[assignment]  # likewise
        answer = await gate.call(f"//evil.example/app{url}", b"q=Paris", headers=[origin])
        assert (answer.status, answer.code) == (502, "upstream-refused")
        assert b"location" not in answer.headers


@pytest.mark.parametrize("root", ["", "/root"])
async def test_a_redirect_stays_below_the_root_path_of_the_server(root: str) -> None:
    async with redirecting() as gate, served(gate, root) as address, httpx.AsyncClient() as browser:
        url = gate.shop.url("weather")
        answer = await browser.get(f"{address}{url}?q=Paris", headers={"origin": APP, "x-forwarded-proto": "https"})
        assert (answer.status_code, answer.headers.get("location")) == (302, f"{root}{url}?q=Rome")
