"""A host application in a process of its own, for what only real sockets and real memory show.

python streaming_host.py DIRECTORY BASE_URL CA_FILE: prints its port, the project's id, and id and text of a signing
key, then serves.
"""

import asyncio
import sys

import uvicorn
from starlette.applications import Starlette

import canary
from apikeychain import (
    APIKeyChain,
    APIKeyChainMiddleware,
    HeaderCredential,
    Network,
    Provider,
    ProxyRoute,
    RawBody,
    Secret,
    Timeouts,
)
from apikeychain.testing.eventually import until

KEY = canary.secret()
ORIGIN = "http://localhost:5173"


async def main(directory: str, base_url: str, ca_file: str) -> None:
    network = {base_url: Network(private=True, trust=ca_file)}
    keychain = APIKeyChain.embedded(directory, development=True, network=network)
    app = Starlette()
    app.add_middleware(APIKeyChainMiddleware, keychain=keychain)
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning")
    server = uvicorn.Server(config)
    async with keychain:
        shop = await (await keychain.ensure_tenant("acme")).ensure_project("shop")
        up = ProxyRoute(
            "up", provider="files", path="/up", methods=["POST"], body=RawBody(), max_body_bytes=100 * 1024 * 1024
        )
        short = ProxyRoute("short", provider="files", path="/down", timeouts=Timeouts(idle=1, total=2))
        await shop.configure(
            origins=[ORIGIN],
            providers=[Provider("files", base_url, HeaderCredential("x-key"))],
            secrets={"files": Secret(KEY)},
            routes=[ProxyRoute("down", provider="files", path="/down"), short, up],
            quota="100000/minute",
            address_quota="100000/minute",
            enabled=True,
        )
        serving = asyncio.create_task(server.serve())
        await until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        key = await shop.add_signing_key()
        print(port, shop.id, key.id, key.key.reveal().decode(), flush=True)  # noqa: T201 - the one line that the test reads
        await serving


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
