"""A host behind which the SDKs of OpenAI, Anthropic and Stripe work, and none of them has a key.

Run it::

    export OPENAI_KEY=... ANTHROPIC_KEY=... STRIPE_KEY=...
    python examples/sdks/app.py set-up
    uvicorn --app-dir examples/sdks app:app --port 8000

The first command makes a signing key and prints, this once, what the other files beside this one need. Servers sign
their calls; ``page.mjs`` calls from the one origin that is allowed, and reaches no route that asks for a signature.
"""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from starlette.applications import Starlette

from apikeychain import APIKeyChain, APIKeyChainMiddleware, Network, Provider, ProxyRoute, Secret, providers

DATA = "./apikeychain-data"
PAGE = "http://localhost:5173"
SDKS = ("openai", "anthropic", "stripe")


def open_keychain(directory: str | Path = DATA, network: Mapping[str, Network] | None = None) -> APIKeyChain:
    """The keychain in `directory`; `network` is for providers on this machine, in tests."""
    return APIKeyChain.embedded(directory, development=True, network=network)


def routes() -> list[ProxyRoute]:
    """The routes of the catalogue that are made for SDKs, narrowed: what moves money needs a signature."""
    made = {route.name: route for name in SDKS for route in providers.find(name).routes}
    return [
        replace(made["openai"], quota="20/minute"),
        replace(made["anthropic"], quota="20/minute"),
        made["stripe-prices"],
        replace(made["stripe-payment-intents"], require="signature", enabled=True),
    ]


async def set_up(
    keychain: APIKeyChain, page: str = PAGE, elsewhere: Mapping[str, Provider] | None = None
) -> dict[str, str]:
    """Store what the gate needs, make a signing key, and return what a signer needs.

    Args:
        keychain: where it is stored.
        page: the origin whose pages may call.
        elsewhere: providers of these names on this machine, in tests.
    """
    known = {name: providers.find(name).provider for name in SDKS} | dict(elsewhere or {})
    async with keychain:
        project = await (await keychain.ensure_tenant("acme")).ensure_project("assistant")
        await project.configure(
            origins=[page],
            providers=list(known.values()),
            secrets={name: Secret.from_env(f"{name.upper()}_KEY") for name in SDKS},
            routes=routes(),
            enabled=True,
        )
        shown = await project.add_signing_key()
        gate = project.url("openai").removesuffix("/openai")
        return {"GATE": f"http://localhost:8000{gate}", "KEY_ID": shown.id, "KEY": shown.key.reveal().decode()}


def create_app(keychain: APIKeyChain) -> Starlette:
    """The application, with the one line that was added."""
    app = Starlette()
    app.add_middleware(APIKeyChainMiddleware, keychain=keychain)  # last added = outermost
    return app


app = create_app(open_keychain())

if __name__ == "__main__" and sys.argv[1:] == ["set-up"]:
    for name, value in asyncio.run(set_up(open_keychain())).items():
        print(f"export {name}={value}")
