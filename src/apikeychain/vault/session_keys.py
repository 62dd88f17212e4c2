"""Session keys: made out of a signing key whenever they are needed, and stored nowhere.

Source: contracts 3, "Session keys"; RFC 5869.
"""

from apikeychain.model.ids import base64url
from apikeychain.model.keys import length_prefixed
from apikeychain.primitives import hkdf_sha256
from apikeychain.secret import Secret

_INFO = b"apikeychain/v1/session"


def session_key(signing_key: Secret, key_id: str, origin: str) -> Secret:
    """The text of a session key.

    Args:
        signing_key: the text of the key behind it.
        key_id: the session key's own id, which says user and expiry.
        origin: the only one with which it is good, or "" for an app, which sends none.
    """
    info = _INFO + length_prefixed((key_id, origin))
    derived = hkdf_sha256(signing_key.reveal(), salt=b"", info=info)
    return Secret(base64url(derived))
