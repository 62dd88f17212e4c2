"""A host whose own servers sign their calls, and which makes a session key for each user of its page.

Run it::

    export OPENWEATHER_KEY=...        # from https://home.openweathermap.org/api_keys
    python examples/signing/app.py set-up
    uvicorn --app-dir examples/signing app:app --port 8000

The first command makes a signing key and prints, this once, what ``call.py``, ``call.mjs`` and ``call.sh`` beside this
file need. The project asks every call for a signature or a session: a script without a key gets nothing, whatever
origin it claims.
"""

import asyncio
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
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
PAGE = "http://localhost:5173"


def open_keychain(directory: str | Path = DATA, network: Mapping[str, Network] | None = None) -> APIKeyChain:
    """The keychain in `directory`; `network` is for a provider on this machine, in tests."""
    return APIKeyChain.embedded(directory, development=True, network=network)


async def set_up(keychain: APIKeyChain, provider: Provider = providers.OPENWEATHER, page: str = PAGE) -> dict[str, str]:
    """Store what the gate needs, make a signing key, and return what a signer needs."""
    async with keychain:
        project = await (await keychain.ensure_tenant("acme")).ensure_project("storefront")
        await project.configure(
            origins=[page],
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
            require="session",
            enabled=True,
        )
        shown = await project.add_signing_key()
        return {
            "GATE": f"http://localhost:8000{project.url('weather')}",
            "KEY_ID": shown.id,
            "KEY": shown.key.reveal().decode(),
        }


def create_app(keychain: APIKeyChain, page: str = PAGE) -> Starlette:
    """The application, with the one line that was added, and the place where its page gets a session key."""

    async def session_key(request: Request) -> JSONResponse:
        user = "user-42"  # whom your own login knows: never one that the caller names
        if request.headers.get("origin") != page:
            return JSONResponse({"error": "only for the page"}, 403)
        project = await (await keychain.tenant("acme")).project("storefront")
        shown = await project.session_key(user=user, origin=page, ttl=timedelta(minutes=15))
        # the page is on another origin in this example; where it is on your own, these two lines are not needed
        answer = {"access-control-allow-origin": page, "vary": "Origin", "cache-control": "no-store"}
        return JSONResponse({"id": shown.id, "key": shown.key.reveal().decode()}, headers=answer)

    app = Starlette(routes=[Route("/session-key", session_key, methods=["POST"])])
    app.add_middleware(APIKeyChainMiddleware, keychain=keychain)  # last added = outermost
    return app


app = create_app(open_keychain())

if __name__ == "__main__" and sys.argv[1:] == ["set-up"]:
    for name, value in asyncio.run(set_up(open_keychain())).items():
        print(f"export {name}={value}")
