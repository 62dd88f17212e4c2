"""Envelope encryption: seal, open, derive, turn.

Source: contracts 5.
"""

from apikeychain.vault.vault import Vault

__all__ = ["Vault"]
