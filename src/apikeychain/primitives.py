"""Every raw cryptographic call of the house, and the sealed value. Signatures are verified by `apikeychain.proof`.

A sealed value, format 1, suite 1, is these bytes and no others::

    offset  bytes  what
    0       2      "AK"
    2       1      0x01, the format
    3       1      0x01, the suite: HKDF-SHA512, AES-256-GCM (0x02 is reserved for a layer sealed outside)
    4       16     key version: which key seals it
    20      32     HKDF salt, random
    52      32     commitment to key and context
    84      12     nonce, random
    96      n      ciphertext, as long as the plaintext
    96 + n  16     tag

    message key (32) || commitment (32) = HKDF-SHA512(key, salt, info = "apikeychain/v1/seal" || context)
    AAD = bytes 0 to 83 || context

The context is never in the value: whoever opens it says whom the value serves, so a moved value does not open. GCM
alone would let one value open under two keys; the commitment rules that out, and it is compared before anything is
decrypted. Every fault is the same `SealedValueError`, so that nobody learns from it how close a forgery came.

Source: NIST SP 800-38D (AES-GCM); RFC 5869 (HKDF); RFC 2104 (HMAC); RFC 9106 (Argon2id); RFC 8018 (PBKDF2);
RFC 8032 (Ed25519); FIPS 204 (ML-DSA-65); Albertini et al., "How to Abuse and Fix Authenticated Encryption Without Key
Commitment", USENIX Security 2022.
"""

import hashlib
import hmac
import secrets

from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from apikeychain.errors import SealedValueError

KEY_BYTES = 32
KEY_VERSION_BYTES = 16
SALT_BYTES = 32
COMMITMENT_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16

_PREFIX = b"AK\x01\x01"
_SALT_AT = len(_PREFIX) + KEY_VERSION_BYTES
_COMMITMENT_AT = _SALT_AT + SALT_BYTES
_NONCE_AT = _COMMITMENT_AT + COMMITMENT_BYTES
_CIPHERTEXT_AT = _NONCE_AT + NONCE_BYTES
_SEAL_INFO = b"apikeychain/v1/seal"

# RFC 9106, section 4, second recommended option: for places where 2 GiB a call are too much.
_ARGON2_PASSES, _ARGON2_KIB, _ARGON2_LANES = 3, 64 * 1024, 4
# OWASP Password Storage Cheat Sheet: the least that PBKDF2-HMAC-SHA512 may have.
_PBKDF2_ITERATIONS = 210_000


def random_bytes(length: int) -> bytes:
    """`length` bytes from the operating system: no state of ours that a fork or a restored snapshot could repeat."""
    return secrets.token_bytes(length)


def equal(one: bytes, other: bytes) -> bool:
    """Whether both are the same, in a time that does not tell where they differ."""
    return hmac.compare_digest(one, other)


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """The 32-byte HMAC-SHA256."""
    return hmac.digest(key, message, "sha256")


def hmac_sha512(key: bytes, message: bytes) -> bytes:
    """The 64-byte HMAC-SHA512."""
    return hmac.digest(key, message, "sha512")


def hkdf_sha256(key: bytes, *, salt: bytes, info: bytes, length: int = KEY_BYTES) -> bytes:
    """`length` bytes of HKDF-SHA256, at most 8,160. `key` has to be random: nothing is stretched here."""
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(key)


def hkdf_sha512(key: bytes, *, salt: bytes, info: bytes, length: int = KEY_BYTES) -> bytes:
    """`length` bytes of HKDF-SHA512, at most 16,320. `key` has to be random: nothing is stretched here."""
    return HKDF(algorithm=SHA512(), length=length, salt=salt, info=info).derive(key)


def argon2id(secret: bytes, salt: bytes, *, passes: int, kib: int, lanes: int, length: int = KEY_BYTES) -> bytes:
    """Argon2id, version 0x13, without key and associated data. `salt` has at least 8 bytes."""
    return hash_secret_raw(
        secret=secret,
        salt=salt,
        time_cost=passes,
        memory_cost=kib,
        parallelism=lanes,
        hash_len=length,
        type=Type.ID,
    )


def pbkdf2_sha512(secret: bytes, salt: bytes, *, iterations: int, length: int = KEY_BYTES) -> bytes:
    """PBKDF2-HMAC-SHA512."""
    return hashlib.pbkdf2_hmac("sha512", secret, salt, iterations, length)


def stretch(kdf: str, secret: bytes, salt: bytes) -> bytes:
    """32 bytes of one of the two known profiles; about 0.2 s, so never on an event loop.

    Args:
        kdf: the profile's name. Its costs are constants here, so no stored number can lower them.
        secret: what is stretched.
        salt: 32 random bytes.

    Raises:
        SealedValueError: there is no such profile.
    """
    match kdf:
        case "argon2id":
            return argon2id(secret, salt, passes=_ARGON2_PASSES, kib=_ARGON2_KIB, lanes=_ARGON2_LANES)
        case "pbkdf2-sha512":
            return pbkdf2_sha512(secret, salt, iterations=_PBKDF2_ITERATIONS)
        case _:
            raise SealedValueError


