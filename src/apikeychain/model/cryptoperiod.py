"""How long a platform key has been in use.

Source: contracts 5, "Rotation"; NIST SP 800-57 part 1, 5.3.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from apikeychain.model.ids import TenantId


@dataclass(frozen=True, slots=True, kw_only=True)
class Cryptoperiod:
    """How old the platform key of a key service is, and how much it was used; stored with the platform.

    Attributes:
        name: of the key service.
        version: the newest one, as far as it was made here; 0 before the first turn.
        created: when that was made; before the first turn, when somebody looked first.
        uses: how many keys it wrapped since, counted by the minute.
        rewrapped: the version under which everything was wrapped anew.
        tried: the version under which that was tried last, of all tenants.
        behind: of whom a key was not wrapped anew then, as many as are kept; `platform` stands for the keys that sign
            checkpoints.
        again: when they are tried again.
    """

    kind: ClassVar[str] = "cryptoperiod"
    name: str
    created: datetime
    version: int = 0
    uses: int = 0
    rewrapped: int = 0
    tried: int = 0
    behind: tuple[TenantId, ...] = ()
    again: datetime | None = None
    generation: int = 1

    @property
    def key(self) -> tuple[str, ...]:
        """The name of the key service."""
        return (self.name,)
