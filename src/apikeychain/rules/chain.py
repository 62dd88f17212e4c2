"""What stands in the audit chain, and whether a chain holds.

The table of kinds is the one place where a kind is named. `verify` proves that entries stand one behind the other and
say in every column what was hashed. It cannot prove that the last entries were not cut off, nor that the whole chain
was not written anew: only a head that was kept elsewhere shows that.

Source: contracts 6; RFC 8785; spec 9.1 to 9.3.
"""

import hmac
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NoReturn, cast

from apikeychain.errors import InvalidValueError, LedgerBrokenError
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.ledger import JSON, Head, LedgerDraft, LedgerEntry, canonical_json, link, timestamp

PLATFORM = TenantId("platform")
ADMIN_KINDS = frozenset(
    f"{noun}.{verb}"
    for noun, verbs in {
        "tenant": "created changed removed erased",
        "project": "created enabled disabled changed removed",
        "origin": "allowed removed",
        "provider": "registered changed removed",
        "route": "added changed enabled disabled removed",
        "secret": "put removed",
        "signing-key": "added replaced retired",
        "suspension": "created changed removed",
        "key": "created rotated rewrapped retired turned",
        "tenant-secret": "turned",
        "rotation": "added changed paused resumed removed ordered reminded started created verified switched revoked "
        "refused failed",
        "checkpoint-key": "made rotated",
        "watch": "changed noticed tightened relaxed",
        "asset": "put rolled-back removed damaged",
    }.items()
    for verb in verbs.split()
)
# Of what a management verb leaves: what it did, or which entries it dropped.
MANAGED_KINDS = ADMIN_KINDS | {"retained"}
KINDS = MANAGED_KINDS | {"intent", "call", "refusals", "gap"}
MAX_ACTOR = 128
MAX_INTEGER = (1 << 53) - 1
_MEMBERS = frozenset({"v", "tenant", "seq", "at", "kind", "actor", "project", "data"})
_PSEUDONYM_DIGITS = 32
_TEXT = r"[ !#-\[\]-~]*"
_NUMBER = "(?:0|[1-9][0-9]{0,14})"
_PLAIN_DATA = {
    "call": r'{"answered":T,"base_url":T,"bytes_in":N,"bytes_out":N,"caller":(?:T|null),"country":(?:T|null),'
    r'"duration_ms":N,(?:"intent":N,)?"method":T,"path":T,"query":\[(?:T(?:,T)*)?\],"refusal":(?:T|null),"route":T,'
    r'"status":N}',
    "intent": r'{"base_url":T,"bytes_in":(?:N|null),"caller":(?:T|null),"method":T,"path":T,'
    r'"query":\[(?:T(?:,T)*)?\],"route":T}',
}
# The payloads of nearly every entry, by kind: without an escape in them, which are canonical by their form alone.
_PLAIN = {
    kind: re.compile(
        r'{"actor":"(S)","at":"(S)","data":D,"kind":"K","project":(?:"(S)"|null),"seq":(N),"tenant":"(S)","v":1}'.replace(
            "K", kind
        )
        .replace("D", data)
        .replace("T", '"S"')
        .replace("S", _TEXT)
        .replace("N", _NUMBER)
    )
    for kind, data in _PLAIN_DATA.items()
}
_LONE = re.compile("[\ud800-\udfff]")
_BEYOND_PLANE = re.compile("[\U00010000-\U0010ffff]")
_PSEUDONYM = re.compile(f"[0-9a-f]{{{_PSEUDONYM_DIGITS}}}")


def verify(head: Head, entries: Iterable[LedgerEntry]) -> Head:
    """The head behind `entries`, which must stand right behind `head`.

    An entry whose body was dropped is taken at its word here: `retained` tells whether it may be gone.

    Raises:
        LedgerBrokenError: at the first place in the chain where the entry that belongs there does not stand.
    """
    tenant, seq, previous = head.tenant, head.size, head.hash
    for entry in entries:
        seq += 1
        fault = _column_fault(entry, tenant, seq, previous)
        if not (fault or _is_plain(entry) or entry.is_dropped):
            fault = payload_fault(entry)
        if fault:
            raise LedgerBrokenError(tenant, seq, fault)
        previous = entry.hash
    return Head(tenant, seq, previous)


def _column_fault(entry: LedgerEntry, tenant: TenantId, seq: int, previous: bytes) -> str:
    if entry.tenant != tenant:
        return f"it belongs to {entry.tenant!r}"
    if entry.seq != seq:
        return f"entry {entry.seq} stands in its place"
    # A database without column types gives back whatever somebody wrote there.
    if type(entry.payload) is not bytes:
        return "its payload is no bytes"
    if entry.hash != link(previous, entry.payload) and not entry.is_dropped:
        return "its hash does not link its payload to the entry before it"
    return ""


