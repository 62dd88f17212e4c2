"""A tenant is erased: all that is its own goes in one transaction, and its chain stays.

With its keys goes what they opened, in this database at once. An old copy of the database holds the wrapped keys and
opens until the version of the platform key that wrapped them is gone. What is left of the tenant is a record without
keys, so that its id is never given out again, and its chain, whose pseudonyms mean nothing any more. Keys that were
made at providers live on there: an alert for each secret that was rotated names them. The objects of its assets are
deleted after that: errands that were noted before say of which projects, also to a run that takes up a killed one.

Source: contracts 5 (erasure from backups), 6 (pseudonyms under a key destroyed with the tenant); GDPR, article 17.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from apikeychain.alerts import outbox
from apikeychain.listing import every
from apikeychain.model.ids import TenantId, parse_tenant_id
from apikeychain.model.ledger import LedgerEntry
from apikeychain.model.records import CHAIN_KINDS, KINDS, Project, Record, Tenant
from apikeychain.ports.store import TenantReader
from apikeychain.rules import chain
from apikeychain.tenants import asset_objects
from apikeychain.tenants.change import Office, known_tenant, note_platform
from apikeychain.tenants.rotations import left_behind

_KIND = "tenant.erased"
_PAGE = 1000
# Its own record is replaced, and what belongs to its chain stays with that.
_GOES = tuple(kind for name, kind in KINDS.items() if name != Tenant.kind and name not in CHAIN_KINDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedTenant:
    """What went with a tenant, or would.

    Attributes:
        erased: when it was erased; in a dry run of one that is not, this moment.
        projects: the names of those that went now.
        removed: how many records went now, by their kind.
        key_service: the name of the one that wrapped its keys.
        objects: how many objects of assets were deleted now.
        left: under which prefixes of the asset store there may be more, since it did not answer or is not given. They
            open for nobody any more.
    """

    tenant: TenantId
    erased: datetime
    projects: Sequence[str]
    removed: Mapping[str, int]
    key_service: str
    objects: int = 0
    left: Sequence[str] = ()


async def erase_tenant(office: Office, tenant: str, actor: str, *, dry_run: bool = False) -> ErasedTenant:
    """Erase a tenant; one that is erased already changes nothing, and what a killed run left undone is done.

    Args:
        office: of the open keychain.
        tenant: its id.
        actor: the label for the ledger.
        dry_run: whether nothing is changed.

    Raises:
        DoesNotExistError: there is none.
        InvalidValueError: not an id, or not a label.
        DamagedDataError: something of it cannot be read; nothing is changed then.
        ConflictError: an asset was put meanwhile; likewise.
    """
    tenant_id, moment = parse_tenant_id(tenant), office.now()
    draft = chain.admin(_KIND, at=moment, actor=actor)
    if dry_run:
        async with office.store.reading(tenant_id) as rows:
            stored = await known_tenant(rows, tenant_id)
            return _told(stored, moment, await _all_of(rows))
    await outbox.announce(office.store, tenant_id, moment)
    async with office.store.reading(tenant_id) as rows:
        noted = await asset_objects.owners(rows)
    await asset_objects.note_end(office, tenant_id, noted)
    async with office.store.tenant(tenant_id) as store:
        stored, goes = await known_tenant(store, tenant_id), await _all_of(store)
        await asset_objects.require_noted(store, noted)
        if stored.erased is None:
            for alert in await left_behind(store, tenant_id, moment, None, "its tenant was erased"):
                await outbox.file(store, alert)
            for record in goes:
                await store.remove(type(record), record.key, record.generation)
            await store.replace(_without_keys(stored, moment), stored.generation)
            await store.append([draft])
    await _tell(office, tenant_id, actor, goes, is_new=stored.erased is None)
    objects, left = await asset_objects.delete_ended(office, tenant_id)
    return replace(_told(stored, moment, goes), objects=objects, left=left)


async def _all_of(rows: TenantReader) -> list[Record]:
    """What goes with a tenant; of one that was erased there is none."""
    return [record for kind in _GOES for record in await every(rows, kind)]


def _told(stored: Tenant, moment: datetime, goes: Sequence[Record]) -> ErasedTenant:
    return ErasedTenant(
        tenant=stored.id,
        erased=stored.erased or moment,
        projects=[record.name for record in goes if isinstance(record, Project)],
        removed=Counter(record.kind for record in goes),
        key_service=stored.key_service,
    )


def _without_keys(stored: Tenant, moment: datetime) -> Tenant:
    keyless = replace(stored, wrapped_secret=b"", wrapped_old_secret=b"", wrapped_pseudonym_key=b"")
    return replace(keyless, erased=moment, generation=stored.generation + 1)


async def _tell(office: Office, tenant: TenantId, actor: str, gone: Sequence[Record], *, is_new: bool) -> None:
    """Drop what is open of it, here and in every worker, and write it down in the chain of the platform."""
    office.vault.forget(None)
    # Which projects an earlier run removed is not known any more: then every worker reads all of them anew.
    projects = [record.id for record in gone if isinstance(record, Project)]
    for project in projects if is_new else (None,):
        await office.announce(project)
    if is_new or not await _is_told(office, tenant):
        await note_platform(office, _KIND, actor, tenant=tenant)


async def _is_told(office: Office, tenant: TenantId) -> bool:
    """Whether the chain of the platform says it; a run that was killed may have ended before that."""
    after = 0
    while True:
        async with office.store.reading(chain.PLATFORM) as store:
            entries = await store.entries(after, _PAGE)
        if any(_says(entry, tenant) for entry in entries):
            return True
        if len(entries) < _PAGE:
            return False
        after = entries[-1].seq


def _says(entry: LedgerEntry, tenant: TenantId) -> bool:
    payload = chain.parse(entry.payload) or {} if entry.kind == _KIND else {}
    return payload.get("data") == {"tenant": tenant}
