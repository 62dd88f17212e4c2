"""Attacks on signed requests that others wrote down, turned into requests that are signed as we sign.

A case says what a client signs (``sign``), what is sent of it (``send``, ``headers``) and what becomes of its MAC on
the way (``sig``). Its scheme has no key id and no nonce: both are added here.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any, Literal

from apikeychain.model.headers import Line
from outside import cases
from signer import PREFIX, Signer

ATTACKS = cases("signing_attacks")
BASE: Mapping[str, str] = {
    "method": "POST",
    "target": f"{PREFIX}/p1/proxy/demo/orders?b=1&a=2",
    "body": '{"amount":100,"to":"alice"}',
    "content_type": "application/json",
    "project": "p1",
    "key": "key-of-p1",
}
# How a client of ours may sign: bare, with a nonce, or with nonce and the hash of its body in a header.
Manner = Literal["bare", "nonce", "announced"]
MAC = "v1="
_FULL_WIDTH = str.maketrans("0123456789abcdef", "".join(chr(0xFEE0 + ord(c)) for c in "0123456789abcdef"))
_ARABIC = str.maketrans("0123456789", "".join(chr(0x660 + digit) for digit in range(10)))
_ALGORITHMS: Mapping[str, Callable[[bytes, bytes], bytes]] = {
    "prefixhash": lambda key, text: hashlib.sha256(key + text).digest(),
    "suffixhash": lambda key, text: hashlib.sha256(text + key).digest(),
    "hash": lambda _, text: hashlib.sha256(text).digest(),
    "sha1": lambda key, text: hmac.new(key, text, hashlib.sha1).digest(),
    "sha512": lambda key, text: hmac.new(key, text, hashlib.sha512).digest(),
    "sign_empty": lambda key, _: hmac.new(key, b"", hashlib.sha256).digest(),
}


@dataclass(frozen=True)
class Attempt:
    """One request of a case.

    Attributes:
        lines: signing headers, type and whatever the case adds.
        version: of HTTP.
        copies: how many are sent at once.
        advance: seconds that go by before it is sent.
    """

    method: str
    target: str
    lines: tuple[Line, ...]
    body: bytes
    version: str = "1.1"
    copies: int = 1
    advance: int = 0


def attempts(case: Mapping[str, Any], signers: Mapping[str, Signer], now: int, manner: Manner) -> list[Attempt]:
    """The requests of a case.

    Args:
        signers: of each project that a case may name, whether or not it has a key.
        now: unix seconds at the first of them.
    """
    steps = case.get("sequence") or [{}]
    return [_attempt({**case, **step}, signers, now, manner) for step in steps]


def _attempt(step: Mapping[str, Any], signers: Mapping[str, Signer], now: int, manner: Manner) -> Attempt:
    given, changed = step.get("sign", {}), step.get("send", {})
    signed = {**BASE, **given}
    sent = {**signed, **changed}
    if "body" in changed:
        sent.pop("body_hex", None)
    at = now + int(step.get("ts_offset", 0) // 1 + (step.get("ts_offset", 0) % 1 > 0))
    at += int(given.get("ts_offset_sign", 0))
    told = _fill(signed.get("ts_text", "{ts}"), at)
    signing = dict(_sign(step, signed, signers, told, manner))
    shown = now if changed.get("ts_fresh") else at
    stamp = _fill(sent.get("ts_text", "{ts}"), shown)
    mac = _transform(signing[b"x-signature"].decode().removeprefix(MAC), step.get("sig", ""))
    lines = [(b"content-type", sent["content_type"].encode()), *_headers(step, shown, stamp, mac)]
    if step.get("headers") != []:
        lines += [line for line in signing.items() if line[0] not in {b"x-timestamp", b"x-signature"}]
    lines += [(name.encode(), value.encode()) for name, value in sent.get("extra", [])]
    return Attempt(
        sent["method"],
        _target(sent["target"], signers),
        tuple(lines),
        _body(sent),
        version="1.0" if step.get("connection") == "new" else "1.1",
        copies=step.get("parallel", 1),
        advance=step.get("advance", 0),
    )


def _headers(step: Mapping[str, Any], at: int, stamp: str, mac: str) -> list[Line]:
    asked = step.get("headers", [["x-timestamp", "{ts}"], ["x-signature", "{sig}"]])
    return [
        (name.encode(), _with(value.replace("{ts+1000}", str(at + 1000)), {"ts": stamp, "sig": MAC + mac}))
        for name, value in asked
    ]


def _with(text: str, values: Mapping[str, str]) -> bytes:
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text.encode()


def _sign(
    step: Mapping[str, Any], signed: Mapping[str, Any], signers: Mapping[str, Signer], stamp: str, manner: Manner
) -> list[Line]:
    signer, how = signers[signed["project"]], step.get("sig", "")
    if how.startswith("key:"):
        other = signers.get(how.removeprefix("key:key-of-"))
        signer = replace(signer, key=other.key if other else how.removeprefix("key:").encode())
    signer = replace(signer, changed={"timestamp": stamp}, seal=_ALGORITHMS.get(how, signer.seal))
    path, _, query = _target(signed["target"], signers).partition("?")
    # What is signed alike has one nonce: a replay is the same request again.
    nonce = hashlib.sha256(repr((step["id"], manner, sorted(signed.items()))).encode()).hexdigest()[:32]
    return signer.sign(
        path,
        query.encode(),
        method=signed["method"],
        body=_body(signed),
        lines=[(b"content-type", signed["content_type"].encode())],
        nonce="" if manner == "bare" else nonce,
        announce=manner == "announced",
    )


def _target(target: str, signers: Mapping[str, Signer]) -> str:
    name, _, rest = target.removeprefix(PREFIX + "/").partition("/")
    return f"{PREFIX}/{signers[name].project}/{rest}"


def _body(part: Mapping[str, Any]) -> bytes:
    return bytes.fromhex(part["body_hex"]) if "body_hex" in part else str(part["body"]).encode()


def _fill(text: str, at: int) -> str:
    """A timestamp's text with its placeholders filled."""
    values = {
        "ts": str(at),
        "hex": hex(at),
        "oct": oct(at),
        "us": f"{at:_}",
        "fw": str(at).translate(_FULL_WIDTH),
        "ar": str(at).translate(_ARABIC),
        "ms": f"{at}000",
        "us6": f"{at}000000",
        "ns": f"{at}000000000",
        "iso": datetime.fromtimestamp(at, UTC).isoformat(),
        "rfc": formatdate(at, usegmt=True),
        "4301": "1" * 4301,
        "w64": str(at + 2**64),
        "w32": str(at + 2**32),
    }
    return _with(text, values).decode()


def _transform(mac: str, how: str) -> str:
    """A right MAC in hex, as the case sends it."""
    name, _, argument = how.partition(":")
    raw = bytes.fromhex(mac)
    forms: Mapping[str, Callable[[], str]] = {
        "upper": mac.upper,
        "zero": lambda: "0" * 64,
        "flip_first": lambda: f"{int(mac[0], 16) ^ 1:x}{mac[1:]}",
        "flip_last": lambda: f"{mac[:-1]}{int(mac[-1], 16) ^ 1:x}",
        "trunc": lambda: mac[: int(argument)],
        "append": lambda: mac + argument,
        "text": lambda: argument,
        "prefix": lambda: argument + mac,
        "base64": lambda: base64.b64encode(raw).decode(),
        "base64url": lambda: base64.urlsafe_b64encode(raw).decode().rstrip("="),
        "raw": lambda: raw.decode("latin-1"),
        "underscore": lambda: "_".join(mac),
        "fullwidth": lambda: mac.translate(_FULL_WIDTH),
        "spaces": lambda: raw.hex(" "),
        "quote": lambda: f'"{mac}"',
    }
    if not how or name in {*_ALGORITHMS, "key"}:
        return mac
    return forms[name]()
