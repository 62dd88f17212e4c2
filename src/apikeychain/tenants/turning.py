"""A project's key turns: a new version, every value under it, and the end of the old ones, in one transaction.

Key service and derivation work between two transactions: in one they would keep all waiting who write. The second one
compares all that was read in the first; where anything changed meanwhile, it is all done again. A call that is under
way keeps the old key and the old values as it has read them, and opens them still.

Source: contracts 5, "Rotation"; spec 3.3.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from apikeychain.errors import ConflictError, DoesNotExistError
from apikeychain.listing import every
from apikeychain.model.asset import AssetTokenKey
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.records import Project, ProjectKey, RegisteredProvider, SealedSecret, Tenant
from apikeychain.ports.store import TenantReader
from apikeychain.tenants.change import Office, project_change, require_tenant
from apikeychain.tenants.key_errands import appoint, appoint_secret
from apikeychain.vault.asset_token_keys import kept_token_key
from apikeychain.vault.resealing import SEALED, Resealing, Sealed, SealedProject
from apikeychain.vault.wrapping import unwrap_derived_key

_ATTEMPTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnedKey:
    """What came of turning a project's key.

    Attributes:
        number: counts the project's versions.
        values: how many were sealed anew.
    """

    project: ProjectId
    number: int
    values: int


@dataclass(frozen=True, slots=True)
class _Found:
    """All that a turn hangs on."""

    owner: Tenant
    keys: list[ProjectKey]
    sealed: SealedProject
    has_assets: bool
    ended: list[AssetTokenKey]

    @property
    def newest(self) -> ProjectKey:
        """The version that seals."""
        return max(self.keys, key=lambda key: key.number)

    @property
    def values(self) -> int:
        """How many are sealed under the next version: those that are, and the key of asset tokens where it is kept."""
        return self.sealed.values + self.has_assets


async def turn_project_key(office: Office, tenant: TenantId, project: ProjectId, actor: str) -> TurnedKey | None:
    """Give a project a new version of its key and destroy the older ones; None where it has no key.

    Raises:
        DoesNotExistError: there is no such project.
        SealedValueError: a key or a value does not open, and the log says which; nothing is changed then.
        ConflictError: the project was changed again and again meanwhile; likewise.
        BackendUnavailableError: the key service does not answer; likewise.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return await _turned(office, tenant, project, actor)
        except ConflictError:
            continue
    return await _turned(office, tenant, project, actor)


async def sealed_of(rows: TenantReader, tenant: TenantId, project: ProjectId) -> SealedProject:
    """All of a project that is sealed."""
    return await _sealed_of(rows, tenant, project, [])


async def _sealed_of(
    rows: TenantReader, tenant: TenantId, project: ProjectId, but: Sequence[AssetTokenKey]
) -> SealedProject:
    records: list[Sealed] = []
    for kind in SEALED:
        records += [record for record in await every(rows, kind, project) if record not in but]
    registered = {one.provider.name: one.provider for one in await every(rows, RegisteredProvider, project)}
    secrets = [record for record in records if isinstance(record, SealedSecret)]
    providers = {secret.name: registered[secret.provider] for secret in secrets if secret.provider in registered}
    return SealedProject(tenant=tenant, providers=providers, records=records)


async def _turned(office: Office, tenant: TenantId, project: ProjectId, actor: str) -> TurnedKey | None:
    moment = office.now()
    async with office.store.reading(tenant) as rows:
        found = await _found(rows, tenant, project, moment)
    if not found.keys:
        return None
    number, values = found.newest.number + 1, found.sealed.values
    fresh = await office.vault.new_project_key(found.owner, project, number, office.now())
    fresh = replace(fresh, uses=found.values, secret_uses=1 + _uses_of(found, fresh.secret_number))
    resealing = await _resealing(office, found, fresh)
    records = await _resealed(resealing)
    await appoint(office, tenant, fresh)
    await appoint_secret(office, tenant)
    async with project_change(office, tenant, project, actor) as change:
        if await _found(change.store, tenant, project, moment) != found:
            msg = f"the project {change.project.name!r} changed while its key turned: do it again"
            raise ConflictError(msg)
        await change.store.replace_all(
            [after for before, after in zip(found.sealed.records, records, strict=True) if after is not before]
        )
        await change.store.insert(fresh)
        for key in found.keys:
            await change.remove(key)
        for ended in found.ended:
            await change.remove(ended)
        if found.has_assets:
            await change.store.insert(kept_token_key(resealing, found.newest, change.moment))
        change.note("key.turned", version=fresh.version, number=number, values=values)
    return TurnedKey(project=project, number=number, values=values)


def _uses_of(found: _Found, secret_number: int) -> int:
    """How many keys of the project were derived from a secret of its tenant."""
    return max((key.secret_uses for key in found.keys if key.secret_number == secret_number), default=0)


async def _found(rows: TenantReader, tenant: TenantId, project: ProjectId, moment: datetime) -> _Found:
    owner, stored = await require_tenant(rows, tenant), await rows.get(Project, (project,))
    if stored is None:
        msg = f"the tenant {tenant!r} has no project {project!r}"
        raise DoesNotExistError(msg)
    ended = [key for key in await every(rows, AssetTokenKey, project) if key.until <= moment]
    keys, sealed = await every(rows, ProjectKey, project), await _sealed_of(rows, tenant, project, ended)
    return _Found(owner, keys, sealed, stored.assets, ended)


async def _resealing(office: Office, found: _Found, fresh: ProjectKey) -> Resealing:
    """What brings the project under its next key."""
    service, tenant = office.key_services.of(found.owner), found.owner.id
    used = {*found.sealed.versions, *([found.newest.version] if found.has_assets else [])}
    opened = {key.version: await unwrap_derived_key(service, tenant, key) for key in found.keys if key.version in used}
    # What the key service gives back is what will open them: a key that it wrapped wrongly shows here.
    derived = await unwrap_derived_key(service, tenant, fresh)
    return Resealing(project=found.sealed, opened=opened, key=fresh, derived=derived)


async def _resealed(resealing: Resealing) -> list[Sealed]:
    """The records as they are to be stored; calls are served between any two of them."""
    resealed: list[Sealed] = []
    for record in resealing.project.records:
        resealed.append(resealing.resealed(record))
        await asyncio.sleep(0)
    return [resealing.remarked(record) for record in resealed]
