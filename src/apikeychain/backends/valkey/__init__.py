"""Quotas, claims and signals on Valkey or Redis. Loads the client on first use of a name, not before.

Files: `claim_and_spend.lua` (what happens to the data, in one deed), `line` (a connection, and what fails on it),
`guard` (limiter and replay guard in one), `signals`.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from apikeychain.errors import MissingExtraError

if TYPE_CHECKING:
    from apikeychain.backends.valkey.guard import ValkeyGuard
    from apikeychain.backends.valkey.signals import ValkeySignals

__all__ = ["ValkeyGuard", "ValkeySignals"]

_HOMES = {"ValkeyGuard": "guard", "ValkeySignals": "signals"}


def __getattr__(name: str) -> object:
    """A public name, loaded on first use.

    Raises:
        MissingExtraError: the client is not installed.
    """
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    if not find_spec("redis"):
        asked = "Valkey or Redis"
        raise MissingExtraError(asked, "valkey")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
