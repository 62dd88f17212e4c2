"""Writes signature_v1.json: a second implementation of the signature, which imports nothing of the library.

The twelve lines are written out here from their description, and the MAC is RFC 2104 over SHA-256, step by step. All
values are fixed, so a second run writes the same file:

    python tests/vectors/make_signature_v1.py
"""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

FILE = Path(__file__).with_name("signature_v1.json")
Vector = dict[str, Any]

_KEY = "aks_" + base64.urlsafe_b64encode(hashlib.sha256(b"a made-up key").digest()).decode().rstrip("=")
_GATE = "https://host.example/api/apikeychain/p_abcdefghijklmnopqrst/proxy"
_SESSION = "s1.k_2345.1767323045." + base64.urlsafe_b64encode(b"user-42").decode().rstrip("=")
_PLAIN: Vector = {
    "name": "a GET",
    "key_id": "k_2345",
    "key": _KEY,
    "method": "GET",
    "url": _GATE + "/weather?q=Paris",
    "prefix": "/api/apikeychain",
    "headers": {},
    "signed_headers": [],
    "user": "",
    "body": "",
    "timestamp": 1767322445,
    "nonce": "AAAAAAAAAAAAAAAAAAAAAAAA",
}
_JSON = {"content-type": "application/json"}
_CASES: tuple[Vector, ...] = (
    {},
    {"name": "no query", "url": _GATE + "/weather"},
    {"name": "a question mark and no query", "url": _GATE + "/weather?"},
    {"name": "escapes, plus and equals signs in the query", "url": _GATE + "/weather?q=a%2Fb+c%20d&x=%2B&q=&=y&%41=1"},
    {"name": "a second question mark", "url": _GATE + "/weather?q=what?&u=a:b@c"},
    {"name": "UTF-8 and escapes in the path", "url": _GATE + "/find/S%C3%A3o%20Paulo/%7Ea:b@c;d=e,f/"},
    {"name": "escapes in both cases of hex", "url": _GATE + "/find/%c3%A3?q=%c3%a3"},
    {"name": "two slashes", "url": _GATE + "/files//a"},
    {"name": "a JSON body", "method": "POST", "headers": _JSON, "body": b'{"amount":100,"to":"al\xc3\xadce"}'.hex()},
    {"name": "bytes that are no text", "method": "PUT", "headers": _JSON, "body": bytes(range(256)).hex()},
    {"name": "an empty body with a content type", "method": "POST", "headers": _JSON},
    {
        "name": "parameters in the content type",
        "method": "POST",
        "headers": {"content-type": 'multipart/form-data; boundary="a b"'},
        "body": b"--a b--".hex(),
    },
    {"name": "a method in lower case that stays so", "method": "patch"},
    {"name": "a user", "user": "user-42"},
    {
        "name": "signed headers, one of them absent",
        "headers": {"x-tenant": "t 1", "accept": "*/*"},
        "signed_headers": ["accept", "x-absent", "x-tenant"],
    },
    {
        "name": "a signed header of one byte beyond ASCII",
        "headers": {"x-city": "M\xe1laga"},
        "signed_headers": ["x-city"],
    },
    {"name": "an empty signed header", "headers": {"x-tenant": ""}, "signed_headers": ["x-tenant"]},
    {"name": "a session key", "key_id": _SESSION, "key": "A" * 43, "user": "user-42"},
    {"name": "another prefix", "url": "http://localhost:8000/shop/gate/p_abc/proxy/a", "prefix": "/shop/gate"},
)
# What our signers never send, and the gate takes.
_BARE: tuple[Vector, ...] = (
    {"name": "no nonce", "nonce": "", "without": ["x-nonce"]},
    {"name": "no hash of the body", "without": ["x-content-sha256"], "method": "POST", "body": b"a=1".hex()},
    {"name": "neither", "nonce": "", "without": ["x-nonce", "x-content-sha256"]},
)
_POST: Vector = {
    "method": "POST",
    "url": _GATE + "/pay?dry=1",
    "headers": {**_JSON, "x-tenant": "t1"},
    "signed_headers": ["x-tenant"],
    "user": "user-42",
    "body": b'{"amount":100}'.hex(),
}
_ELSEWHERE = _GATE.replace("p_abc", "p_xyz")
# Sent with the signature of another request.
_CHANGED: dict[str, Vector] = {
    "another key": {"key": _KEY[:-1] + "A"},
    "another key id": {"key_id": "k_2346"},
    "another project": {"url": _ELSEWHERE + "/pay?dry=1"},
    "a second later": {"timestamp": 1767322446},
    "another nonce": {"nonce": "AAAAAAAAAAAAAAAAAAAAAAAB"},
    "another method": {"method": "PUT"},
    "another path": {"url": _GATE + "/pay/?dry=1"},
    "a path in other escapes": {"url": _GATE + "/p%61y?dry=1"},
    "another query": {"url": _GATE + "/pay?dry=0"},
    "the query left out": {"url": _GATE + "/pay"},
    "another content type": {"headers": {"content-type": "application/xml", "x-tenant": "t1"}},
    "another user": {"user": "user-43"},
    "no user": {"user": ""},
    "another signed header": {"headers": {**_JSON, "x-tenant": "t2"}},
    "no signed header": {"headers": _JSON},
    "a project that signs one header more": {"signed_headers": ["accept", "x-tenant"]},
    "another body": {"body": b'{"amount":900}'.hex()},
}
# In place of a header line that is sent.
_MALFORMED: dict[str, dict[str, str]] = {
    "no version": {"x-signature": "{mac}"},
    "another version": {"x-signature": "v2={mac}"},
    "upper case": {"x-signature": "v1={MAC}"},
    "a digit too few": {"x-signature": "v1={mac:.63}"},
    "a space behind it": {"x-signature": "v1={mac} "},
    "an empty key id": {"x-key-id": ""},
    "a slash in the key id": {"x-key-id": "k/1"},
    "a plus before the time": {"x-timestamp": "+1767322445"},
    "a time in a fraction": {"x-timestamp": "1767322445.0"},
    "a time in underscores": {"x-timestamp": "1_767_322_445"},
    "a short nonce": {"x-nonce": "A" * 15},
    "an empty nonce": {"x-nonce": ""},
    "a hash in upper case": {"x-content-sha256": "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"},
}


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """RFC 2104, step by step."""
    block = (hashlib.sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block) + message).digest()
    return hashlib.sha256(bytes(byte ^ 0x5C for byte in block) + inner).digest()


