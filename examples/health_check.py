"""A health check for a load balancer, beside the gate: 200 while a call could be served, else 503.

Run it::

    export APIKEYCHAIN_DATA=./apikeychain-data
    uvicorn --app-dir examples --factory health_check:create_app --port 8000

The load balancer learns which plug fails and not why: that is for the log.
"""

import logging

from fastapi import FastAPI, Response

from apikeychain import APIKeyChain, APIKeyChainMiddleware

log = logging.getLogger(__name__)


def create_app(keychain: APIKeyChain | None = None) -> FastAPI:
    """The application.

    Args:
        keychain: instead of what the environment says.
    """
    keychain = keychain or APIKeyChain.from_environment()
    app = FastAPI()
    app.add_middleware(APIKeyChainMiddleware, keychain=keychain)

    @app.get("/healthz")
    async def health(response: Response) -> dict[str, bool]:
        readiness = await keychain.ready()
        for plug in readiness.plugs:
            if not plug.ok:
                log.warning("%s: %s", plug.name, plug.why)
        response.status_code = 200 if readiness.ok else 503
        return {plug.name: plug.ok for plug in readiness.plugs}

    return app
