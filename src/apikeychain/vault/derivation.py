"""How a project's keys come from one another, and what a key says of itself. Pure: the caller brings every byte.

::

    derived key = KDF(HMAC-SHA512(tenant secret, "apikeychain/v1/derive" || key version (16) || master key), salt)
    own key     = HKDF-SHA512(derived key, empty salt, "apikeychain/v1/" || purpose || context)

Neither the tenant secret nor the master key alone gives the derived key. The metadata are wrapped beside the keys:
whoever can write the database and nothing else cannot lower a KDF, swap a salt or make an old version the newest.

Source: contracts 5; RFC 5869; RFC 9106; RFC 8259.
"""

import json
from datetime import UTC

from apikeychain.model.keys import SealContext
from apikeychain.model.records import ProjectKey
from apikeychain.primitives import hkdf_sha512, hmac_sha256, hmac_sha512, stretch
from apikeychain.secret import Secret

_NAMESPACE = b"apikeychain/v1/"
_FINGERPRINT_BYTES = 8


def derived_key(kdf: str, *, tenant_secret: bytes, master_key: bytes, version: bytes, salt: bytes) -> bytes:
    """The key that seals a project's values; about 0.2 s of one core and, with Argon2id, 64 MiB.

    Raises:
        SealedValueError: `kdf` is none of the two known profiles.
    """
    message = _NAMESPACE + b"derive" + version + master_key
    return stretch(kdf, hmac_sha512(tenant_secret, message), salt)


def own_key(derived: bytes, context: SealContext) -> bytes:
    """The 32-byte key of another use than sealing, named by the purpose of `context`."""
    # Safe with an empty salt: the derived key is uniform, and the purpose and context set the uses apart.
    return hkdf_sha512(derived, salt=b"", info=_NAMESPACE + context.purpose.encode() + context.encoded)


def fingerprint(derived: bytes, context: SealContext, secret: Secret) -> str:
    """16 hex digits by which equal secrets of one key version are recognised; keyed, so nobody else can guess."""
    return hmac_sha256(own_key(derived, context), secret.reveal())[:_FINGERPRINT_BYTES].hex()


def metadata(key: ProjectKey) -> bytes:
    """Canonical JSON of the columns of `key` that nobody may change: compared with what was wrapped."""
    facts: dict[str, str | int] = {
        "created": key.created.astimezone(UTC).isoformat(timespec="milliseconds"),
        "kdf": key.kdf,
        "number": key.number,
        "salt": key.salt.hex(),
    }
    if key.secret_number > 1:
        facts["secret_number"] = key.secret_number
    return json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()