def text_of(case: Vector) -> bytes:
    """The twelve lines."""
    path = urlsplit(case["url"]).path.removeprefix(case["prefix"])
    headers = case["headers"]
    block = "".join(f"{name}:{headers.get(name, '')}\n" for name in case["signed_headers"]).encode("latin-1")
    lines = (
        "apikeychain-v1",
        path.split("/")[1],
        case["key_id"],
        str(case["timestamp"]),
        case["nonce"],
        case["method"],
        path,
        urlsplit(case["url"]).query,
        headers.get("content-type", ""),
        case["user"],
        hashlib.sha256(block).hexdigest(),
        hashlib.sha256(bytes.fromhex(case["body"])).hexdigest(),
    )
    return "\n".join(lines).encode("latin-1")


def mac_of(case: Vector) -> str:
    """The MAC in hex."""
    return hmac_sha256(case["key"].encode(), text_of(case)).hex()


def sent(case: Vector, mac: str) -> dict[str, str]:
    """The headers of a request with this MAC."""
    lines = {
        "x-key-id": case["key_id"],
        "x-timestamp": str(case["timestamp"]),
        "x-nonce": case["nonce"],
        "x-content-sha256": hashlib.sha256(bytes.fromhex(case["body"])).hexdigest(),
        "x-signature": f"v1={mac}",
    }
    user = {"x-iso-user": case["user"]} if case["user"] else {}
    return {name: value for name, value in (lines | user).items() if name not in case.get("without", ())}


def good(cases: tuple[Vector, ...]) -> list[Vector]:
    """Requests that hold."""
    whole = [{**_PLAIN, **case} for case in cases]
    return [{**case, "text": text_of(case).decode("latin-1"), "sent": sent(case, mac_of(case))} for case in whole]


def failures() -> list[Vector]:
    """Requests that hold for nobody, each made of one that does."""
    base = {**_PLAIN, **_POST}
    mac = mac_of(base)
    found = [{**base, **changed, "name": name} for name, changed in _CHANGED.items()]
    refused = [{**case, "sent": sent(case, mac)} for case in found]
    for name, lines in _MALFORMED.items():
        filled = {line: value.format(mac=mac, MAC=mac.upper()) for line, value in lines.items()}
        refused.append({**base, "name": name, "sent": sent(base, mac) | filled})
    return refused


def document() -> Vector:
    """The whole file."""
    return {"signed": good(_CASES), "accepted": good(_BARE), "refused": failures()}


if __name__ == "__main__":
    FILE.write_text(json.dumps(document(), indent=1) + "\n")
