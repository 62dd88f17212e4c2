"""`apikeychain ledger`."""

import json
from typing import Annotated

from cyclopts import App, Parameter, validators
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from apikeychain.cli import output
from apikeychain.cli.invocation import Call
from apikeychain.errors import LedgerBrokenError
from apikeychain.model.ledger import Head, LedgerEntry
from apikeychain.tenants.tenant import TenantAdmin

app = App(name="ledger", help="The audit ledger of a tenant.")
_COLUMNS = ["seq", "at", "kind", "actor", "data"]


@app.command(name="list")
async def list_(
    tenant: str,
    /,
    *,
    after: Annotated[int | None, Parameter(validator=validators.Number(gte=0))] = None,
    limit: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=1000))] = 50,
    call: Call,
) -> None:
    """List entries in their order: the newest, or those behind one.

    Args:
        tenant: its id.
        after: the number of the entry behind which to start.
        limit: at most so many.
    """
    async with call.tenant(tenant) as found:
        start = max(await size(found) - limit, 0) if after is None else after
        rows = [_row(entry) for entry in await found.entries(start, limit)]
    call.many(rows, _COLUMNS, "no entries there")


@app.command
async def verify(tenant: str, /, *, call: Call) -> None:
    """Recompute the whole chain; the first entry that does not hold is named.

    Keep the printed number and hash elsewhere: the chain alone does not show that its end was cut off.

    Args:
        tenant: its id.
    """
    async with call.tenant(tenant) as found:
        try:
            head = await _verified(found)
        except LedgerBrokenError as broken:
            if call.json:
                output.document({"tenant": tenant, "holds": False, "entry": broken.seq, "reason": broken.reason})
            raise
    digest = head.hash.hex()
    sentence = f"all {head.size} entries of {tenant} hold; the hash of the last one is\n{digest}"
    call.done(sentence, tenant=tenant, holds=True, entries=head.size, hash=digest)


async def size(tenant: TenantAdmin) -> int:
    """How many entries the ledger has, found by doubling and halving: nothing long is read."""
    there, beyond = 0, 1
    while await tenant.entries(beyond - 1, 1):
        there, beyond = beyond, beyond * 2
    while beyond - there > 1:
        middle = (there + beyond) // 2
        if await tenant.entries(middle - 1, 1):
            there = middle
        else:
            beyond = middle
    return there


async def _verified(tenant: TenantAdmin) -> Head:
    total = await size(tenant)
    columns = (TextColumn("verifying"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("verifying", total=total)
        return await tenant.verify_ledger(lambda done, _: bar.update(task, completed=done))


def _row(entry: LedgerEntry) -> dict[str, object]:
    data = json.loads(entry.payload)["data"]
    return {
        "seq": entry.seq,
        "at": entry.at,
        "kind": entry.kind,
        "actor": entry.actor,
        "project": entry.project,
        "data": data,
        "hash": entry.hash.hex(),
    }
