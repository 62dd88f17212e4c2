"""The gate in a Starlette application without a lifespan of its own, set up by a script that runs once.

Run it::

    export OPENWEATHER_KEY=...        # from https://home.openweathermap.org/api_keys
    python examples/starlette_app.py set-up
    uvicorn --app-dir examples starlette_app:app --port 8000

The first command prints the path that a page on http://localhost:5173 calls; the key is read then and never again.
"""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from apikeychain import (
    APIKeyChain,
    APIKeyChainMiddleware,
    Network,
    Provider,
    ProxyRoute,
    QueryParameter,
    Secret,
    providers,
)

DATA = "./apikeychain-data"


def open_keychain(directory: str | Path = DATA, network: Mapping[str, Network] | None = None) -> APIKeyChain:
    """The keychain in `directory`; `network` is for a provider on this machine, in tests."""
    return APIKeyChain.embedded(directory, development=True, network=network)


async def set_up(keychain: APIKeyChain, provider: Provider = providers.OPENWEATHER) -> str:
    """Store what the gate needs, and return the path that a page calls. Doing it again changes nothing."""
    async with keychain:
        project = await (await keychain.ensure_tenant("acme")).ensure_project("storefront")
        await project.configure(
            origins=["http://localhost:5173"],
            providers=[provider],
            secrets={"openweather": Secret.from_env("OPENWEATHER_KEY")},
            routes=[
                ProxyRoute(
                    "weather",
                    provider="openweather",
                    path="/data/2.5/weather",
                    parameters=[QueryParameter("q", pattern="[A-Za-z ,]{1,64}", required=True)],
                ),
            ],
            enabled=True,
        )
        return project.url("weather")


async def home(_: Request) -> PlainTextResponse:
    """A page that the application had before."""
    return PlainTextResponse("the host's own page")


def create_app(keychain: APIKeyChain) -> Starlette:
    """The application, with the one line that was added."""
    app = Starlette(routes=[Route("/", home)])
    app.add_middleware(APIKeyChainMiddleware, keychain=keychain)  # last added = outermost
    return app


app = create_app(open_keychain())

if __name__ == "__main__" and sys.argv[1:] == ["set-up"]:
    print("the page calls", asyncio.run(set_up(open_keychain())))
