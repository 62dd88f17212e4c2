"""Objects of assets: each is sealed with a key of its own, and that key with the key of its project.

So the key of a project turns without an object being written anew, in one transaction with everything else.

Source: contracts 5, 9; decision 35.
"""

import hashlib

from apikeychain.errors import SealedValueError
from apikeychain.model.asset import AssetVersion
from apikeychain.model.ids import TenantId
from apikeychain.primitives import KEY_BYTES, KEY_VERSION_BYTES, key_version_of, open_value, random_bytes, seal_value
from apikeychain.secret import Secret
from apikeychain.vault import contexts


def new_object() -> str:
    """A fresh name of an object."""
    return random_bytes(KEY_VERSION_BYTES).hex()


def new_object_key() -> Secret:
    """A fresh key of an object, as 64 hex digits."""
    return Secret(random_bytes(KEY_BYTES).hex())


def seal_object(key: Secret, tenant: TenantId, version: AssetVersion, body: bytes) -> bytes:
    """An object, sealed: some 10 ms for 10 MiB, so for a thread.

    Args:
        key: of the object.
        tenant: whose asset it is.
        version: which one; its project, path, number and object are what the seal is bound to.
        body: what is sealed.
    """
    context = contexts.of_asset(tenant, version).encoded
    return seal_value(_key(key), bytes.fromhex(version.object), body, context)


def open_object(key: Secret, tenant: TenantId, version: AssetVersion, sealed: bytes) -> bytes:
    """What an object holds; for a thread.

    Raises:
        SealedValueError: it is not what was put for that version.
    """
    if hashlib.sha256(sealed).hexdigest() != version.object_sha256 or key_version_of(sealed).hex() != version.object:
        raise SealedValueError
    return open_value(_key(key), sealed, contexts.of_asset(tenant, version).encoded)


def old_token_key(text: Secret) -> bytes:
    """The key in the opened value of an `AssetTokenKey`."""
    return _key(text)


def _key(key: Secret) -> bytes:
    return bytes.fromhex(key.reveal().decode())
