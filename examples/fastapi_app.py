"""The gate in a FastAPI application, in front of OpenWeather.

Run it::

    export OPENWEATHER_KEY=...        # from https://home.openweathermap.org/api_keys
    uvicorn --app-dir examples fastapi_app:app --port 8000

It prints the path that a page calls. Serve ``examples/browser_page`` beside it and open http://localhost:5173: the page
shows the weather, and the key is nowhere in the browser's network panel. From any other origin the call is refused.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

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

PAGE = "http://localhost:5173"


def create_app(
    directory: str | Path = "./apikeychain-data",
    provider: Provider = providers.OPENWEATHER,
    network: Mapping[str, Network] | None = None,
    page: str = PAGE,
) -> FastAPI:
    """The application.

    Args:
        directory: where the keychain keeps its database and its key file.
        provider: another base URL under the name ``openweather``, for tests.
        network: by which that one is reached.
        page: the origin of the page.
    """
    # SQLite, a key file (0600), in-process limits
    keychain = APIKeyChain.embedded(directory, development=True, network=network)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:  # the keychain is open before this runs
        acme = await keychain.ensure_tenant("acme")
        project = await acme.ensure_project("storefront")
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
            enabled=True,
        )
        app.state.weather = project.url("weather")
        print("the page calls", app.state.weather)
        yield

    app = FastAPI(lifespan=lifespan)
    app.add_middleware(APIKeyChainMiddleware, keychain=keychain)  # last added = outermost

    @app.get("/")
    async def home() -> dict[str, str]:
        return {"weather": app.state.weather}

    return app


app = create_app()