def ed25519_public_key(seed: bytes) -> bytes:
    """The 32-byte public key of the private key that `seed` is: 32 bytes of `random_bytes`."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def ed25519_sign(seed: bytes, message: bytes) -> bytes:
    """The 64-byte signature of `message`. It is always the same: nothing is drawn."""
    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def mldsa65_public_key(seed: bytes) -> bytes:
    """The 1,952-byte public key of the private key that `seed` makes: 32 bytes of `random_bytes`."""
    return MLDSA65PrivateKey.from_seed_bytes(seed).public_key().public_bytes_raw()


def mldsa65_sign(seed: bytes, message: bytes) -> bytes:
    """The 3,309-byte signature of `message`, pure and with an empty context. Each one is another: it is hedged."""
    return MLDSA65PrivateKey.from_seed_bytes(seed).sign(message)


def gcm_seal(key: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """Ciphertext and tag. The caller answers for it that `nonce` never comes twice under `key`."""
    return AESGCM(key).encrypt(nonce, plaintext, aad)


def gcm_open(key: bytes, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
    """The plaintext of ciphertext and 16-byte tag, under a 32-byte key and a 12-byte nonce.

    Raises:
        SealedValueError: the tag does not hold, or a length is another.
    """
    # The library takes shorter keys and other nonces too; the formats here have one length each.
    if len(key) != KEY_BYTES or len(nonce) != NONCE_BYTES:
        raise SealedValueError
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, aad)
    except InvalidTag:
        raise SealedValueError from None


def seal_value(key: bytes, key_version: bytes, plaintext: bytes, context: bytes) -> bytes:
    """A sealed value.

    Args:
        key: 32 random bytes.
        key_version: the 16 bytes by which the opener finds `key`.
        plaintext: what nobody else may read.
        context: whom it serves, in an encoding that is injective.
    """
    # Safe without counting: salt and nonce are drawn anew for each value, so each has a message key of its own.
    return _seal(key, key_version, plaintext, context, salt=random_bytes(SALT_BYTES), nonce=random_bytes(NONCE_BYTES))


def plaintext_bytes(sealed: bytes) -> int:
    """How many bytes are sealed: all that a sealed value tells to who cannot open it."""
    return len(sealed) - _CIPHERTEXT_AT - TAG_BYTES


def open_value(key: bytes, sealed: bytes, context: bytes) -> bytes:
    """The plaintext of a sealed value.

    Args:
        key: the key of the version that `key_version_of` names.
        sealed: the bytes as they were stored.
        context: recomputed from what the caller trusts, never read from beside the value.

    Raises:
        SealedValueError: for every fault alike.
    """
    key_version_of(sealed)
    message_key, commitment = _message_key(key, sealed[_SALT_AT:_COMMITMENT_AT], context)
    if not equal(commitment, sealed[_COMMITMENT_AT:_NONCE_AT]):
        raise SealedValueError
    aad = sealed[:_NONCE_AT] + context
    return gcm_open(message_key, sealed[_NONCE_AT:_CIPHERTEXT_AT], sealed[_CIPHERTEXT_AT:], aad)


def key_version_of(sealed: bytes) -> bytes:
    """The 16 bytes that name the key. Not authentic before the value was opened with that key.

    Raises:
        SealedValueError: not a sealed value of this format and suite; there is no older one to fall back to.
    """
    if not sealed.startswith(_PREFIX) or len(sealed) < _CIPHERTEXT_AT + TAG_BYTES:
        raise SealedValueError
    return sealed[len(_PREFIX) : _SALT_AT]


def _seal(key: bytes, key_version: bytes, plaintext: bytes, context: bytes, *, salt: bytes, nonce: bytes) -> bytes:
    if len(key) != KEY_BYTES or len(key_version) != KEY_VERSION_BYTES:
        raise SealedValueError
    message_key, commitment = _message_key(key, salt, context)
    bound = _PREFIX + key_version + salt + commitment
    return bound + nonce + gcm_seal(message_key, nonce, plaintext, bound + context)


def _message_key(key: bytes, salt: bytes, context: bytes) -> tuple[bytes, bytes]:
    # Both halves come from one HKDF: the commitment fixes the message key and tells nothing of it.
    both = hkdf_sha512(key, salt=salt, info=_SEAL_INFO + context, length=KEY_BYTES + COMMITMENT_BYTES)
    return both[:KEY_BYTES], both[KEY_BYTES:]
