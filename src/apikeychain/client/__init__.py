"""For callers: an httpx.Auth that signs, the same in JavaScript, and the module with which a page calls."""

from pathlib import Path

from apikeychain.client.auth import SignedAuth

__all__ = ["BROWSER_SCRIPT", "JAVASCRIPT", "SignedAuth", "browser_script"]

JAVASCRIPT = Path(__file__).with_name("apikeychain-sign.js")
"""The ES module that signs, for Node and browsers, to copy or to serve."""

BROWSER_SCRIPT = Path(__file__).with_name("apikeychain.js")
"""The ES module with which a page calls the routes of a project."""


def browser_script() -> bytes:
    """What stands in `BROWSER_SCRIPT`: to copy, to serve, or to put as an asset."""
    return BROWSER_SCRIPT.read_bytes()
