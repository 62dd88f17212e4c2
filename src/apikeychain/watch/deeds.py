"""What the watch may do about a project, each in the transaction that it is given.

Source: contracts 6 (entries in the transaction of their change), 7, 8.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from apikeychain import agenda
from apikeychain.errors import DoesNotExistError, InvalidValueError
from apikeychain.listing import every
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.ledger import JSON, LedgerDraft, timestamp
from apikeychain.model.records import AddedRoute
from apikeychain.model.rotation_records import Rotation
from apikeychain.model.suspension import Suspension
from apikeychain.model.watch import Deed, TightenedQuota
from apikeychain.ports.store import Store, TenantReader, TenantStore
from apikeychain.rotation import engine
from apikeychain.rotation.orders import order
from apikeychain.rules import chain
from apikeychain.watch.suspension import MAX_REASON, put

ACTOR = "watch"
# What is left of a quota is one part of so many.
DIVISOR = 4


def entry(kind: str, project: ProjectId, at: datetime, **data: JSON) -> LedgerDraft:
    """An entry of the ledger that says what the watch did."""
    return chain.admin(kind, at=at, actor=ACTOR, project=project, data=data)


async def tighten(records: TenantStore, project: ProjectId, deed: Deed, entries: list[LedgerDraft]) -> str:
    """Make a quota smaller for a while; what kept from it as a sentence, or "". The entry that says so is added."""
    if deed.until is None:
        return "A quota is made smaller for a while only."
    key = (project, deed.scope, deed.value)
    before = await records.get(TightenedQuota, key)
    quota = TightenedQuota(
        project=project, scope=deed.scope, value=deed.value, divisor=DIVISOR, created=deed.at, until=deed.until
    )
    if before is None:
        await records.insert(quota)
    else:
        later = replace(quota, until=max(before.until, deed.until), generation=before.generation + 1)
        await records.replace(later, before.generation)
    until = timestamp(deed.until)
    told = entry("watch.tightened", project, deed.at, scope=deed.scope, value=deed.value, divisor=DIVISOR, until=until)
    entries.append(told)
    return ""


async def relax(records: TenantStore, quota: TightenedQuota, at: datetime) -> None:
    """Have a quota be what it was."""
    await records.remove(TightenedQuota, quota.key, quota.generation)
    data: dict[str, JSON] = {"scope": quota.scope, "value": quota.value}
    await records.append([entry("watch.relaxed", quota.project, at, **data)])


async def refuse(records: TenantStore, project: ProjectId, deed: Deed, why: str, entries: list[LedgerDraft]) -> str:
    """Suspend a scope; what kept from it as a sentence, or "". The entry that says so is added."""
    stored = await records.get(Suspension, (project, deed.scope, deed.value))
    if stored is not None and deed.until is not None and (stored.until is None or stored.until >= deed.until):
        return "It was suspended already, for longer."
    try:
        _, told = await put(
            records,
            project,
            deed.scope,
            deed.value,
            reason=why[:MAX_REASON],
            until=deed.until,
            at=deed.at,
            actor=ACTOR,
        )
    except (InvalidValueError, DoesNotExistError):
        return f"This {deed.scope} cannot be suspended."
    entries.append(told)
    return ""


async def release(records: TenantStore, suspension: Suspension, at: datetime) -> None:
    """Remove what the watch suspended: it is over."""
    await records.remove(Suspension, suspension.key, suspension.generation)
    data: dict[str, JSON] = {"scope": suspension.scope, "value": suspension.value}
    await records.append([entry("suspension.removed", suspension.project, at, **data)])


async def rotate(
    records: TenantStore, project: ProjectId, secrets: Sequence[str], at: datetime, entries: list[LedgerDraft]
) -> tuple[list[str], str]:
    """Order new keys of secrets that may be in other hands; of which, and what kept from the others or "".

    The entries that say so are added.
    """
    ordered: list[str] = []
    failed: list[str] = []
    for secret in secrets:
        stored = await records.get(Rotation, (project, secret))
        if stored is None or stored.paused:
            failed.append(secret)
            continue
        told = await order(records, stored, "compromised", at)
        entries.append(entry("rotation.ordered", project, at, secret=secret, reason=told))
        ordered.append(secret)
    if not secrets or failed:
        names = ", ".join(map(repr, failed)) or "its secret"
        return ordered, f"The watch has no rotation of {names} that runs: make a new key at the provider, and put it."
    return ordered, ""


async def note_rotations(
    store: Store, tenant: TenantId, project: ProjectId, secrets: Sequence[str], at: datetime
) -> None:
    """Have rotations looked at: before the transaction that orders them."""
    for secret in secrets:
        await agenda.note(store, engine.TOPIC, tenant, engine.subject_of(project, secret), at)


async def secrets_of(reader: TenantReader, project: ProjectId, deed: Deed) -> list[str]:
    """The secrets that a rotation of this scope is about: that of a route, else all that routes inject."""
    routes = [record.route for record in await every(reader, AddedRoute, project)]
    return sorted({route.secret_name for route in routes if deed.scope != "route" or route.name == deed.value})
