"""What the provider's id of a key is believed to name.

Source: contracts 8.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from apikeychain.model.records import SealedSecret
from apikeychain.model.rotation_records import ProviderKey, Rotation
from apikeychain.rules.rotation import put_by_hand


def is_of_another(keys: Iterable[ProviderKey], key_id: str, fingerprint: str) -> bool:
    """Whether an id is that of a key with another value: of an account, say, or of a user.

    To end one of them would end the other, or none.
    """
    return bool(key_id) and any(key.id == key_id and key.fingerprint != fingerprint for key in keys)


def believed(said: str, before: Sequence[ProviderKey], sealed: SealedSecret) -> str:
    """The id that somebody said of the value that serves, or "" where it is that of another value.

    What a host says at each start was true of the key that it began with.

    Args:
        said: the id, or "".
        before: what is kept of keys of the secret since its rotation was removed.
        sealed: the value that serves.
    """
    return "" if any(_gainsays(key, said, sealed) for key in before) else said


def begun(
    wanted: Rotation, before: Sequence[ProviderKey], sealed: SealedSecret, now: datetime, key_id: str
) -> ProviderKey:
    """The key that a rotation begins with; by the label that it was made with somebody may find one without an id."""
    key = put_by_hand(wanted, before, sealed, now, key_id)
    labels = [other.label for other in before if other.fingerprint == sealed.fingerprint and not key_id]
    return replace(key, label=max(labels, default=""))


def _gainsays(key: ProviderKey, said: str, sealed: SealedSecret) -> bool:
    is_unknown = key.number == 1 and not key.id
    return not is_unknown and (key.id == said) != (key.fingerprint == sealed.fingerprint)
