"""Which epochs there are, as AWS KMS listed them a moment ago.

Another process may rotate at any time. So a wrap uses a list that is at most 5 s old, and an epoch that is not on it
lets it be read again: once for all who ask meanwhile, which costs no more than unwrapping would.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, cast, final

from apikeychain.backends.aws_kms.epochs import Epochs, epochs_of
from apikeychain.backends.aws_kms.line import Line
from apikeychain.errors import SealedValueError
from apikeychain.flights import Flights

_FRESH_SECONDS = 5.0
# Each has up to 100 aliases.
_MAX_PAGES = 100


@final
class Ring:
    """The epochs of one platform key, in one event loop.

    Args:
        line: to KMS.
        name: of the platform key.
    """

    def __init__(self, line: Line, name: str) -> None:
        self._line, self._name = line, name
        self._clock = asyncio.get_running_loop().time
        self._held, self._read_at = Epochs({}), float("-inf")
        self._made: dict[int, str] = {}
        self._flights: Flights[str, Epochs] = Flights()

    async def current(self, seconds: float = _FRESH_SECONDS) -> Epochs:
        """The epochs, as they were at most `seconds` ago.

        Raises:
            BackendUnavailableError: they cannot be read.
        """
        if self._clock() - self._read_at < seconds:
            return self._held
        return await self._flights.join("list", self._listed, self._keep)

    async def key_of(self, epoch: int) -> str:
        """The key of an epoch.

        Raises:
            SealedValueError: there is none of that number.
            BackendUnavailableError: they cannot be read.
        """
        key = self._held.keys.get(epoch)
        if key is None:
            key = (await self.current(0)).keys.get(epoch)
        if key is None:
            raise SealedValueError
        return key

    def add(self, epoch: int, key: str) -> None:
        """Know of an epoch that was made here, also where KMS does not list it yet."""
        self._made[epoch] = key
        self._held = Epochs({**self._held.keys, epoch: key})

    def forget(self) -> None:
        """Have them read again by the next one who asks."""
        self._read_at = float("-inf")

    def _keep(self, epochs: Epochs) -> None:
        self._held, self._read_at = epochs, self._clock()

    async def _listed(self) -> Epochs:
        found: dict[int, str] = {}
        marker: dict[str, Any] = {}
        for _ in range(_MAX_PAGES):
            answer = await self._line.ask("list_aliases", Limit=100, **marker)
            aliases = answer.body.get("Aliases")
            if not answer.is_good or not isinstance(aliases, list):
                self._line.refuse(answer.why("its aliases cannot be listed"))
            found |= epochs_of(self._name, cast("list[Mapping[str, Any]]", aliases))
            if answer.body.get("Truncated") is not True:
                return Epochs({**self._made, **found})
            marker = {"Marker": answer.body.get("NextMarker")}
        return self._line.refuse("it lists more aliases than anybody has")
