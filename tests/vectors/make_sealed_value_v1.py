"""Writes sealed_value_v1.json: a second implementation of the formats, which imports nothing of the library.

HKDF is written out from RFC 5869, the context encoding from its sentence, AES-GCM is the cipher of another API, and
Argon2id and PBKDF2 are those of ``cryptography``. All bytes come from labels, so a second run writes the same file:

    python tests/vectors/make_sealed_value_v1.py
"""

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

FILE = Path(__file__).with_name("sealed_value_v1.json")
Vector = dict[str, Any]

_PROJECT = "p_abcdefghijklmnopqrst"
_SECRET_CONTEXT = {
    "tenant": "acme",
    "project": _PROJECT,
    "purpose": "secret",
    "name": "openweather",
    "version": 3,
    "scheme": "https",
    "host": "api.openweathermap.org",
    "port": 443,
}
_SEAL_CONTEXTS: tuple[Vector, ...] = (
    _SECRET_CONTEXT,
    {**_SECRET_CONTEXT, "port": 8443, "version": 12},
    {"tenant": "acme", "project": _PROJECT, "purpose": "fingerprint"},
    {"tenant": "ac", "project": "me" + _PROJECT, "purpose": "fingerprint"},
)
_KEY_CONTEXTS: tuple[Vector, ...] = (
    {"tenant": "acme", "purpose": "tenant-secret"},
    {"tenant": "acme", "purpose": "pseudonym"},
    {"tenant": "acme", "project": _PROJECT, "purpose": "derived", "version": "00112233445566778899aabbccddeeff"},
)
_SEAL_FIELDS = ("tenant", "project", "purpose", "name", "version", "scheme", "host", "port")
_KEY_FIELDS = ("tenant", "project", "purpose", "version")


def drawn(label: str, length: int) -> bytes:
    """`length` bytes that look random and are always the same."""
    return hashlib.shake_256(label.encode()).digest(length)


def encoded(fields: tuple[str, ...], context: Vector) -> bytes:
    """Each field as a 4-byte big-endian length and its UTF-8."""
    texts = [str(context.get(field, "")).encode() for field in fields]
    return b"".join(len(text).to_bytes(4, "big") + text for text in texts)


def hkdf(key: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869, step by step."""
    prk = hmac.new(salt or bytes(64), key, hashlib.sha512).digest()
    okm, block, counter = b"", b"", 1
    while len(okm) < length:
        block = hmac.new(prk, block + info + bytes([counter]), hashlib.sha512).digest()
        okm, counter = okm + block, counter + 1
    return okm[:length]


def sealed(key: bytes, version: bytes, plaintext: bytes, context: bytes, label: str) -> bytes:
    """A sealed value, field after field."""
    salt, nonce = drawn(label + " salt", 32), drawn(label + " nonce", 12)
    both = hkdf(key, salt, b"apikeychain/v1/seal" + context, 64)
    head = b"AK" + bytes([1, 1]) + version + salt + both[32:]
    cipher = Cipher(algorithms.AES(both[:32]), modes.GCM(nonce)).encryptor()
    cipher.authenticate_additional_data(head + context)
    ciphertext = cipher.update(plaintext) + cipher.finalize()
    return head + nonce + ciphertext + cipher.tag


def derived(kdf: str, tenant_secret: bytes, master: bytes, version: bytes, salt: bytes) -> bytes:
    """The derived key of a project's key version."""
    message = b"apikeychain/v1/derive" + version + master
    mixed = hmac.new(tenant_secret, message, hashlib.sha512).digest()
    if kdf == "argon2id":
        return Argon2id(salt=salt, length=32, iterations=3, lanes=4, memory_cost=65536).derive(mixed)
    return PBKDF2HMAC(SHA512(), 32, salt, 210_000).derive(mixed)


def contexts() -> list[Vector]:
    """How contexts are encoded."""
    seal = [{"of": "value", "context": c, "encoded": encoded(_SEAL_FIELDS, c).hex()} for c in _SEAL_CONTEXTS]
    return seal + [{"of": "key", "context": c, "encoded": encoded(_KEY_FIELDS, c).hex()} for c in _KEY_CONTEXTS]


def values() -> list[Vector]:
    """Values that open."""
    plaintexts = {"short": b"sk-test-0123", "empty": b"", "long": drawn("long", 4096)}
    context = encoded(_SEAL_FIELDS, _SECRET_CONTEXT)
    found = []
    for name, plaintext in plaintexts.items():
        key, version = drawn(name + " key", 32), drawn(name + " version", 16)
        value = sealed(key, version, plaintext, context, name)
        found.append(_value(name, key, context, value, version=version.hex(), plaintext=plaintext.hex()))
    return found


def failures() -> list[Vector]:
    """Values that open for nobody, made from the short one."""
    good = values()[0]
    key, context, value = (bytes.fromhex(good[name]) for name in ("key", "context", "sealed"))
    borders = {"prefix": 4, "version": 20, "salt": 52, "commitment": 84, "nonce": 96, "ciphertext": len(value) - 16}
    cut = {f"cut at the end of the {name}": value[:at] for name, at in borders.items()}
    cut |= {"nothing": b"", "the last byte is missing": value[:-1], "a byte too many": value + b"\0"}
    fields = {"magic": 0, "format": 2, "suite": 3, "key version": 4, "salt": 20, "commitment": 52, "nonce": 84}
    fields |= {"ciphertext": 96, "tag": len(value) - 16, "last byte of the tag": len(value) - 1}
    flipped = {
        f"a bit of the {n} flipped": value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :] for n, at in fields.items()
    }
    unknown = {"format 2": value[:2] + b"\2" + value[3:], "suite 2, reserved": value[:3] + b"\2" + value[4:]}
    found = [_value(name, key, context, bad) for name, bad in (cut | flipped | unknown).items()]
    found.append(_value("another key", drawn("another", 32), context, value))
    for field in _SEAL_FIELDS:
        other = {**_SECRET_CONTEXT, field: 4 if field in {"version", "port"} else "other"}
        found.append(_value(f"another {field}", key, encoded(_SEAL_FIELDS, other), value))
    return found


