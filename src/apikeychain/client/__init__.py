"""For callers: an httpx.Auth that signs, the same in JavaScript, and the module with which a page calls."""

from importlib.resources import files
from pathlib import Path

from apikeychain.client.auth import SignedAuth

__all__ = ["JAVASCRIPT", "SignedAuth", "browser_script"]

JAVASCRIPT = Path(__file__).with_name("apikeychain-sign.js")
"""The ES module that signs, for Node and browsers, to copy or to serve."""


def browser_script() -> bytes:
    """The ES module with which a page calls the routes of a project: to copy, to serve, or to put as an asset."""
    return files(__name__).joinpath("apikeychain.js").read_bytes()
