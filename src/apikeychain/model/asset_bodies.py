"""What an object of an asset holds before it is sealed: the body itself, and as it goes out in codings.

::

    0x01, the format | three times: length (4, big-endian) and as many bytes: identity, gzip, br

Where a coding makes a body no shorter, it has no bytes.
"""

from dataclasses import dataclass, field
from typing import Self

from apikeychain.errors import DamagedDataError

_FORMAT = b"\x01"
_LENGTH = 4


@dataclass(frozen=True, slots=True)
class AssetBodies:
    """A body in every coding that it is served in.

    Attributes:
        identity: the body itself.
        gzip: coded, or empty; `br` likewise.
    """

    identity: bytes = field(repr=False)
    gzip: bytes = field(default=b"", repr=False)
    br: bytes = field(default=b"", repr=False)

    def pack(self) -> bytes:
        """All of it in one piece."""
        bodies = (self.identity, self.gzip, self.br)
        return _FORMAT + b"".join(len(body).to_bytes(_LENGTH, "big") + body for body in bodies)

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """What was packed.

        Raises:
            DamagedDataError: it is not what `pack` makes.
        """
        rest, bodies = packed.removeprefix(_FORMAT), list[bytes]()
        for _ in range(3):
            end = _LENGTH + int.from_bytes(rest[:_LENGTH], "big")
            bodies.append(rest[_LENGTH:end])
            rest = rest[end:]
        found = cls(*bodies)
        if found.pack() != packed:
            msg = "a stored asset"
            raise DamagedDataError(msg)
        return found
