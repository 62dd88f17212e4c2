"""Where a second branch of a chain may begin: the hashes of the last entries that were read.

Source: contracts 6; spec 9.3.
"""

from collections.abc import Callable

from apikeychain.model.ledger import Head

# How far up a second branch is looked for.
REMEMBERED = 1000


class Branches:
    """Hashes by the place of their entries.

    Args:
        origin: behind which the first entry stands.
    """

    def __init__(self, origin: Head) -> None:
        self._origin = origin
        self._recent: dict[int, bytes] = {}

    def remember(self, place: int, digest: bytes) -> None:
        """The hash of the entry that stands there; the one that was remembered first is forgotten."""
        self._recent[place] = digest
        if len(self._recent) > REMEMBERED:
            del self._recent[next(iter(self._recent))]

    def stood_at(self, place: int) -> bytes | None:
        """The hash of the entry that stands there, as far as that is remembered."""
        return self._recent.get(place)

    def find(self, is_made_of: Callable[[bytes], bool]) -> int | None:
        """The place of the first hash of which that is true, that of the origin for the beginning, or None."""
        known = {self._origin.size: self._origin.hash, **self._recent}
        return next((place for place, digest in known.items() if is_made_of(digest)), None)
