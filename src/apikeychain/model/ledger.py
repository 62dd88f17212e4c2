"""The link of the audit chain.

::

    log_payload = canonical JSON of {"v":1,"tenant","seq","at","kind","actor","project","data"}
    entry_hash  = SHA-256(previous_hash || log_payload)
    the first previous_hash = SHA-256("apikeychain/ledger/v1" || 0x00 || tenant)

The store serialises appends, so the store must put a draft behind the head that it holds locked: that is why the
link stands among the nouns and not among the rules.

Source: contracts 6; RFC 8785 (within integers below 2^53 and no floats, sorted compact JSON is canonical); spec 9.3.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import NamedTuple

from apikeychain.errors import InvalidValueError
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.proof import reading, tree

_json = reading.json_text
JSON = str | int | bool | None | list["JSON"] | dict[str, "JSON"]
# Of an entry whose body was dropped, and of one whose stored moment is none: no payload says it.
NO_TIME = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain ends.

    Attributes:
        size: how many entries there are.
        hash: the 32 bytes of the last entry's hash, or the chain's beginning.
    """

    tenant: TenantId
    size: int
    hash: bytes

    @classmethod
    def empty(cls, tenant: TenantId) -> "Head":
        """The head of a chain without entries."""
        return cls(tenant, 0, hashlib.sha256(b"apikeychain/ledger/v1\0" + tenant.encode()).digest())

    def require_entries(self, first: int, last: int) -> None:
        """Require that the chain has the entries from `first` to `last`.

        Raises:
            InvalidValueError: it does not.
        """
        if not 0 < first <= last <= self.size:
            msg = f"the ledger of {self.tenant!r} has {self.size} entries, so none from {first} to {last}"
            raise InvalidValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """An entry as it is stored; all but `payload` and `hash` derive from the payload.

    Of one whose body was dropped only `tenant`, `seq` and `hash` are left: `payload`, `kind` and `actor` are empty,
    `project` is None, and `at` is NO_TIME.

    Attributes:
        at: in UTC, cut to milliseconds as in the payload.
        payload: the canonical JSON, UTF-8.
        hash: 32 bytes.
    """

    tenant: TenantId
    seq: int
    at: datetime
    kind: str
    actor: str
    project: ProjectId | None
    payload: bytes
    hash: bytes

    @property
    def head(self) -> Head:
        """The head of the chain that ends here."""
        return Head(self.tenant, self.seq, self.hash)

    @property
    def is_dropped(self) -> bool:
        """Whether its body was dropped."""
        return self.payload == b"" and (self.at, self.kind, self.actor, self.project) == (NO_TIME, "", "", None)

    def dropped(self) -> "LedgerEntry":
        """What is left of it without its body."""
        return replace(self, at=NO_TIME, kind="", actor="", project=None, payload=b"")

    @property
    def columns(self) -> dict[str, object]:
        """What is stored of it beside payload and hash, by the names of the columns."""
        return {
            "tenant": self.tenant,
            "seq": self.seq,
            "at": "" if self.is_dropped else timestamp(self.at),
            "kind": self.kind,
            "actor": self.actor,
            "project": self.project,
        }


@dataclass(slots=True, kw_only=True)
class LedgerDraft:
    """What is to be written down, before it has a place in the chain.

    Attributes:
        actor: an opaque label, at most 128 characters, no ``@``.
        data: JSON without floats.
    """

    at: datetime
    kind: str
    actor: str
    project: ProjectId | None = None
    data: Mapping[str, JSON] = field(default_factory=dict[str, JSON])

    def behind(self, head: Head) -> LedgerEntry:
        """The entry that this draft becomes as the next one behind `head`."""
        (entry,) = chained(head, [self])
        return entry


class LedgerRow(NamedTuple):
    """An entry as its columns; see `LedgerEntry`.

    Attributes:
        at: the text of its payload.
    """

    tenant: TenantId
    seq: int
    at: str
    kind: str
    actor: str
    project: ProjectId | None
    payload: bytes
    hash: bytes

    @property
    def head(self) -> Head:
        """The head of the chain that ends here."""
        return Head(self.tenant, self.seq, self.hash)


def chained(head: Head, drafts: Sequence[LedgerDraft]) -> list[LedgerEntry]:
    """The entries that drafts become, each behind the one before, the first behind `head`."""
    return [
        LedgerEntry(
            tenant=row.tenant,
            seq=row.seq,
            at=draft.at.astimezone(UTC).replace(microsecond=draft.at.microsecond // 1000 * 1000),
            kind=row.kind,
            actor=row.actor,
            project=row.project,
            payload=row.payload,
            hash=row.hash,
        )
        for draft, row in zip(drafts, rows_behind(head, drafts), strict=True)
    ]


def rows_behind(head: Head, drafts: Iterable[LedgerDraft]) -> list[LedgerRow]:
    """The same as columns: all that a store writes down of them."""
    seq, previous = head.size, head.hash
    tenant = _json(head.tenant)
    rows: list[LedgerRow] = []
    for draft in drafts:
        seq += 1
        at, kind, actor, project = timestamp(draft.at), draft.kind, draft.actor, draft.project
        whose = "null" if project is None else _json(project)
        # The canonical JSON of these members, which never are others: only what the data say has to be looked at.
        payload = (
            f'{{"actor":{_json(actor)},"at":"{at}","data":{_json(dict(draft.data))},"kind":{_json(kind)},"project":{whose},'
            f'"seq":{seq},"tenant":{tenant},"v":1}}'
        ).encode()
        previous = link(previous, payload)
        rows.append(LedgerRow(head.tenant, seq, at, kind, actor, project, payload, previous))
    return rows


def link(previous_hash: bytes, payload: bytes) -> bytes:
    """The hash of the entry with `payload` behind `previous_hash`."""
    return tree.entry_hash(previous_hash, payload)


def canonical_json(value: JSON) -> bytes:
    """RFC 8785 for values without floats, with integers below 2^53 and keys in the Basic Multilingual Plane."""
    return reading.canonical_json(value)


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with three decimals."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[: -len("+00:00")] + "Z"
