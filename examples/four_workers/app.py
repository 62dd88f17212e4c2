"""The host: what it serves is its own, where its keys are says the environment.

``network.json`` in FOUR_WORKERS names the provider of the example, which is on this machine; a host whose providers
are in the internet leaves ``network`` out.
"""

import json
import os
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from apikeychain import APIKeyChain, APIKeyChainMiddleware, Network

PROVIDER = json.loads((Path(os.environ["FOUR_WORKERS"]) / "network.json").read_text())
keychain = APIKeyChain.from_environment(
    network={PROVIDER["base_url"]: Network(private=True, trust=PROVIDER["authority"], tenants=frozenset({"acme"}))}
)


async def healthz(_request: Request) -> JSONResponse:
    """Whether this worker could serve a call, and which one it is."""
    ready = await keychain.ready()
    return JSONResponse({"ready": ready.ok, "worker": os.getpid()}, 200 if ready.ok else 503)


app = Starlette(routes=[Route("/healthz", healthz)])
app.add_middleware(APIKeyChainMiddleware, keychain=keychain)
