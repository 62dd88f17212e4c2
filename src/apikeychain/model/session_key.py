"""What the id of a session key says.

Source: contracts 3, "Session keys".
"""

import base64
import re
from dataclasses import dataclass
from typing import Self

from apikeychain.errors import InvalidValueError
from apikeychain.model.ids import base64url

SESSION_PREFIX = "s1."
USER = re.compile(r"[\x21-\x7e]{1,128}")
_EXPIRIES = range(10**11)


@dataclass(frozen=True, slots=True)
class SessionKey:
    """What the id of a session key says: ``s1.<key id>.<expiry>.<base64url user>``.

    Attributes:
        parent: the id of the signing key that it was made of.
        expiry: unix seconds; the first moment at which it is no longer good.
        user: whose calls it signs.
    """

    parent: str
    expiry: int
    user: str

    @property
    def id(self) -> str:
        """What a caller sends as ``x-key-id``."""
        return f"{SESSION_PREFIX}{self.parent}.{self.expiry}.{base64url(self.user.encode())}"

    @classmethod
    def read(cls, key_id: str) -> Self:
        """The session key of an id; only the one spelling that `id` gives is taken.

        Raises:
            InvalidValueError: it is another, or none.
        """
        parts = key_id.split(".")
        try:
            _, parent, expiry, user = parts
            label = base64.urlsafe_b64decode(f"{user}==").decode("ascii")
            session = cls(parent, int(expiry), parse_user(label))
        except ValueError:
            session = None
        if session is None or not session.parent or session.expiry not in _EXPIRIES or session.id != key_id:
            msg = "not the id of a session key"
            raise InvalidValueError(msg)
        return session


def parse_user(user: str) -> str:
    """The label of a user.

    Raises:
        InvalidValueError: not 1 to 128 printable ASCII characters without spaces.
    """
    if not USER.fullmatch(user):
        msg = f"not a user label: {user!r} (1 to 128 printable ASCII characters, no spaces)"
        raise InvalidValueError(msg)
    return user
