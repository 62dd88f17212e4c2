"""One change of one project: records, generation and ledger entries in one transaction, then the news of it.

Source: contracts 6 (admin entries in the transaction of their change), 10 (a change takes effect within a second).
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from apikeychain.errors import BackendUnavailableError, DoesNotExistError
from apikeychain.ledger.notary import Notary
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.ledger import JSON, LedgerDraft
from apikeychain.model.network import Network
from apikeychain.model.records import Project, Record, Tenant
from apikeychain.ports.alert_sink import AlertSink
from apikeychain.ports.asset_store import AssetStore
from apikeychain.ports.signals import Change, Signals
from apikeychain.ports.store import R, Store, TenantReader, TenantStore
from apikeychain.ports.witness import Witness
from apikeychain.rules import chain
from apikeychain.settings import APIKeyChainSettings
from apikeychain.threads import ThreadPlaces
from apikeychain.vault.key_services import KeyServices
from apikeychain.vault.vault import Vault

_KEY_SECONDS = 2.0
# With those of a directory of assets fewer than there are at least.
_MAKING = 2
_log = logging.getLogger("apikeychain")


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """What the management verbs need of an open keychain.

    Attributes:
        networks: the exceptions of host code, by provider base URL.
        now: the wall clock, UTC.
        witnesses: to which the checkpoints of the ledger go.
        alert_sinks: to which alerts go, by name.
        notary: takes them there.
        asset_store: keeps what tenants publish, or None.
        making: places for those who make or search an asset, which takes seconds of a thread.
        turning: set once this keychain turns keys that are due: when it serves calls, or somebody waits for a turn. A
            command or a script has other settings, networks and rotators than the one that serves.
    """

    store: Store
    key_services: KeyServices
    vault: Vault
    signals: Signals
    settings: APIKeyChainSettings
    networks: Mapping[str, Network]
    now: Callable[[], datetime]
    witnesses: Sequence[Witness]
    alert_sinks: Mapping[str, AlertSink]
    notary: Notary
    asset_store: AssetStore | None = None
    making: ThreadPlaces = field(default_factory=lambda: ThreadPlaces(_MAKING))
    turning: asyncio.Event = field(default_factory=asyncio.Event)

    async def announce(self, project: ProjectId | None) -> None:
        """Tell every worker of a change that is stored. Raises nothing: who is not told sees it within 30 s.

        Args:
            project: that changed; None where it is not known which.
        """
        try:
            await self.signals.publish(Change(project))
        except BackendUnavailableError:
            _log.warning("a change of %s is stored, and takes effect within 30 s: it could not be announced", project)


class DryRunError(Exception):
    """Rolls a transaction back whose outcome was only asked for."""


@dataclass(slots=True)
class ProjectChange:
    """A transaction on one project.

    Attributes:
        project: as it will be stored.
        drafts: what differs, as ledger entries; without any, nothing is written.
    """

    office: Office
    store: TenantStore
    tenant: Tenant
    project: Project
    moment: datetime
    actor: str
    drafts: list[LedgerDraft] = field(default_factory=list[LedgerDraft])

    def note(self, kind: str, **data: JSON) -> None:
        """Note a difference for the ledger."""
        project = self.project.id
        self.drafts.append(chain.admin(kind, at=self.moment, actor=self.actor, project=project, data=data))

    async def find(self, kind: type[R], *names: str) -> R | None:
        """The project's record of that name."""
        return await self.store.get(kind, (self.project.id, *names))

    async def require(self, kind: type[R], *names: str) -> R:
        """The same, where it must exist.

        Raises:
            DoesNotExistError: it does not.
        """
        found = await self.find(kind, *names)
        if found is None:
            msg = f"the project {self.project.name!r} has no {kind.kind} {' '.join(names)!r}"
            raise DoesNotExistError(msg)
        return found

    async def store_changed(self, stored: Record, **fields: Any) -> None:  # noqa: ANN401 - fields of that record
        """Replace a record by itself with other fields and the next generation."""
        changed = replace(stored, generation=stored.generation + 1, **fields)
        await self.store.replace(changed, stored.generation)

    async def remove(self, record: Record) -> None:
        """Remove a record as it was read."""
        await self.store.remove(type(record), record.key, record.generation)


@asynccontextmanager
async def project_change(
    office: Office,
    tenant: TenantId,
    project: ProjectId,
    actor: str,
    *,
    dry_run: bool = False,
) -> AsyncGenerator[ProjectChange, None]:
    """A transaction on a project, published after its commit.

    Args:
        office: of the open keychain.
        tenant: whose project it is.
        project: its id.
        actor: the label for the ledger.
        dry_run: whether everything is rolled back at the end, and only `drafts` is left.

    Raises:
        DoesNotExistError: the project is gone.
    """
    changed = False
    try:
        async with office.store.tenant(tenant) as store:
            owner = await require_tenant(store, tenant)
            stored = await store.get(Project, (project,))
            if stored is None:
                msg = f"the tenant {tenant!r} has no project {project!r}"
                raise DoesNotExistError(msg)
            change = ProjectChange(office, store, owner, stored, office.now(), actor)
            yield change
            if dry_run:
                raise DryRunError  # noqa: TRY301 - it has to pass the store's own exit, which rolls back
            if change.drafts:
                changed = True
                await store.replace(replace(change.project, generation=stored.generation + 1), stored.generation)
                await store.append(change.drafts)
    except DryRunError:
        return
    if changed:
        await office.announce(project)


async def require_tenant(store: TenantReader, tenant: TenantId) -> Tenant:
    """The tenant's record, of one that was not erased.

    Raises:
        DoesNotExistError: there is none.
    """
    stored = await known_tenant(store, tenant)
    if stored.erased is not None:
        raise DoesNotExistError(erasure_of(stored))
    return stored


async def known_tenant(store: TenantReader, tenant: TenantId) -> Tenant:
    """The tenant's record, also of one that was erased, whose ledger is all that is left.

    Raises:
        DoesNotExistError: there is none.
    """
    stored = await store.get(Tenant, ())
    if stored is None:
        msg = f"there is no tenant {tenant!r}"
        raise DoesNotExistError(msg)
    return stored


def erasure_of(stored: Tenant) -> str:
    """What there is to say of a tenant that was erased, as a sentence."""
    return f"the tenant {stored.id!r} was erased: only its ledger is left, and its id is not given out again"


async def note_platform(office: Office, kind: str, actor: str, **data: JSON) -> None:
    """An entry in the chain of the platform.

    Raises:
        InvalidValueError: something that the chain cannot hold.
    """
    async with office.store.tenant(chain.PLATFORM) as store:
        await store.append([chain.admin(kind, at=office.now(), actor=actor, data=data)])


@asynccontextmanager
async def soon() -> AsyncGenerator[None, None]:
    """An end to the patience with a key service inside a transaction, should a change have closed the keys again."""
    try:
        async with asyncio.timeout(_KEY_SECONDS):
            yield
    except TimeoutError:
        msg = "the key service does not answer: nothing was changed"
        raise BackendUnavailableError(msg) from None
