"""`apikeychain ledger retain`."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from cyclopts import Parameter, validators

from apikeychain.cli.invocation import Call
from apikeychain.cli.ledger_reading import size
from apikeychain.cli.progress import progress
from apikeychain.errors import InvalidValueError
from apikeychain.model.ledger import timestamp
from apikeychain.rules.selection import parse_moment

_Days = Annotated[int | None, Parameter(validator=validators.Number(gte=1))]
_DryRun = Annotated[bool, Parameter(negative="", show_default=False)]


async def retain(
    tenant: str,
    /,
    *,
    before: str | None = None,
    keep_days: _Days = None,
    dry_run: _DryRun = False,
    call: Call,
) -> None:
    """Drop the bodies of old entries, for good. Number and hash of each stay, and an entry says which went.

    The ledger is verified before, and only entries that its last signed checkpoint covers lose their bodies.

    Args:
        tenant: its id.
        before: of all up to the last entry before this moment: 2026-01-31 or 2026-01-31T18:30, in UTC.
        keep_days: the same, of all that are older than so many days.
        dry_run: only tell how many it would be.
    """
    moment = _moment(before, keep_days)
    async with call.tenant(tenant) as found:
        with progress("verifying", await size(found)) as told:
            came = await found.retain_ledger(moment, dry_run=dry_run, progress=lambda done, _: told(done))
    would = "would lose" if dry_run else "have lost"
    left = f"the first {came.last} entries of {tenant} have none" if came.last else "every entry has its body"
    sentence = f"{came.dropped} entries of {tenant} from before {timestamp(moment)} {would} their bodies"
    call.done(
        sentence if dry_run else f"{sentence}; {left}; the last checkpoint covers {came.signed}",
        tenant=tenant,
        before=timestamp(moment),
        dropped=came.dropped,
        last=came.last,
        signed=came.signed,
        dry_run=dry_run,
    )


def _moment(before: str | None, keep_days: int | None) -> datetime:
    if (before is None) == (keep_days is None):
        msg = "which entries? Say either --before DATE or --keep-days N"
        raise InvalidValueError(msg)
    if before is not None:
        return parse_moment(before)
    try:
        return datetime.now(UTC) - timedelta(days=keep_days or 0)
    except OverflowError:
        msg = f"there was no day {keep_days} days ago"
        raise InvalidValueError(msg) from None
