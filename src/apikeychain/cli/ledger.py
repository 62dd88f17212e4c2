"""`apikeychain ledger`."""

import asyncio
import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter, validators

from apikeychain.cli import output
from apikeychain.cli.invocation import Call
from apikeychain.cli.ledger_export import ExportFile, line_of
from apikeychain.cli.ledger_filter import EVERY_ENTRY, Only
from apikeychain.cli.ledger_prove import export_proofs
from apikeychain.cli.ledger_reading import Row, first, newest, pages, row_of, size
from apikeychain.cli.progress import progress
from apikeychain.errors import DoesNotExistError, LedgerBrokenError
from apikeychain.model.ledger import Head, LedgerEntry
from apikeychain.rules import chain
from apikeychain.rules.selection import Selection
from apikeychain.tenants.ledger_verbs import LedgerVerbs

app = App(name="ledger", help="The audit ledger of a tenant.")
_COLUMNS = ["seq", "at", "kind", "actor", "data"]
_POLL_SECONDS = 0.5
_Number = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=chain.MAX_INTEGER))]
_After = Annotated[int | None, Parameter(validator=validators.Number(gte=0, lte=chain.MAX_INTEGER))]
_Limit = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=1000))]
_Proofs = Annotated[bool, Parameter(negative="", show_default=False)]
_Follow = Annotated[bool, Parameter(name=["--follow", "-f"], negative="", show_default=False)]


@app.command(name="list")
async def list_(
    tenant: str,
    /,
    *,
    after: _After = None,
    limit: _Limit = 50,
    only: Only = EVERY_ENTRY,
    call: Call,
) -> None:
    """List entries in their order: the newest, or those behind one.

    With --actor only those of that label.

    Args:
        tenant: its id; or platform.
        after: the number of the entry behind which to start.
        limit: at most so many.
        only: which entries.
    """
    async with call.ledger(tenant) as found:
        wanted = await only.selection(found, call.label)
        entries = await (newest(found, wanted, limit) if after is None else first(found, wanted, after, limit))
    call.many([row_of(entry) for entry in entries], _COLUMNS, "no entries there")


@app.command
async def tail(
    tenant: str,
    /,
    *,
    follow: _Follow = False,
    limit: _Limit = 10,
    only: Only = EVERY_ENTRY,
    call: Call,
) -> None:
    """Show the newest entries, a line each, and with -f those that come, until Ctrl-C.

    With --actor only those of that label.

    Args:
        tenant: its id; or platform.
        follow: go on with the entries that come; with --json a document a line.
        limit: at most so many of those that are there.
        only: which entries.
    """
    async with call.ledger(tenant) as found:
        wanted = await only.selection(found, call.label)
        end = await size(found)
        entries = await newest(found, wanted, limit)
        if call.json and not follow:
            output.document([row_of(entry) for entry in entries])
            return
        _show_lines(entries, json_lines=call.json)
        if follow:
            # Ctrl-C cancels, which is how this is meant to end.
            with suppress(asyncio.CancelledError):
                await _follow(found, wanted, max([end, *(entry.seq for entry in entries)]), json_lines=call.json)


@app.command
async def show(tenant: str, seq: _Number, /, *, call: Call) -> None:
    """Show one entry whole: its columns, its payload, its hash, and whether it holds behind the one before it.

    Args:
        tenant: its id; or platform.
        seq: the number of the entry.
    """
    async with call.ledger(tenant) as found:
        entries = {entry.seq: entry for entry in await found.entries(max(seq - 2, 0), 2)}
        if seq not in entries:
            msg = f"the ledger of {found.id!r} has no entry {seq}"
            raise DoesNotExistError(msg)
        before = entries.get(seq - 1)
        head = before.head if before else Head.empty(found.id) if seq == 1 else None
        call.one(_whole(entries[seq], head))


@app.command
async def export(
    tenant: str,
    file: Path,
    /,
    *,
    only: Only = EVERY_ENTRY,
    proofs: _Proofs = False,
    call: Call,
) -> None:
    """Write entries to a file, a line of JSON each, with payload and hash as they are stored.

    A run that was killed, or an older one, is gone on with: say the same again. What stands in the file is compared
    first, and a file with anything else in it is left as it is. With --actor only entries of that label.

    With --proofs the first line is a checkpoint, and each entry has the path by which it follows from that, so that
    verify-proof reads such a file with public keys alone. It holds what was signed until then; a run that was killed is
    gone on with under the checkpoint that it began with.

    Args:
        tenant: its id; or platform.
        file: that is written, or gone on with.
        only: which entries.
        proofs: with a checkpoint and paths, instead of columns and hashes.
    """
    async with call.ledger(tenant) as found:
        wanted = await only.selection(found, call.label)
        if proofs:
            await export_proofs(found, file, wanted, call)
            return
        with ExportFile(file) as lines, progress("exporting", await size(found)) as told:
            read = 0
            async for page in pages(found, 0):
                for entry in filter(wanted.holds, page):
                    lines.put(line_of(entry))
                told(read := read + len(page))
            lines.finish()
    entries = lines.kept + lines.added
    sentence = f"{entries} entries of {tenant} are in {file}: {lines.kept} stood there, {lines.added} were added"
    call.done(sentence, tenant=tenant, file=str(file), entries=entries, added=lines.added)


async def _follow(ledger: LedgerVerbs, wanted: Selection, end: int, *, json_lines: bool) -> None:
    while True:
        async for page in pages(ledger, end):
            _show_lines(filter(wanted.holds, page), json_lines=json_lines)
            end = max([end, *(entry.seq for entry in page)])
        await asyncio.sleep(_POLL_SECONDS)


def _show_lines(entries: Iterable[LedgerEntry], *, json_lines: bool) -> None:
    for entry in entries:
        row = row_of(entry)
        if json_lines:
            output.say(json.dumps(row, default=output.plain))
        else:
            said = [output.cell(row[name]) for name in ("at", "kind", "actor", "project", "data")]
            output.say("  ".join([str(entry.seq), *said]))


def _whole(entry: LedgerEntry, before: Head | None) -> Row:
    """All of an entry, and whether it holds behind `before`, which is None where that entry is missing.

    One whose body was dropped does not show that by itself.
    """
    if entry.is_dropped:
        return row_of(entry) | {"holds": None, "dropped": "whether an entry covers that, `ledger verify` tells"}
    try:
        if before is not None:
            chain.verify(before, [entry])
        fault = "" if before else "the entry before it is missing"
    except LedgerBrokenError as broken:
        fault = broken.reason
    row = row_of(entry)
    digest = row.pop("hash")
    return row | {
        "payload": entry.payload.decode("utf-8", "backslashreplace"),
        "previous_hash": before.hash.hex() if before else None,
        "hash": digest,
        "holds": not fault,
        **({"fault": fault} if fault else {}),
    }
