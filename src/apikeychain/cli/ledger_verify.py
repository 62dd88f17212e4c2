"""`apikeychain ledger verify`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from apikeychain.cli.files import read_keys
from apikeychain.cli.invocation import Call
from apikeychain.cli.ledger_reading import size
from apikeychain.cli.ledger_verdict import tell
from apikeychain.cli.output import complain
from apikeychain.cli.progress import progress
from apikeychain.errors import LedgerBrokenError
from apikeychain.model.ledger import Head
from apikeychain.model.ledger_report import LedgerReport
from apikeychain.proof.note import VerifierKey
from apikeychain.rules.kept import parse_kept
from apikeychain.tenants.ledger_verbs import LedgerVerbs

INCOMPLETE = 3
_Keys = Annotated[tuple[Path, ...], Parameter(negative="", show_default=False)]
_Since = Annotated[bool, Parameter(negative="", show_default=False)]


async def verify(
    tenant: str, /, *, kept: str | None = None, key: _Keys = (), since_checkpoint: _Since = False, call: Call
) -> int:
    """Recompute the whole chain; the first entry that does not hold is named, with what was done to it.

    It is compared with the last checkpoints of the witnesses and of the store. Where there is no witness, keep what it
    prints elsewhere, and say it the next time: the chain alone does not show that its end was cut off.

    Args:
        tenant: its id; or platform.
        kept: SIZE:HASH as an earlier run printed it, from wherever you kept it.
        key: a file with public keys, one on each line, that are trusted to sign checkpoints; may be given more than
            once. Without one, those that the witnesses name.
        since_checkpoint: read only what is newer than the last checkpoint in the store, where its signatures hold.
    """
    keys = read_keys(key) or None
    async with call.ledger(tenant) as found:
        kept_head = parse_kept(kept, found.id) if kept is not None else None
        report = await _examined(found, kept_head, keys, is_since_checkpoint=since_checkpoint)
    tell(report, json=call.json)
    if report.faults:
        raise LedgerBrokenError(report.tenant, report.faults[0].seq, str(report.faults[0]))
    if report.is_complete:
        return 0
    missed = "; ".join(f"{one.source}: {one.reason}" for one in report.unheard if one.is_failure)
    complain(f"the ledger of {report.tenant!r} holds, but was not compared with all that it ought to be: {missed}")
    return INCOMPLETE


async def _examined(
    ledger: LedgerVerbs, kept: Head | None, keys: list[VerifierKey] | None, *, is_since_checkpoint: bool
) -> LedgerReport:
    with progress("verifying", await size(ledger)) as told:
        return await ledger.examine_ledger(
            kept, lambda done, _: told(done), keys=keys, is_since_checkpoint=is_since_checkpoint
        )
