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
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from apikeychain.model.ids import ProjectId, TenantId

JSON = str | int | bool | None | list["JSON"] | dict[str, "JSON"]
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


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


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """An entry as it is stored; all but `payload` and `hash` derive from the payload.

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
        seq = head.size + 1
        payload = canonical_json(
            {
                "v": 1,
                "tenant": head.tenant,
                "seq": seq,
                "at": timestamp(self.at),
                "kind": self.kind,
                "actor": self.actor,
                "project": self.project,
                "data": dict(self.data),
            },
        )
        return LedgerEntry(
            tenant=head.tenant,
            seq=seq,
            at=self.at.astimezone(UTC).replace(microsecond=self.at.microsecond // 1000 * 1000),
            kind=self.kind,
            actor=self.actor,
            project=self.project,
            payload=payload,
            hash=link(head.hash, payload),
        )


def chained(head: Head, drafts: Iterable[LedgerDraft]) -> list[LedgerEntry]:
    """The entries that drafts become, each behind the one before, the first behind `head`."""
    entries: list[LedgerEntry] = []
    for draft in drafts:
        entries.append(draft.behind(head))
        head = entries[-1].head
    return entries


def link(previous_hash: bytes, payload: bytes) -> bytes:
    """The hash of the entry with `payload` behind `previous_hash`."""
    return hashlib.sha256(previous_hash + payload).digest()


def canonical_json(value: JSON) -> bytes:
    """RFC 8785 for values without floats, with integers below 2^53 and keys in the Basic Multilingual Plane."""
    return _encode(value).encode()


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with three decimals."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
