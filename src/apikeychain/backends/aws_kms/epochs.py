"""The versions of a platform key in AWS KMS, called epochs: each is a KMS key, and an alias says which.

The alias is ``alias/<name>-<epoch>``, its target the KMS key. What is stored is::

    "KM" (2) | 0x01 version | epoch (4, big endian) | ciphertext blob of KMS

which has one spelling. Nothing in it names a key: the epoch is looked up among the aliases of our own account and
region, and KMS opens the blob with that key or not at all.

Source: contracts 5; AWS KMS API Reference, "ListAliases", "Decrypt" (`KeyId`).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from apikeychain.errors import SealedValueError

_HEAD = b"KM\x01"
_EPOCH_BYTES = 4
# What KMS takes for a text at most.
_MAX_BLOB_BYTES = 6144
_KEY = re.compile(r"[A-Za-z0-9-]{1,64}")
NAME = re.compile(r"(?!aws/)[A-Za-z0-9][A-Za-z0-9/_-]{0,127}")


@dataclass(frozen=True, slots=True)
class Epochs:
    """Those that there are.

    Attributes:
        keys: the id of the KMS key of each.
    """

    keys: Mapping[int, str]

    @property
    def newest(self) -> int:
        """The one that wraps; 0 where there is none."""
        return max(self.keys, default=0)


def alias_of(name: str, epoch: int) -> str:
    """The alias of an epoch."""
    return f"alias/{name}-{epoch}"


def epochs_of(name: str, aliases: Iterable[Mapping[str, Any]]) -> dict[int, str]:
    """The key ids of the epochs among all aliases of an account; others are passed over.

    Args:
        name: of the platform key.
        aliases: as KMS lists them.
    """
    pattern = re.compile(rf"alias/{re.escape(name)}-([1-9][0-9]{{0,8}})")
    found: dict[int, str] = {}
    for alias in aliases:
        named, key = pattern.fullmatch(str(alias.get("AliasName"))), alias.get("TargetKeyId")
        if named is not None and isinstance(key, str) and _KEY.fullmatch(key):
            found[int(named[1])] = key
    return found


def wrapped_text(epoch: int, blob: bytes) -> bytes:
    """What is stored of a wrapped key."""
    return _HEAD + epoch.to_bytes(_EPOCH_BYTES, "big") + blob


def parse_wrapped(wrapped: bytes) -> tuple[int, bytes]:
    """The epoch that a text names, and the blob in it.

    Raises:
        SealedValueError: it is none that was made here.
    """
    head, rest = wrapped[: len(_HEAD)], wrapped[len(_HEAD) :]
    epoch, blob = rest[:_EPOCH_BYTES], rest[_EPOCH_BYTES:]
    if head != _HEAD or not 0 < len(blob) <= _MAX_BLOB_BYTES:
        raise SealedValueError
    return int.from_bytes(epoch, "big"), blob
