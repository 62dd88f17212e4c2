"""Which entries of a ledger somebody wants to see.

Source: contracts 6.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from apikeychain.errors import InvalidValueError
from apikeychain.model.ledger import LedgerEntry
from apikeychain.rules.chain import KINDS

_NOUNS = frozenset(kind.split(".")[0] for kind in KINDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Entries that are all of what is said; what is not said is open.

    Attributes:
        kinds: one of these kinds, or of these nouns: ``secret`` is every kind that begins with ``secret.``.
        project: of the project with this id.
        actor: done by whoever has this label.
        since: not before this moment.
        until: before this moment.
    """

    kinds: Sequence[str] = ()
    project: str | None = None
    actor: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        """Raise InvalidValueError for a kind that no entry has."""
        for kind in self.kinds:
            if kind not in KINDS | _NOUNS:
                msg = f"no entry is of the kind {kind!r}; there are: {', '.join(sorted(KINDS))}"
                raise InvalidValueError(msg)

    def holds(self, entry: LedgerEntry) -> bool:
        """Whether the entry is one of them, by what is stored beside its payload."""
        return (
            (not self.kinds or any(str(entry.kind) == kind or _noun(entry) == kind for kind in self.kinds))
            and self.project in {None, entry.project}
            and self.actor in {None, entry.actor}
            and (self.since is None or entry.at >= self.since)
            and (self.until is None or entry.at < self.until)
        )


def _noun(entry: LedgerEntry) -> str:
    return str(entry.kind).split(".")[0]


def parse_moment(text: str) -> datetime:
    """A day or a moment in ISO 8601, in UTC where it names no zone.

    Raises:
        InvalidValueError: it is none.
    """
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        msg = f"not a moment: {text!r}; write 2026-01-31, or 2026-01-31T18:30, in UTC, or with a zone like +02:00"
        raise InvalidValueError(msg) from None
