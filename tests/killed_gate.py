"""The gate of `served_gate` on uvicorn, to be killed and begun again: see `forks`."""

import os

import uvicorn
from starlette.applications import Starlette

from apikeychain import APIKeyChainMiddleware
from apikeychain.ledger.notes import Terms
from forks import fork_each, on_terms
from served_gate import keychain

# So that the next server finds while it serves what the last but one left.
TERMS = Terms(lease=2.0, renewal=0.5, sweep=0.5)


def serve(port: int) -> None:
    """One server, until it is ended."""
    gate = keychain(os.environ["GATE_DATA"], os.environ["BASE"], os.environ["CA_FILE"])
    app = Starlette()
    app.add_middleware(APIKeyChainMiddleware, keychain=gate)
    uvicorn.run(on_terms(gate, app, TERMS), host="127.0.0.1", port=port, log_level="critical")


if __name__ == "__main__":
    fork_each(serve)
