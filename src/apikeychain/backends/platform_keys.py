"""The versions of a platform key that is held in a process, and how they wrap.

A wrapped key is a sealed value (see `apikeychain.primitives`) with the purpose ``wrap``: its key version names the
version of the platform key, its context is length-prefixed tenant, project, ``wrap``, purpose and version of what is
wrapped. A version's 16 bytes are random, so keys of another installation are told apart from ours: they are unknown.

Source: contracts 5.
"""

from dataclasses import dataclass, field

from apikeychain.errors import InvalidValueError, SealedValueError
from apikeychain.model.keys import KeyContext, length_prefixed
from apikeychain.primitives import KEY_BYTES, KEY_VERSION_BYTES, key_version_of, open_value, random_bytes, seal_value


@dataclass(frozen=True, slots=True)
class PlatformKey:
    """One version.

    Attributes:
        number: counts versions, from 1.
        version: the 16 random bytes in everything that it wraps.
        key: 32 random bytes.
    """

    number: int
    version: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PlatformKeys:
    """All versions that still unwrap, oldest first; never empty. The newest wraps."""

    versions: tuple[PlatformKey, ...]

    @classmethod
    def generate(cls) -> "PlatformKeys":
        """Version 1 of a new platform key."""
        return cls((_fresh(1),))

    @property
    def newest(self) -> PlatformKey:
        """The version that wraps."""
        return self.versions[-1]

    def wrap(self, key: bytes, context: KeyContext) -> bytes:
        """`key` under the newest version."""
        return seal_value(self.newest.key, self.newest.version, key, _bound(context))

    def unwrap(self, wrapped: bytes, context: KeyContext) -> bytes:
        """The key.

        Raises:
            SealedValueError: tampered with, of another context, of a version that is gone or of another installation.
        """
        version = key_version_of(wrapped)
        for known in self.versions:
            if known.version == version:
                return open_value(known.key, wrapped, _bound(context))
        raise SealedValueError

    def rotated(self) -> "PlatformKeys":
        """These and a new newest version."""
        return PlatformKeys((*self.versions, _fresh(self.newest.number + 1)))

    def without(self, number: int) -> "PlatformKeys":
        """These without one version; one that is gone already stays gone.

        Raises:
            InvalidValueError: it is the newest, or there never was one of that number.
        """
        if not 0 < number < self.newest.number:
            msg = f"version {number} of the platform key cannot be retired: 1 to {self.newest.number - 1} can"
            raise InvalidValueError(msg)
        return PlatformKeys(tuple(known for known in self.versions if known.number != number))


def _fresh(number: int) -> PlatformKey:
    return PlatformKey(number, random_bytes(KEY_VERSION_BYTES), random_bytes(KEY_BYTES))


def _bound(context: KeyContext) -> bytes:
    # The same eight fields as a sealed value's context, so that a wrapped key can never pass for a sealed secret.
    return length_prefixed((context.tenant, context.project, "wrap", context.purpose, context.version, "", "", ""))
