"""The only coat that plaintext wears."""

import hmac
import os
from typing import NoReturn, Self, final

from apikeychain.errors import InvalidValueError

MIN_BYTES = 8
MAX_BYTES = 4096
_SHORT_BYTES = 16
_PRINTABLE = frozenset(range(0x20, 0x7F))


@final
class Secret:
    """A provider's secret: 8 to 4,096 printable ASCII bytes, whose only exit is `reveal`.

    It has no useful repr, cannot be pickled or put into an f-string, and compares by `matches` only, in constant
    time. Python cannot wipe the memory behind it: the documentation says what that means.

    Args:
        value: the secret as the provider shows it.

    Raises:
        InvalidValueError: not printable ASCII, not of that length, or with a space at an end, which a provider may
            drop. The text never holds the value.
    """

    __slots__ = ("__weakref__", "_value")

    def __init__(self, value: str) -> None:
        try:
            raw = value.encode("ascii")
        except UnicodeEncodeError:
            raw = b"\n"
        if not _PRINTABLE.issuperset(raw):
            msg = "a secret is printable ASCII, without line breaks"
            raise InvalidValueError(msg) from None
        if raw != raw.strip():
            msg = "a secret neither begins nor ends with a space"
            raise InvalidValueError(msg)
        if not MIN_BYTES <= len(raw) <= MAX_BYTES:
            msg = f"a secret has {MIN_BYTES} to {MAX_BYTES} characters, this one has {len(raw)}"
            raise InvalidValueError(msg)
        self._value = raw

    @classmethod
    def from_env(cls, name: str) -> Self:
        """The secret in the environment variable `name`.

        Raises:
            InvalidValueError: the variable is not set, or does not hold a secret.
        """
        value = os.environ.get(name)
        if not value:
            msg = f"the environment variable {name} is not set: export {name}=... before the start"
            raise InvalidValueError(msg)
        return cls(value)

    @property
    def is_short(self) -> bool:
        """Whether it has fewer than 16 characters."""
        return len(self._value) < _SHORT_BYTES

    def reveal(self) -> bytes:
        """The plaintext. Every caller of this is listed in a test."""
        return self._value

    def matches(self, other: "Secret") -> bool:
        """Whether both hold the same bytes, in constant time."""
        return hmac.compare_digest(self._value, other.reveal())

    def __len__(self) -> int:
        return len(self._value)

    def __repr__(self) -> str:
        return "Secret(...)"

    def __str__(self) -> NoReturn:
        msg = "a Secret is not text: reveal() is its only exit"
        raise TypeError(msg)

    def __format__(self, spec: str) -> NoReturn:
        msg = "a Secret cannot be formatted: reveal() is its only exit"
        raise TypeError(msg)

    def __eq__(self, other: object) -> NoReturn:
        msg = "compare secrets with matches()"
        raise TypeError(msg)

    def __hash__(self) -> NoReturn:
        msg = "a Secret cannot be hashed"
        raise TypeError(msg)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        msg = "a Secret cannot be pickled or copied"
        raise TypeError(msg)
