"""No byte of what a signature covers can be another."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.client.signing import Signer, sign
from apikeychain.errors import SignatureRefusedError
from apikeychain.model.headers import Line
from apikeychain.rules import signature
from apikeychain.rules.signature import Signature
from apikeychain.secret import Secret
from signature_vectors import a_call

KEY = "aks_" + "k" * 43
PREFIX = "/api/apikeychain"
DIGEST = "0123456789abcdef" * 4
PARTS: dict[str, bytes] = {
    "project": b"p_abcdefghijklmnopqrst",
    "area": b"proxy",
    "path": b"weather/a%2Fb",
    "query": b"q=Paris&y=%2B",
    "method": b"POST",
    "content-type": b"application/json",
    "user": b"user-42",
    "x-tenant": b"t1",
    "key id": b"k_2345",
    "timestamp": b"1767322445",
    "nonce": b"A" * 24,
    "digest": DIGEST.encode(),
}
NAMES = ("x-absent", "x-tenant")


def _headers(parts: dict[str, bytes]) -> list[Line]:
    named = {"content-type": "content-type", "x-iso-user": "user", "x-tenant": "x-tenant"}
    return [(name.encode(), parts[part]) for name, part in named.items()]


def _mac() -> bytes:
    signer = Signer.of("k_2345", KEY, signed_headers=NAMES)
    target = f"{PREFIX}/".encode() + b"/".join(PARTS[name] for name in ("project", "area", "path"))
    lines = sign(
        signer,
        method="POST",
        target=target + b"?" + PARTS["query"],
        headers=_headers(PARTS),
        body_sha256=DIGEST,
        timestamp=1767322445,
        nonce="A" * 24,
    )
    return bytes.fromhex(dict(lines)[b"x-signature"].removeprefix(b"v1=").decode())


MAC = _mac()


def _require(parts: dict[str, bytes], *, mac: bytes = MAC, key: str = KEY, names: tuple[str, ...] = NAMES) -> bytes:
    call = a_call("", b"/-/-/-", _headers(parts), prefix="")
    changed: dict[str, Any] = {name: parts[name].decode("latin-1") for name in ("project", "area", "method")}
    for name, value in (changed | {"path": parts["path"], "query": parts["query"]}).items():
        object.__setattr__(call, name, value)
    sent = Signature(
        key_id=parts["key id"].decode("latin-1"),
        timestamp=parts["timestamp"],
        nonce=parts["nonce"],
        content_sha256=parts["digest"],
        mac=mac,
        session=None,
    )
    return signature.require_mac(Secret(key), sent, call, names, parts["digest"])


def test_what_was_not_changed_holds() -> None:
    assert _require(PARTS) == MAC


@given(st.sampled_from(sorted(PARTS)), st.data())
def test_a_byte_that_is_another_is_refused(part: str, data: st.DataObject) -> None:
    value = PARTS[part]
    at = data.draw(st.integers(0, len(value) - 1), "at")
    byte = data.draw(st.integers(0, 255).filter(lambda other: other != value[at]), "byte")
    with pytest.raises(SignatureRefusedError):
        _require(PARTS | {part: value[:at] + bytes([byte]) + value[at + 1 :]})


@given(st.sampled_from(sorted(PARTS)), st.data())
def test_a_byte_more_or_less_is_refused(part: str, data: st.DataObject) -> None:
    value = PARTS[part]
    at = data.draw(st.integers(0, len(value) - 1), "at")
    more = bytes([data.draw(st.integers(0, 255), "byte")])
    for other in (value[:at] + value[at + 1 :], value[:at] + more + value[at:]):
        with pytest.raises(SignatureRefusedError):
            _require(PARTS | {part: other})


@given(st.integers(0, len(MAC) * 8 - 1))
def test_a_bit_of_the_mac_that_is_another_is_refused(bit: int) -> None:
    flipped = (int.from_bytes(MAC) ^ 1 << bit).to_bytes(len(MAC))
    with pytest.raises(SignatureRefusedError):
        _require(PARTS, mac=flipped)


@given(st.integers(0, len(KEY) - 1), st.characters(min_codepoint=0x20, max_codepoint=0x7E))
def test_a_character_of_the_key_that_is_another_is_refused(at: int, character: str) -> None:
    other = KEY[:at] + (character if character != KEY[at] else "~") + KEY[at + 1 :]
    with pytest.raises(SignatureRefusedError):
        _require(PARTS, key=other)


def test_another_list_of_signed_headers_is_refused() -> None:
    with pytest.raises(SignatureRefusedError):
        _require(PARTS, names=("x-tenant",))
