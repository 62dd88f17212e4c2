"""Sealed values: what was stored opens as what was sealed, or is refused with the one error that says nothing.

An input is a value as a store gives it back. It is opened as it is; then its fields, its commitment aside, are sealed
by the second implementation, which wrote the vectors, and what that gives is opened too. So an input reaches behind the
commitment and the tag, which no change of bytes ever guesses.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from apikeychain.errors import SealedValueError
from apikeychain.primitives import key_version_of, open_value
from vectors import make_sealed_value_v1 as other

Open = Callable[[bytes, bytes, bytes], bytes]
VersionOf = Callable[[bytes], bytes]

TOKENS = (
    *(b"AK\x01\x01", b"AK\x01\x02", b"AK\x02\x01", b"AK\x00\x01", b"AK\x01\x00", b"AK\x01", b"ak\x01\x01", b"AK"),
    *(b"\x00", b"\x01", b"\x02", b"\xff", b"\n", b"\x00" * 12, b"\x00" * 16, b"\x00" * 32, b"\xff" * 16),
    *(b"QUsBAQ", b"\x00\x00\x00\x04acme", b"sk-test-0123", b"AK\x01\x01" + b"\x00" * 108),
)
_VECTORS: dict[str, list[dict[str, Any]]] = json.loads(other.FILE.read_text())
_KEYS = {bytes.fromhex(each["version"]): bytes.fromhex(each["key"]) for each in _VECTORS["values"]}
_SEALED = {bytes.fromhex(each["sealed"]): bytes.fromhex(each["plaintext"]) for each in _VECTORS["values"]}
_KEY, *_OTHER_KEYS = _KEYS.values()
_CONTEXT, *_OTHER_CONTEXTS = (bytes.fromhex(each["encoded"]) for each in _VECTORS["contexts"] if each["of"] == "value")
_PREFIX = b"AK\x01\x01"
_LEAST = 112


def one_input(data: bytes, opened: Open = open_value, version_of: VersionOf = key_version_of) -> None:
    """`data` as what was stored."""
    is_ours = data[:4] == _PREFIX and len(data) >= _LEAST
    version = _said(version_of, data)
    assert version == (data[4:20] if is_ours else None)
    key = _KEYS.get(data[4:20], _KEY)
    assert _said(opened, key, data, _CONTEXT) == _SEALED.get(data)
    if len(data) >= _LEAST:
        _require_what_was_sealed(data, opened)


def _require_what_was_sealed(data: bytes, opened: Open) -> None:
    both = other.hkdf(_KEY, data[20:52], b"apikeychain/v1/seal" + _CONTEXT, 64)
    plaintext = data[96:-16]
    for commitment in _commitments(both[32:], data[52:84]):
        head = data[:52] + commitment
        sealed = head + data[84:96] + _encrypted(both[:32], data[84:96], plaintext, head + _CONTEXT)
        is_right = data[:4] == _PREFIX and commitment == both[32:]
        assert _said(opened, _KEY, sealed, _CONTEXT) == (plaintext if is_right else None)
        if is_right:
            _require_nothing_else_opens(sealed, opened)


def _commitments(right: bytes, given: bytes) -> Iterator[bytes]:
    """The right one, and some that are nearly right."""
    yield from {right, given, right[:16] + given[16:], given[:16] + right[16:], right[:31] + bytes([right[31] ^ 1])}


def _require_nothing_else_opens(sealed: bytes, opened: Open) -> None:
    """Neither another key or context, nor a value with a bit, a byte or its end changed."""
    for key in _OTHER_KEYS:
        assert _said(opened, key, sealed, _CONTEXT) is None
    for context in (*_OTHER_CONTEXTS, b"", _CONTEXT[:-1]):
        assert _said(opened, _KEY, sealed, context) is None
    place = sum(sealed) % len(sealed)
    flipped = sealed[:place] + bytes([sealed[place] ^ 1 << place % 8]) + sealed[place + 1 :]
    for value in (flipped, sealed[:-1], sealed + b"\0", sealed[:place] + sealed[place + 1 :], b"\n" + sealed):
        assert _said(opened, _KEY, value, _CONTEXT) is None


def _encrypted(key: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
    cipher = Cipher(algorithms.AES(key), modes.GCM(nonce)).encryptor()
    cipher.authenticate_additional_data(aad)
    return cipher.update(plaintext) + cipher.finalize() + cipher.tag


def _said(read: Callable[..., bytes], *given: bytes) -> bytes | None:
    """What came out, or None for the one error: without a word, and without what led to it."""
    try:
        return read(*given)
    except Exception as error:  # noqa: BLE001 - any other than the one is what is looked for
        _require_the_one_error(error)
        return None


def _require_the_one_error(error: Exception) -> None:
    assert type(error) is SealedValueError, type(error)
    assert error.args == ()
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None
