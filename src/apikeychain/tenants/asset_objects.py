"""The objects of assets: whatever dies on the way, each is of a version, or is found again.

- Whoever puts an object notes it as loose before (`note_loose`); what makes it one of a version takes the note away.
- Whoever deletes objects claims their notes first, which raises the generation: who puts one of them at this moment
  finds the note changed, and makes no version of what is being deleted. What is claimed is deleted for good.
- The objects of a project that goes have no notes to be found by. An errand names the project before it goes, and stays
  until nobody can be putting any more.

Source: contracts 9; decision 35.
"""

import contextlib
import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

from apikeychain import agenda
from apikeychain.errors import APIKeyChainError, BackendUnavailableError, ConflictError, SettingsError
from apikeychain.listing import every
from apikeychain.model.asset import AssetPrefix, AssetVersion, LooseObject
from apikeychain.model.errand import Errand
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.records import Project
from apikeychain.ports.asset_store import AssetStore
from apikeychain.ports.store import TenantReader
from apikeychain.rules.chain import PLATFORM
from apikeychain.tenants.change import Office

TOPIC = "assets"
# Longer than anybody takes from the note of an object to the version that it becomes one of.
PUTTING = timedelta(minutes=15)
_PAGE = 200
_log = logging.getLogger("apikeychain")


def store_of(office: Office) -> AssetStore:
    """Where the keychain keeps assets.

    Raises:
        SettingsError: it keeps none.
    """
    if office.asset_store is None:
        raise SettingsError(["this keychain keeps no assets: give it an asset store, asset_store="])
    return office.asset_store


async def delete_loose(office: Office, prefix: AssetPrefix, objects: Collection[str]) -> int:
    """Delete objects that are loose, and then what says so. How many there were.

    Of a project that is gone they are deleted without a note; else one without is of a version, or gone.

    Raises:
        BackendUnavailableError: the asset store does not answer; a sweep finds what is left.
        ConflictError: somebody else deletes the same ones at this moment; likewise.
    """
    assets = store_of(office)
    claimed = await _claimed(office, prefix, objects)
    for name in claimed:
        await assets.delete(prefix, name)
    async with office.store.tenant(prefix.tenant) as store:
        for name in claimed:
            stored = await store.get(LooseObject, (prefix.project, name))
            if stored is not None:
                await store.remove(LooseObject, stored.key, stored.generation)
    return len(claimed)


async def try_to_delete(office: Office, prefix: AssetPrefix, objects: Collection[str]) -> None:
    """The same after something that is done already: what cannot be deleted now is left to a sweep."""
    if not objects:
        return
    try:
        await delete_loose(office, prefix, objects)
    except APIKeyChainError:
        _log.warning("%d objects under %s are left to a sweep", len(objects), prefix.path)


async def sweep_project(office: Office, prefix: AssetPrefix) -> int:
    """Delete the objects that have been loose for 15 minutes. How many there were.

    Raises:
        SettingsError, BackendUnavailableError, ConflictError: see `delete_loose`.
    """
    store_of(office)
    async with office.store.reading(prefix.tenant) as rows:
        loose = await every(rows, LooseObject, prefix.project)
    old = [one.object for one in loose if one.since <= office.now() - PUTTING]
    pages = [old[at : at + _PAGE] for at in range(0, len(old), _PAGE)]
    return sum([await delete_loose(office, prefix, page) for page in pages])


async def sweep_all(office: Office) -> int:
    """The same of every project, and what is left of those that are gone.

    Raises:
        SettingsError, BackendUnavailableError, ConflictError: see `delete_loose`.
    """
    store_of(office)
    deleted, after = 0, ""
    while tenants := await office.store.tenants(after, _PAGE):
        for tenant in tenants:
            async with office.store.reading(tenant) as rows:
                projects = sorted({one.project for one in await every(rows, LooseObject)})
            deleted += sum([await sweep_project(office, AssetPrefix(tenant, project)) for project in projects])
        after = tenants[-1]
    return deleted + await sweep_ended(office)


async def sweep_ended(office: Office, tenant: TenantId | None = None) -> int:
    """Delete what is left of projects that are gone, of one tenant or of all. How many objects it were.

    Raises:
        BackendUnavailableError: the asset store does not answer; what was deleted before stays so.
    """
    deleted, left = await delete_ended(office, tenant)
    if left:
        raise BackendUnavailableError
    return deleted


async def owners(rows: TenantReader, *begin: str) -> frozenset[ProjectId]:
    """The projects of a tenant, or the one that is named, of which there may be objects."""
    kinds: tuple[type[AssetVersion | LooseObject], ...] = (AssetVersion, LooseObject)
    return frozenset([one.project for kind in kinds for one in await every(rows, kind, *begin)])


async def require_noted(rows: TenantReader, noted: Collection[ProjectId], *begin: str) -> None:
    """Raise ConflictError where there may be objects of a project that was not noted before: see `note_end`."""
    if not await owners(rows, *begin) <= frozenset(noted):
        msg = "an asset was put meanwhile: do it again"
        raise ConflictError(msg)


async def note_end(office: Office, tenant: TenantId, projects: Iterable[ProjectId]) -> None:
    """Note that these projects are about to go, so that what is left of them is found."""
    for project in projects:
        await agenda.note(office.store, TOPIC, tenant, project, office.now())


async def delete_ended(office: Office, tenant: TenantId | None = None) -> tuple[int, Sequence[str]]:
    """Delete all objects of projects that are gone.

    Args:
        office: of the open keychain.
        tenant: whose; None for all.

    Returns:
        How many were deleted, and the prefixes under which some may be left, since the store did not answer, or there
        is none.
    """
    deleted, left = 0, list[str]()
    for errand in await agenda.due(office.store, TOPIC, office.now()):
        if tenant not in {None, errand.tenant}:
            continue
        prefix = AssetPrefix(errand.tenant, ProjectId(errand.subject))
        try:
            deleted += await _delete_ended(office, prefix, errand)
        except (BackendUnavailableError, SettingsError):
            left.append(prefix.path)
    return deleted, tuple(left)


async def _delete_ended(office: Office, prefix: AssetPrefix, errand: Errand) -> int:
    async with office.store.reading(prefix.tenant) as rows:
        is_there = await rows.get(Project, (prefix.project,)) is not None
    deleted = 0 if is_there else await _delete_all(store_of(office), prefix)
    if errand.last <= office.now() - PUTTING:
        with contextlib.suppress(ConflictError):
            async with office.store.tenant(PLATFORM) as platform:
                await platform.remove(Errand, errand.key, errand.generation)
    return deleted


async def _delete_all(assets: AssetStore, prefix: AssetPrefix) -> int:
    deleted, after = 0, ""
    while names := await assets.list(prefix, after, _PAGE):
        for name in names:
            await assets.delete(prefix, name)
        deleted, after = deleted + len(names), names[-1]
    return deleted


async def _claimed(office: Office, prefix: AssetPrefix, objects: Collection[str]) -> list[str]:
    claimed: list[str] = []
    async with office.store.tenant(prefix.tenant) as store:
        is_gone = await store.get(Project, (prefix.project,)) is None
        for name in objects:
            stored = await store.get(LooseObject, (prefix.project, name))
            if stored is not None:
                await store.replace(replace(stored, generation=stored.generation + 1), stored.generation)
            if is_gone or stored is not None:
                claimed.append(name)
    return claimed
