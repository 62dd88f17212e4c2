"""For callers: an httpx.Auth that signs, and the same in JavaScript."""

from pathlib import Path

from apikeychain.client.auth import SignedAuth

__all__ = ["JAVASCRIPT", "SignedAuth"]

JAVASCRIPT = Path(__file__).with_name("apikeychain-sign.js")
"""The ES module for Node and browsers, to copy or to serve."""