def _is_plain(entry: LedgerEntry) -> bool:
    """Whether its payload is plainly one of its kind and says what its columns say: `payload_fault` finds nothing."""
    form = _PLAIN.get(entry.kind)
    if form is None or type(entry.seq) is not int:
        return False
    plain = form.fullmatch(entry.payload.decode("latin-1"))
    columns = entry.actor, _moment(entry), entry.project, str(entry.seq), entry.tenant
    return plain is not None and plain.groups() == columns


def payload_fault(entry: LedgerEntry) -> str:
    """Why its payload is none of version 1 or says other than its columns, or ""."""
    payload = parse(entry.payload)
    if payload is None:
        return "its payload is not canonical JSON"
    if type(payload.get("v")) is not int or payload["v"] != 1:
        return f"its version is unknown: {payload.get('v')!r}"
    if payload.keys() != _MEMBERS or not isinstance(payload["data"], dict):
        return "its payload has other members than version 1"
    if columns := [name for name, value in _columns(entry).items() if not _same(payload[name], value)]:
        return f"stored beside the payload and different from it: {', '.join(columns)}"
    if entry.kind not in KINDS:
        return f"its kind is unknown: {entry.kind!r}"
    return ""


def _columns(entry: LedgerEntry) -> dict[str, JSON]:
    return {
        "tenant": entry.tenant,
        "seq": entry.seq,
        "at": _moment(entry),
        "kind": entry.kind,
        "actor": entry.actor,
        "project": entry.project,
    }


def _moment(entry: LedgerEntry) -> str | None:
    """As a payload says it; None for what no payload says."""
    return timestamp(entry.at) if entry.at.tzinfo and entry.at.microsecond % 1000 == 0 else None


def _same(one: JSON, other: JSON) -> bool:
    """Equal in value and type: in Python ``True == 1``."""
    return type(one) is type(other) and one == other


def parse(payload: bytes) -> dict[str, JSON] | None:
    """What a payload says, or None where it is not canonical JSON."""
    try:
        value: JSON = json.loads(payload.decode("utf-8"), parse_float=_refuse, parse_constant=_refuse)
        if isinstance(value, dict) and not _json_fault(value) and canonical_json(value) == payload:
            return value
    except (ValueError, RecursionError):
        return None
    return None


def _refuse(text: str) -> NoReturn:
    raise ValueError(text)


def admin(
    kind: str,
    *,
    at: datetime,
    actor: str,
    project: ProjectId | None = None,
    data: Mapping[str, JSON] | None = None,
) -> LedgerDraft:
    """The entry of a management verb.

    Args:
        kind: one of MANAGED_KINDS.
        at: with a time zone.
        actor: an opaque label of whoever did it: no name, no mail address.
        project: the project that it was done to or in.
        data: what was done. Never a secret, an address or a user id.

    Raises:
        InvalidValueError: something that the chain cannot hold.
    """
    fault = ""
    if kind not in MANAGED_KINDS:
        fault = f"not a kind of admin entry: {kind!r}"
    elif at.tzinfo is None:
        fault = "the moment of an entry needs a time zone"
    elif not 0 < len(actor) <= MAX_ACTOR or "@" in actor or not actor.isprintable():
        fault = f"an actor is an opaque label of 1 to {MAX_ACTOR} printable characters without '@'"
    else:
        fault = _json_fault(dict(data or {}))
    if fault:
        raise InvalidValueError(fault)
    return LedgerDraft(at=at, kind=kind, actor=actor, project=project, data=dict(data or {}))


def _json_fault(value: object) -> str:
    """Why `value` cannot stand in a payload, or ""."""
    if isinstance(value, dict):
        members = cast("dict[object, object]", value)
        return _name_fault(members) or _first_fault([*members, *members.values()])
    if isinstance(value, list):
        return _first_fault(cast("list[object]", value))
    if isinstance(value, str):
        return "an entry holds no lone surrogates" if _LONE.search(value) else ""
    if isinstance(value, int):
        return "an entry holds integers below 2^53 only" if abs(value) > MAX_INTEGER else ""
    return "" if value is None else f"an entry holds no {type(value).__name__}"


def _first_fault(values: Iterable[object]) -> str:
    return next((fault for value in values if (fault := _json_fault(value))), "")


def _name_fault(names: Iterable[object]) -> str:
    """Beyond that plane RFC 8785 sorts otherwise than Python."""
    if all(isinstance(name, str) and not _BEYOND_PLANE.search(name) for name in names):
        return ""
    return "the names in an entry are text of the Basic Multilingual Plane"


def is_pseudonym(text: str) -> bool:
    """Whether `text` has the form of one; no address has it."""
    return _PSEUDONYM.fullmatch(text) is not None


def pseudonym(key: bytes, value: str) -> str:
    """What stands for an address or a tail in the ledger: 32 hex digits that mean nothing once `key` is destroyed."""
    return hmac.digest(key, value.encode("utf-8", "surrogatepass"), "sha256").hex()[:_PSEUDONYM_DIGITS]
