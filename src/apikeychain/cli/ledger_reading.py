"""How the command reads a ledger that somebody may have written into: forwards, backwards, and its highest number."""

import json
from collections.abc import AsyncGenerator
from typing import cast

from apikeychain.model.ledger import LedgerEntry
from apikeychain.rules.chain import MAX_INTEGER
from apikeychain.rules.selection import Selection
from apikeychain.rules.statements import is_numbered
from apikeychain.tenants.ledger_verbs import LedgerVerbs

PAGE = 1000
DROPPED = "(dropped)"
Row = dict[str, object]


async def size(ledger: LedgerVerbs, most: int = MAX_INTEGER) -> int:
    """The highest number of an entry, found by doubling and halving: nothing long is read.

    Args:
        ledger: that is read.
        most: higher ones do not count.
    """

    async def reaches(number: int) -> bool:
        found = await ledger.entries(number - 1, 1)
        return bool(found) and is_numbered(found[0]) and found[0].seq <= most

    there, beyond = 0, 1
    while beyond <= most and await reaches(beyond):
        there, beyond = beyond, beyond * 2
    beyond = min(beyond, most + 1)
    while beyond - there > 1:
        middle = (there + beyond) // 2
        if await reaches(middle):
            there = middle
        else:
            beyond = middle
    return there


async def pages(ledger: LedgerVerbs, after: int) -> AsyncGenerator[list[LedgerEntry], None]:
    """The entries behind the number `after`, in order; what is stored under no number comes last and is left out."""
    while entries := await ledger.entries(after, PAGE):
        yield [entry for entry in entries if is_numbered(entry)]
        after = entries[-1].seq
        if not is_numbered(entries[-1]):
            break


async def first(ledger: LedgerVerbs, wanted: Selection, after: int, limit: int) -> list[LedgerEntry]:
    """At most `limit` of the wanted entries behind the number `after`."""
    found: list[LedgerEntry] = []
    async for page in pages(ledger, after):
        found += [entry for entry in page if wanted.holds(entry)]
        if len(found) >= limit:
            break
    return found[:limit]


async def newest(ledger: LedgerVerbs, wanted: Selection, limit: int) -> list[LedgerEntry]:
    """The last of the wanted entries, at most `limit`, in their order."""
    found: list[LedgerEntry] = []
    start = await size(ledger)
    while start and len(found) < limit:
        end, start = start, max(start - PAGE, 0)
        entries = [one for one in await ledger.entries(start, PAGE) if is_numbered(one) and one.seq <= end]
        found = [entry for entry in entries if wanted.holds(entry)] + found
        # Behind a gap, which may be as long as the numbers are.
        start = start if entries else await size(ledger, start)
    return found[-limit:]


def row_of(entry: LedgerEntry) -> Row:
    """An entry as lists show it; one whose body was dropped says so in the place of its kind."""
    return {
        "seq": entry.seq,
        "at": None if entry.is_dropped else entry.at,
        "kind": DROPPED if entry.is_dropped else entry.kind,
        "actor": entry.actor,
        "project": entry.project,
        "data": data_of(entry),
        "hash": entry.hash.hex(),
    }


def data_of(entry: LedgerEntry) -> object:
    """What the payload says beside its columns; None where it is none."""
    try:
        payload = json.loads(entry.payload)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, object]", payload).get("data") if isinstance(payload, dict) else None
