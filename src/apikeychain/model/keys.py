"""What a wrapped key or sealed value is bound to.

Source: contracts 5; amendment: 4-byte big-endian length, then UTF-8; absent is 0; numbers are decimal.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyContext:
    """Whom a wrapped key serves; absent is the empty string.

    Attributes:
        purpose: ``"tenant-secret"``, ``"pseudonym"``, ``"master"``, ``"derived"``, ``"metadata"`` or ``"checkpoint"``.
        version: of the project's key, as hex; of the keys of checkpoints, the id of the pair; of a tenant secret its
            number, from the second one on.
    """

    tenant: str
    project: str = ""
    purpose: str
    version: str = ""

    @property
    def encoded(self) -> bytes:
        """The bytes that bind."""
        return length_prefixed((self.tenant, self.project, self.purpose, self.version))


@dataclass(frozen=True, slots=True, kw_only=True)
class SealContext:
    """Whom a sealed value serves.

    Attributes:
        purpose: ``"secret"`` for a provider's secret.
        name: of the value; absent for a key of the whole project.
        version: of the value, counted from 1; 0 where it has none.
        scheme: of the provider it is for; `host` and `port` likewise.
    """

    tenant: str
    project: str
    purpose: str
    name: str = ""
    version: int = 0
    scheme: str = ""
    host: str = ""
    port: int = 0

    @property
    def encoded(self) -> bytes:
        """The bytes that bind."""
        version, port = (str(number) if number else "" for number in (self.version, self.port))
        return length_prefixed(
            (self.tenant, self.project, self.purpose, self.name, version, self.scheme, self.host, port),
        )


def length_prefixed(fields: Iterable[str]) -> bytes:
    """Each field as a 4-byte big-endian count of its UTF-8 bytes, then these bytes: no two lists encode alike."""
    encoded = [field.encode() for field in fields]
    return b"".join(len(field).to_bytes(4, "big") + field for field in encoded)
