"""The signature vectors, and the gate's verdict on a request without a gate."""

import hashlib
import json
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from typing import Any

from apikeychain.model.call import Call
from apikeychain.model.headers import Headers, Line
from apikeychain.rules import signature
from apikeychain.secret import Secret
from command import ROOT

VECTORS: dict[str, list[dict[str, Any]]] = json.loads((ROOT / "tests/vectors/signature_v1.json").read_text())
Vector = dict[str, Any]


async def _nothing() -> AsyncGenerator[bytes, None]:
    return
    yield


def a_call(method: str, target: bytes, headers: Sequence[Line], *, prefix: str) -> Call:
    """What the gate makes of a request."""
    path, _, query = target.partition(b"?")
    project, area, tail = path.removeprefix(prefix.encode() + b"/").split(b"/", 2)
    return Call(
        method=method,
        scheme="https",
        project=project.decode(),
        area=area.decode(),
        path=tail,
        query=query,
        headers=Headers(headers),
        peer="203.0.113.9",
        body=_nothing(),
    )


def require_signed(
    call: Call, key: str, body: bytes, *, at: float, names: Sequence[str] = (), digest: bytes | None = None
) -> None:
    """Raise as the gate does on a request that is not signed with `key`, at the moment `at`."""
    sent = signature.read(call.headers)
    signature.require_window(sent, datetime.fromtimestamp(at, UTC))
    signature.require_user(sent, call.headers.get(b"x-iso-user"))
    digest = digest or sent.content_sha256 or hashlib.sha256(body).hexdigest().encode()
    signature.require_mac(Secret(key), sent, call, names, digest)
    signature.require_body(sent, body)


def verify(vector: Vector) -> None:
    """Raise as the gate does on the request of a vector."""
    host, _, rest = vector["url"].partition("://")[2].partition("/")
    assert host
    headers = vector["headers"] | vector["sent"]
    lines = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    call = a_call(vector["method"], f"/{rest}".encode(), lines, prefix=vector["prefix"])
    body = bytes.fromhex(vector["body"])
    require_signed(call, vector["key"], body, at=vector["timestamp"], names=vector["signed_headers"])
