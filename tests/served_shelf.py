"""A gate with assets that a server's own command starts; FOLDER is where it says which project has them."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette

from apikeychain import APIKeyChain, APIKeyChainMiddleware, APIKeyChainSettings
from apikeychain.backends.memory_assets import MemoryAssets

SCRIPT = b"export const answer = 42;\n" * 40
FOLDER = Path(os.environ.get("FOLDER", "."))
ORIGIN = "https://app.example.com"


def create() -> Starlette:
    """The host."""
    settings = APIKeyChainSettings(trusted_proxies=("127.0.0.1",), kdf="pbkdf2-sha512")
    keychain = APIKeyChain.in_memory(settings=settings, asset_store=MemoryAssets())

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        shop = await (await keychain.ensure_tenant("acme")).ensure_project("shop")
        await shop.configure(origins=[ORIGIN], assets=True)
        await shop.assets.put("index.js", SCRIPT)
        (FOLDER / "project").write_text(shop.id, encoding="ascii")
        yield

    app = Starlette(lifespan=lifespan)
    app.add_middleware(APIKeyChainMiddleware, keychain=keychain)
    return app


if "FOLDER" in os.environ:
    app = create()
