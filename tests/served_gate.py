"""A gate that a server's own command starts: what it needs to know is in the environment."""

import os
from dataclasses import replace

from starlette.applications import Starlette

from apikeychain import APIKeyChain, APIKeyChainMiddleware, APIKeyChainSettings, Network

BUFFERED = APIKeyChainSettings(development=True, trusted_proxies=("127.0.0.1",), kdf="pbkdf2-sha512")
SETTINGS = replace(BUFFERED, ledger_mode="write-ahead" if "WRITE_AHEAD" in os.environ else "buffered")


def keychain(directory: str, base: str, ca_file: str) -> APIKeyChain:
    """The keychain on `directory`, for one provider."""
    network = {base: Network(private=True, trust=ca_file)}
    return APIKeyChain.embedded(directory, settings=SETTINGS, network=network)


def create() -> Starlette:
    """The host, as the environment says."""
    app = Starlette()
    app.add_middleware(
        APIKeyChainMiddleware, keychain=keychain(os.environ["DATA"], os.environ["BASE"], os.environ["CA_FILE"])
    )
    return app


if "DATA" in os.environ:
    app = create()
