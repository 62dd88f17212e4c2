"""A host application that a server's own command starts; its data directory is named by the environment."""

import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from apikeychain import APIKeyChain, APIKeyChainMiddleware


async def home(_: Request) -> PlainTextResponse:
    return PlainTextResponse("home")


app = Starlette(routes=[Route("/", home)])
app.add_middleware(APIKeyChainMiddleware, keychain=APIKeyChain.embedded(os.environ["DATA"], development=True))
