"""What rotators have in common that ask the key API of one provider: a bound, a real call, a line.

Source: contracts 8.
"""

from abc import ABC, abstractmethod
from typing import Literal

from apikeychain.model.rotators import AWSIAMRotation, HTTPRotation
from apikeychain.ports.rotator import NewKey, Order
from apikeychain.rotation.access import VERB_SECONDS, Access, tried
from apikeychain.rotation.answer import bounded
from apikeychain.rotation.line import Line
from apikeychain.secret import Secret


class KeyAPI(ABC):
    """Makes, tries and ends keys by requests with one credential. See Rotator.

    Args:
        how: names the provider, the credential, and the call that tries a key.
        access: what it reaches.
    """

    def __init__(self, how: HTTPRotation | AWSIAMRotation, access: Access) -> None:
        self._access = access
        self._provider, self._credential, self._verify = how.provider, how.credential, how.verify

    async def create(self, order: Order) -> NewKey:
        """See Rotator.create."""
        return await bounded(self._create(order), VERB_SECONDS, repr(self._provider))

    async def verify(self, key: Secret) -> None:
        """See Rotator.verify."""
        await tried(self._access, self._verify, key)

    async def revoke(self, key_id: str) -> Literal["gone"] | None:
        """See Rotator.revoke."""
        return await self._revoke(await self._line(), key_id)

    async def _line(self) -> Line:
        return await self._access.line(self._provider, self._credential)

    @abstractmethod
    async def _create(self, order: Order) -> NewKey:
        """One key, whatever became of an order that comes again."""

    @abstractmethod
    async def _revoke(self, line: Line, key_id: str) -> Literal["gone"] | None:
        """End a key; "gone" where the provider knows none of that id."""
