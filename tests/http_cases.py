"""Requests that others wrote down to confuse servers and proxies, made ready to be sent to a route."""

import base64
from typing import Any

from outside import cases

# What only a server can answer is not the gate's; the scenarios are of providers and have tests of their own.
ABUSES = [case for case in cases("http_abuse") if case["layer"] == "app" and case["expect"] != "scenario"]
ORIGIN = b"https://app.example.com"


def sent(case: dict[str, Any], target: bytes) -> bytes:
    """The bytes of a case, towards `target`, with what the gate asks of every call."""
    raw = base64.b64decode(case["raw_b64"])
    if case["template_b64"] is None:
        return raw
    template = base64.b64decode(case["template_b64"])
    if case["category"] in {"crlf", "size"}:
        # Here the path or the query is what matters.
        target += raw.split(b" ")[1].replace(b"/?", b"?").removesuffix(b"/")
    lines = [(b"X-Forwarded-Proto", b"https"), (b"Origin", ORIGIN), (b"Content-Type", b"application/octet-stream")]
    needed = b"".join(b"%s: %s\r\n" % (name, value) for name, value in lines if name + b": " not in template)
    return template.replace(b"{TARGET}", target).replace(b"{AUTH}", needed).replace(b"{HOST}", b"host.example")
