"""`TenantAdmin`: the management verbs of one tenant."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import final

from apikeychain.alerts import outbox
from apikeychain.errors import AlreadyExistsError, APIKeyChainError, DoesNotExistError, InvalidValueError
from apikeychain.ledger.retain import RetainedLedger, retain
from apikeychain.listing import every
from apikeychain.model.asset import Asset, AssetTokenKey, AssetVersion, LooseObject
from apikeychain.model.finding import Finding
from apikeychain.model.ids import ProjectId, TenantId, new_project_id, parse_name, parse_project_id
from apikeychain.model.ledger import JSON
from apikeychain.model.records import (
    AddedRoute,
    AllowedOrigin,
    Project,
    ProjectKey,
    ProjectName,
    Record,
    RegisteredProvider,
    SealedSecret,
    SigningKey,
)
from apikeychain.model.rotation_records import ProviderKey, Rotation
from apikeychain.model.suspension import Suspension
from apikeychain.model.watch import CountedWindow, TightenedQuota, WatchMemory, WatchPolicy
from apikeychain.ports.store import TenantReader, TenantStore
from apikeychain.rules import chain
from apikeychain.tenants import asset_objects, keys
from apikeychain.tenants.change import Office, known_tenant, require_tenant
from apikeychain.tenants.ledger_verbs import LedgerVerbs
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.rotations import left_behind
from apikeychain.tenants.tenant_secret import TurnedProjects, turn_tenant_secret

# All that is in one, what refers to others before what is referred to.
_OF_PROJECT: tuple[type[Record], ...] = (
    ProviderKey,
    Rotation,
    AddedRoute,
    SealedSecret,
    SigningKey,
    RegisteredProvider,
    AllowedOrigin,
    Suspension,
    CountedWindow,
    TightenedQuota,
    Finding,
    Asset,
    AssetVersion,
    LooseObject,
    AssetTokenKey,
    ProjectKey,
)


@final
class TenantAdmin(LedgerVerbs):
    """One tenant. Got from a keychain: `ensure_tenant`, `create_tenant`, `tenant`.

    Attributes:
        id: the host's own id of the tenant.
        actor: the label that stands in the ledger for what is done through this object.
    """

    def __init__(self, office: Office, tenant: TenantId, actor: str) -> None:
        super().__init__(office, tenant)
        self.actor = actor

    async def erased(self) -> datetime | None:
        """When it was erased, or None. Of one that was, the verbs of its ledger are left; others: DoesNotExistError."""
        async with self._office.store.reading(self.id) as store:
            return (await known_tenant(store, self.id)).erased

    async def create_project(self, name: str) -> ProjectAdmin:
        """A new project: proxy off, no origin, no route.

        Raises:
            AlreadyExistsError: the tenant has one of that name.
            InvalidValueError: not a name, or one that reads like an id.
        """
        _parse_label(name)
        project, moment = new_project_id(), self._office.now()
        async with self._office.store.tenant(self.id) as store:
            await require_tenant(store, self.id)
            if await store.get(ProjectName, (name,)):
                msg = f"the tenant {self.id!r} has a project {name!r} already"
                raise AlreadyExistsError(msg)
            await store.insert(Project(id=project, name=name, created=moment))
            await store.insert(ProjectName(name=name, project=project))
            entry = chain.admin("project.created", at=moment, actor=self.actor, project=project, data={"name": name})
            await store.append([entry])
        await self._office.announce(project)
        return self._admin(project, name)

    async def ensure_project(self, name: str) -> ProjectAdmin:
        """The project of that name, new where there was none."""
        try:
            return await self.project(name)
        except DoesNotExistError:
            pass
        try:
            return await self.create_project(name)
        except AlreadyExistsError:
            return await self.project(name)

    async def project(self, name: str) -> ProjectAdmin:
        """The project of that name or id.

        Raises:
            DoesNotExistError: the tenant has none.
        """
        async with self._office.store.reading(self.id) as store:
            project = await self._find(store, name)
        return self._admin(project.id, project.name)

    async def list_projects(self) -> list[Project]:
        """The tenant's projects, in the order of their ids."""
        async with self._office.store.reading(self.id) as store:
            await require_tenant(store, self.id)
            return await every(store, Project)

    async def remove_project(self, name: str) -> None:
        """Remove a project and all that is in it; its ledger entries stay, and an alert names its keys at providers.

        The objects of its assets are deleted then; those that cannot be are left to `APIKeyChain.sweep_assets`.

        Raises:
            DoesNotExistError: the tenant has none of that name or id.
            ConflictError: an asset was put meanwhile: do it again.
        """
        moment = self._office.now()
        await outbox.announce(self._office.store, self.id, moment)
        async with self._office.store.reading(self.id) as rows:
            noted = await asset_objects.owners(rows, (await self._find(rows, name)).id)
        await asset_objects.note_end(self._office, self.id, noted)
        async with self._office.store.tenant(self.id) as store:
            project = await self._find(store, name)
            for alert in await left_behind(store, self.id, moment, project.id, "its project was removed"):
                await outbox.file(store, alert)
            await asset_objects.require_noted(store, noted, project.id)
            await _remove_all(store, project)
            data: dict[str, JSON] = {"name": project.name}
            entry = chain.admin("project.removed", at=moment, actor=self.actor, project=project.id, data=data)
            await store.append([entry])
        await self._office.announce(project.id)
        await asset_objects.delete_ended(self._office, self.id)

    async def rewrap_keys(self) -> int:
        """Wrap every key of the tenant under the newest version of the platform key.

        After `rotate` of the key service, for every tenant; only then may its older version be retired.

        Returns:
            How many keys were wrapped anew.

        Raises:
            SealedValueError: a key does not unwrap; what was wrapped anew before it stays so.
            ConflictError: somebody else wraps or adds keys at the same time; likewise.
            BackendUnavailableError: the key service does not answer.
        """
        return await keys.rewrap_keys(self._office, self.id, self.actor)

    async def move_keys(self, to: str) -> int:
        """Wrap every key of the tenant with another key service of the keychain, in one change.

        Args:
            to: its name; ``"default"`` is that of ``key_service=``.

        Returns:
            How many keys were wrapped anew; 0 where the tenant is there already.

        Raises:
            InvalidValueError: there is no such key service.
            SealedValueError: a key does not unwrap; nothing is changed then.
            ConflictError: somebody else wraps or adds keys, or turns the new platform key, at the same time; likewise.
            BackendUnavailableError: a key service does not answer; likewise.
        """
        return await keys.move_keys(self._office, self.id, to, self.actor)

    async def turn_secret(self) -> TurnedProjects:
        """Give the tenant a new secret, and all its projects new keys; one that was begun is ended and none is begun.

        Returns:
            What came of each project. While one failed, the old secret is kept, and the next run ends it.

        Raises:
            DoesNotExistError: the tenant is gone.
            ConflictError: somebody else changes the tenant's keys at the same time; what was turned before stays so.
            BackendUnavailableError: the key service does not answer; no secret was begun then.
        """
        return await turn_tenant_secret(self._office, self.id, self.actor)

    async def retain_ledger(
        self,
        before: datetime,
        *,
        dry_run: bool = False,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> RetainedLedger:
        """Drop the bodies of all entries up to the last one that is older than `before`, as far as they are signed.

        Number and hash of each stay, and an entry says which went: the chain still holds. Nothing brings them back.
        What the store and every witness have a checkpoint of may go, and nothing else. One is made of the entry then.

        Args:
            before: with a time zone.
            dry_run: whether nothing is changed.
            progress: told after each page that was read: entries read, and of how many where that is known.

        Raises:
            DoesNotExistError: the ledger has no signed checkpoint yet, or a witness has none of it, or is not heard.
            SealedValueError: the keys that sign checkpoints do not open.
            LedgerBrokenError: it does not hold, or is not the one that was signed; nothing is dropped then.
            ConflictError: it was changed meanwhile; what was dropped before stays so.
            InvalidValueError: `before` has no time zone, or the label cannot stand in the ledger.
        """
        if before.tzinfo is None:
            msg = "the moment before which entries are dropped needs a time zone"
            raise InvalidValueError(msg)
        office = self._office
        came = await retain(
            office.store,
            self.id,
            before,
            witnesses=office.witnesses,
            keys=await office.notary.signers.trusted(),
            now=office.now,
            actor=self.actor,
            dry_run=dry_run,
            progress=progress,
        )
        if came.dropped and not dry_run:
            # Else the next round of whoever serves does it.
            with suppress(APIKeyChainError):
                await office.notary.checkpoint()
        return came

    def _admin(self, project: ProjectId, name: str) -> ProjectAdmin:
        return ProjectAdmin(self._office, self.id, project, name, self.actor)

    async def _find(self, store: TenantReader, name: str) -> Project:
        await require_tenant(store, self.id)
        named = await store.get(ProjectName, (name,))
        project = await store.get(Project, (named.project if named else name,))
        if project is None:
            msg = f"the tenant {self.id!r} has no project {name!r}"
            raise DoesNotExistError(msg)
        return project


def _parse_label(name: str) -> None:
    """Raise InvalidValueError for what is no name, or could be taken for the id of another project."""
    parse_name(name, "project")
    try:
        parse_project_id(name)
    except InvalidValueError:
        return
    msg = f"not a project name: {name!r} (it reads like a project's id)"
    raise InvalidValueError(msg)


async def _remove_all(store: TenantStore, project: Project) -> None:
    for kind in _OF_PROJECT:
        for record in await every(store, kind, project.id):
            await store.remove(kind, record.key, record.generation)
    for kind in (WatchPolicy, WatchMemory):
        single = await store.get(kind, project.key)
        if single is not None:
            await store.remove(kind, single.key, single.generation)
    named = await store.get(ProjectName, (project.name,))
    if named is not None:
        await store.remove(ProjectName, named.key, named.generation)
    await store.remove(Project, project.key, project.generation)
