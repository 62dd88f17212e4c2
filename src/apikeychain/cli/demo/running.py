"""Builds the house of the demo: the provider, the keychain, the host application and the two pages."""

import contextlib
import tempfile
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from apikeychain.cli.demo import serving
from apikeychain.cli.demo.house import House
from apikeychain.cli.demo.pages import foreign_page, own_page
from apikeychain.cli.demo.weather import WeatherProvider
from apikeychain.keychain import APIKeyChain
from apikeychain.middleware import APIKeyChainMiddleware
from apikeychain.model.route import ProxyRoute, QueryParameter

TENANT, PROJECT = "demo", "storefront"
LIMITED_CALLS = 3
ROUTES = (
    ProxyRoute(
        "weather",
        provider="weather",
        path="/data/2.5/weather",
        parameters=(QueryParameter("q", pattern="[A-Za-z ,]{1,64}", required=True),),
    ),
    ProxyRoute("forecast", provider="weather", path="/data/2.5/forecast", stream=True),
    ProxyRoute("echo", provider="weather", path="/echo"),
    ProxyRoute("limited", provider="weather", path="/echo", quota=f"{LIMITED_CALLS}/minute"),
)


@contextlib.asynccontextmanager
async def running(directory: Path | None, port: int) -> AsyncGenerator[House, None]:
    """The whole demo, until the end of the block.

    Args:
        directory: kept afterwards; None for one that is removed.
        port: of the host application; the pages take the next two. 0 for any that are free.

    Raises:
        SetupError: a port is taken, or the directory cannot be used.
    """
    async with contextlib.AsyncExitStack() as stack:
        sockets = stack.enter_context(serving.bound(port))
        folder = directory or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="apikeychain-demo-")))
        weather = await stack.enter_async_context(WeatherProvider())
        network = {base: replace(given, tenants=frozenset({TENANT})) for base, given in weather.network.items()}
        keychain = APIKeyChain.embedded(folder, development=True, network=network)
        await keychain.serve()
        stack.push_async_callback(keychain.close)
        host, own, foreign = (serving.port_of(socket) for socket in sockets)
        tenant = await keychain.ensure_tenant(TENANT)
        house = House(
            directory=folder,
            weather=weather,
            tenant=tenant,
            project=await tenant.ensure_project(PROJECT),
            api=f"http://{serving.ADDRESS}:{host}",
            own=f"http://localhost:{own}",
            foreign=f"http://localhost:{foreign}",
        )
        await _configure(house)
        for app, socket in zip((host_app(keychain), own_page(house), foreign_page(house)), sockets, strict=True):
            await stack.enter_async_context(serving.served(app, socket))
        yield house


def host_app(keychain: APIKeyChain) -> Starlette:
    """The application that was there before, and the one line that was added to it."""

    async def home(_: Request) -> PlainTextResponse:
        return PlainTextResponse("The host application's own page.\n")

    app = Starlette(routes=[Route("/", home)])
    app.add_middleware(APIKeyChainMiddleware, keychain=keychain)
    return app


async def _configure(house: House) -> None:
    await house.project.configure(
        origins=[house.own],
        providers=[house.weather.provider],
        secrets={"weather": house.weather.key},
        routes=ROUTES,
        enabled=True,
        quota="600/minute",
        address_quota="300/minute",
        prune=True,
    )
