"""The gate as a host serves it, one ASGI factory: the embedded default with every check on.

What it needs to know is in the environment: BASE and AUTHORITY of the provider, KEY, DATA for what is kept, and what
the further variables of a `Kind` say. Once it serves, DATA holds ``ready.json`` with what a caller needs.
"""

import asyncio
import gc
import json
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from apikeychain import (
    APIKeyChain,
    APIKeyChainMiddleware,
    APIKeyChainSettings,
    HeaderCredential,
    Network,
    Provider,
    ProxyRoute,
    QueryParameter,
    RawBody,
    Secret,
)
from apikeychain.backends.memory_assets import MemoryAssets

# That of the peers, which import nothing of ours.
SCRIPT = b"// 0123456789 abcdefghijklmnopqrstuvwxyz\n" * 400
ORIGIN = "https://app.example.com"
SETTINGS = APIKeyChainSettings(trusted_proxies=("127.0.0.1",))
_ENDLESS = "100000000/minute"
_PARAMETERS = (
    QueryParameter("q", pattern="[A-Za-z ,]{1,64}", required=True),
    QueryParameter("limit", type="integer", minimum=1, maximum=100),
)
_ROUTES = (
    ProxyRoute("thing", provider="things", path="/v1/thing", parameters=_PARAMETERS),
    ProxyRoute("events", provider="things", path="/v1/events", stream=True),
    ProxyRoute("down", provider="things", path="/v1/down"),
    ProxyRoute("up", provider="things", path="/v1/up", methods=["POST"], body=RawBody(), max_body_bytes=100 * 2**20),
)


async def tasks(_: Request) -> PlainTextResponse:
    """How many tasks there are."""
    return PlainTextResponse(str(len(asyncio.all_tasks())))


def gate() -> Starlette:
    """A host with nothing in it but the gate."""
    base, folder = os.environ["BASE"], Path(os.environ["DATA"])
    network = {base: Network(private=True, trust=os.environ["AUTHORITY"])}
    settings = replace(SETTINGS, ledger_mode="write-ahead" if "LEDGER_MODE" in os.environ else "buffered")
    keychain = APIKeyChain.embedded(folder, settings=settings, network=network, **_plugs())

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        acme = await keychain.ensure_tenant("acme")
        shop = await acme.ensure_project("storefront")
        await shop.configure(
            origins=[ORIGIN],
            providers=[Provider("things", base, HeaderCredential("x-api-key"))],
            secrets={"things": Secret(os.environ["KEY"])},
            routes=[*_ROUTES, *_further(int(os.environ.get("ROUTES", "1")) - 1)],
            quota=_ENDLESS,
            address_quota=_ENDLESS,
            enabled=True,
        )
        shown = await shop.add_signing_key()
        ready = {"url": shop.url("thing"), "key_id": shown.id, "key": shown.key.reveal().decode()}
        (folder / "ready.json").write_text(json.dumps(ready), encoding="ascii")
        if "FREEZE" in os.environ:
            gc.collect()
            gc.freeze()
        yield

    app = Starlette(lifespan=lifespan, routes=[Route("/tasks", tasks)])
    app.add_middleware(APIKeyChainMiddleware, keychain=keychain)
    return app


def assets() -> APIKeyChainMiddleware:
    """A gate that serves an asset, in front of a host of a few lines: what Starlette costs is not measured."""
    folder = Path(os.environ["DATA"])
    keychain = APIKeyChain.embedded(folder, settings=SETTINGS, asset_store=MemoryAssets())

    async def host(_: Scope, receive: Receive, send: Send) -> None:
        await receive()
        shop = await (await keychain.ensure_tenant("acme")).ensure_project("storefront")
        await shop.configure(origins=[ORIGIN], assets=True)
        await shop.assets.put("script.js", SCRIPT)
        (folder / "ready.json").write_text(json.dumps({"url": await shop.assets.url("script.js")}), encoding="ascii")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    return APIKeyChainMiddleware(host, keychain)


def _further(count: int) -> list[ProxyRoute]:
    return [replace(_ROUTES[0], name=f"thing-{number}", path=f"/v1/thing/{number}") for number in range(count)]


def _plugs() -> dict[str, Any]:
    """In place of the default's: what UPSTREAM, VALKEY and DATABASE ask for. The others do without their modules."""
    plugs: dict[str, Any] = {}
    if os.environ.get("UPSTREAM") == "httpx":
        from apikeychain.backends.upstream_httpx import HttpxUpstream  # noqa: PLC0415  # see above

        plugs["upstream"] = HttpxUpstream
    if url := os.environ.get("VALKEY"):
        from apikeychain.backends.valkey import ValkeyGuard  # noqa: PLC0415  # see above

        plugs["rate_limiter"] = plugs["replay_guard"] = ValkeyGuard(url)
    if url := os.environ.get("DATABASE"):
        from apikeychain.backends.sql import PostgresSignals, SQLStore  # noqa: PLC0415  # see above

        plugs["store"] = store = SQLStore.postgres(url)
        plugs["signals"] = PostgresSignals(store)
    return plugs
