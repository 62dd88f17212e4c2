"""Quotas, claims and signals on Valkey or Redis. Loads the client on first use of a name, not before.

Files: `claim_and_spend.lua` (what happens to the data, in one deed), `line` (a connection, and what fails on it),
`guard` (limiter and replay guard in one), `signals`.
"""

from typing import TYPE_CHECKING

from apikeychain.backends.on_use import on_use

if TYPE_CHECKING:
    from apikeychain.backends.valkey.guard import ValkeyGuard
    from apikeychain.backends.valkey.signals import ValkeySignals

__all__ = ["ValkeyGuard", "ValkeySignals"]

_HOMES = {"ValkeyGuard": "guard", "ValkeySignals": "signals"}
__getattr__ = on_use(__name__, _HOMES, lambda _: (("redis",), "Valkey or Redis", "valkey"))
