"""Signs a call as contracts 3 says, or with any line of the text changed: written out anew, not the library's."""

import asyncio
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from apikeychain.model.headers import Line
from gate import Gate

PREFIX = "/api/apikeychain"


def hmac_sha256(key: bytes, text: bytes) -> bytes:
    return hmac.new(key, text, hashlib.sha256).digest()


@dataclass(frozen=True)
class Signer:
    """Signs the calls of one key.

    Attributes:
        key: the ASCII bytes of the key as it was shown.
        changed: lines of the signed text that are others than those of the call, by name.
        seal: the MAC of a text under a key.
    """

    key_id: str
    key: bytes
    project: str
    signed_headers: Sequence[str] = ()
    changed: Mapping[str, str] = field(default_factory=dict)
    seal: Callable[[bytes, bytes], bytes] = hmac_sha256

    def sign(
        self,
        path: str,
        query: bytes = b"",
        *,
        method: str = "GET",
        body: bytes = b"",
        lines: Sequence[Line] = (),
        at: float | None = None,
        nonce: str | None = None,
        announce: bool = False,
    ) -> list[Line]:
        """The signing headers of a call.

        Args:
            at: unix seconds, now without it.
            nonce: a fresh one without it, none where it is empty.
            announce: whether the hash of the body is sent.
        """
        sent = {name.decode(): value.decode() for name, value in lines}
        timestamp = str(int(time.time() if at is None else at))
        nonce = secrets.token_urlsafe(18) if nonce is None else nonce
        block = "".join(f"{name}:{sent.get(name, '')}\n" for name in sorted(self.signed_headers))
        digest = hashlib.sha256(body).hexdigest()
        parts = {
            "version": "apikeychain-v1",
            "project": self.project,
            "key_id": self.key_id,
            "timestamp": timestamp,
            "nonce": nonce,
            "method": method,
            "path": path.removeprefix(PREFIX),
            "query": query.decode(),
            "content_type": sent.get("content-type", ""),
            "user": sent.get("x-iso-user", ""),
            "block": hashlib.sha256(block.encode()).hexdigest(),
            "body": digest,
        }
        text = "\n".join((parts | dict(self.changed)).values()).encode()
        mac = self.seal(self.key, text).hex()
        headers = {"x-key-id": self.key_id, "x-timestamp": timestamp, "x-signature": f"v1={mac}"}
        headers |= {"x-nonce": nonce} if nonce else {}
        headers |= {"x-content-sha256": digest} if announce else {}
        return [(name.encode(), value.encode()) for name, value in headers.items()]


async def signer_of(
    gate: Gate, *, signed_headers: Sequence[str] = (), changed: Mapping[str, str] | None = None
) -> Signer:
    """One that signs with a new key of the gate's project."""
    shown = await gate.shop.add_signing_key()
    await asyncio.sleep(0.02)  # until the change was heard
    return Signer(shown.id, shown.key.reveal(), gate.shop.id, signed_headers=signed_headers, changed=changed or {})