def derivations() -> list[Vector]:
    """Both profiles, and what is made of the derived key."""
    found = []
    for kdf in ("argon2id", "pbkdf2-sha512"):
        parts = [drawn(f"{kdf} {name}", size) for name, size in _DRAWN_SIZES.items()]
        key = derived(kdf, *parts)
        context = encoded(_SEAL_FIELDS, _SEAL_CONTEXTS[2])
        own = hkdf(key, b"", b"apikeychain/v1/fingerprint" + context, 32)
        mark = hmac.new(own, b"sk-test-0123", hashlib.sha256).digest()[:8]
        vector: Vector = {"kdf": kdf}
        vector |= {name: part.hex() for name, part in zip(_DRAWN_SIZES, parts, strict=True)}
        vector |= {"derived": key.hex(), "context": _SEAL_CONTEXTS[2], "own": own.hex()}
        found.append(vector | {"secret": "sk-test-0123", "fingerprint": mark.hex()})
    return found


_DRAWN_SIZES = {"tenant_secret": 32, "master": 32, "version": 16, "salt": 32}


def wraps() -> list[Vector]:
    """Keys that the local key file wrapped."""
    found = []
    for number, context in enumerate(_KEY_CONTEXTS):
        platform, version, key = drawn("platform", 32), drawn("platform version", 16), drawn(f"wrapped {number}", 32)
        bound = {**context, "purpose": "wrap", "name": context["purpose"], "version": context.get("version", "")}
        wrapped = sealed(platform, version, key, encoded(_SEAL_FIELDS, bound), f"wrap {number}")
        texts = {"platform": platform.hex(), "version": version.hex(), "key": key.hex(), "wrapped": wrapped.hex()}
        found.append({"context": context, **texts})
    return found


def document() -> Vector:
    """The whole file."""
    return {
        "contexts": contexts(),
        "values": values(),
        "failures": failures(),
        "derivations": derivations(),
        "wraps": wraps(),
    }


def _value(name: str, key: bytes, context: bytes, value: bytes, **more: str) -> Vector:
    return {"name": name, "key": key.hex(), "context": context.hex(), "sealed": value.hex(), **more}


if __name__ == "__main__":
    FILE.write_text(json.dumps(document(), indent=1) + "\n")
