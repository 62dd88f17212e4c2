"""A host that publishes a widget for other pages: a script, a style, and the module with which it calls a route.

Run it::

    export OPENWEATHER_KEY=...        # from https://home.openweathermap.org/api_keys
    python examples/published_widget/app.py set-up > page.html
    uvicorn --app-dir examples/published_widget app:app --port 8000
    python -m http.server 5173        # then open http://localhost:5173/page.html

The first command publishes ``widget.mjs``, ``widget.css`` and the package's own module, and prints a page that loads
them, each with its hash: a browser runs nothing else in their place. Run it again once a file has changed; pages with
the tags of before go on with what they name. There is no key in the page, the widget, or what comes back.
"""

import asyncio
import base64
import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from starlette.applications import Starlette

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
from apikeychain.client import browser_script

DATA = "./apikeychain-data"
HOST, PAGE = "http://localhost:8000", "http://localhost:5173"
FILES = Path(__file__).parent
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>A widget from elsewhere</title>
<link rel="icon" href="data:,">
{style}
<script type="importmap">{imports}</script>
{script}
<h1>A widget from elsewhere</h1>
<weather-card city="{city}"></weather-card>
</html>
"""


def open_keychain(directory: str | Path = DATA, network: Mapping[str, Network] | None = None) -> APIKeyChain:
    """The keychain in `directory`; `network` is for a provider on this machine, in tests."""
    return APIKeyChain.embedded(directory, development=True, network=network)


async def set_up(
    keychain: APIKeyChain, provider: Provider = providers.OPENWEATHER, page: str = PAGE, host: str = HOST
) -> str:
    """Store what the gate needs, publish, and return a page that loads it.

    Args:
        keychain: not open yet.
        provider: another base URL under the name ``openweather``, for tests.
        page: the origin of the page.
        host: that of the application.
    """
    async with keychain:
        project = await (await keychain.ensure_tenant("acme")).ensure_project("widgets")
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
            assets=True,
        )
        await project.assets.put("widget.mjs", FILES / "widget.mjs")
        await project.assets.put("widget.css", FILES / "widget.css")
        await project.assets.put("apikeychain.js", browser_script())
        client = host + await project.assets.url("apikeychain.js", immutable=True)
        return _PAGE.format(
            style=await project.assets.tag("widget.css", base=host),
            imports=_import_map(client, browser_script()),
            script=await project.assets.tag("widget.mjs", base=host),
            city="New York",
        )


def _import_map(url: str, body: bytes) -> str:
    """Where the module named ``apikeychain`` is, and its hash: what is imported has no tag that could say it."""
    integrity = f"sha384-{base64.b64encode(hashlib.sha384(body).digest()).decode()}"
    return json.dumps({"imports": {"apikeychain": url}, "integrity": {url: integrity}})


def create_app(keychain: APIKeyChain) -> Starlette:
    """The application, with the one line that was added."""
    app = Starlette()
    app.add_middleware(APIKeyChainMiddleware, keychain=keychain)  # last added = outermost
    return app


app = create_app(open_keychain())

if __name__ == "__main__" and sys.argv[1:] == ["set-up"]:
    print(asyncio.run(set_up(open_keychain())))
