"""A project that has published assets, and calls for them through the middleware."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from apikeychain import APIKeyChainSettings
from apikeychain.backends.memory_assets import MemoryAssets
from apikeychain.model.asset import AssetPrefix
from apikeychain.model.headers import Line
from apikeychain.model.ids import ProjectId
from apikeychain.residence import Residence
from apikeychain.tenants.project_assets import ProjectAssets
from gate import Answer, Gate, open_gate

SCRIPT = b"export const answer = 42;\n" * 40
STYLE = b"body { color: navy; }\n" * 40


class WatchedAssets(MemoryAssets):
    """Counts the objects that are opened, and keeps whoever opens one waiting while its door is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.door = asyncio.Event()
        self.door.set()

    async def open(self, prefix: AssetPrefix, name: str) -> bytes:
        self.opened.append(name)
        await self.door.wait()
        return await super().open(prefix, name)

    def damage(self) -> None:
        """Flip a bit of every object behind the back of the service."""
        for kept in self._objects.values():
            for name, body in kept.items():
                kept[name] = body[:-1] + bytes([body[-1] ^ 1])

    def lose(self) -> None:
        """Every object is gone."""
        self._objects.clear()


@dataclass
class Shop:
    """A gate whose project serves assets."""

    gate: Gate
    store: WatchedAssets

    @property
    def project(self) -> ProjectId:
        return self.gate.shop.id

    @property
    def assets(self) -> ProjectAssets:
        return self.gate.shop.assets

    @property
    def residence(self) -> Residence:
        return self.gate.residence

    async def told(self, kind: str) -> list[dict[str, Any]]:
        """What the ledger says of a kind, once all is written."""
        await self.residence._ledger.drain()
        return await self.gate.told(kind)

    async def get(
        self, path: str, query: bytes = b"", *lines: Line, method: str = "GET", project: str = "", **scope: Any
    ) -> Answer:
        """Ask for what is at a path of the project."""
        url = f"/api/apikeychain/{project or self.project}/{path}"
        return await self.gate.call(url, query, method=method, headers=lines, scope=scope)


async def heard() -> None:
    """Until the news of a change were heard: they drop what is held."""
    await asyncio.sleep(0.02)


@asynccontextmanager
async def open_shop(*, settings: APIKeyChainSettings | None = None, **wanted: Any) -> AsyncGenerator[Shop, None]:
    """A shop with a script and a style at ``js`` and ``css``; `wanted` of its project is configured too."""
    store = WatchedAssets()
    async with open_gate(settings=settings, asset_store=store) as gate:
        shop = Shop(gate, store)
        await gate.shop.configure(assets=True, **wanted)
        await shop.assets.put("index.js", SCRIPT)
        await shop.assets.put("index.css", STYLE)
        await heard()
        yield shop
