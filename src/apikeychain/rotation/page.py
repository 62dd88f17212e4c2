"""What the engine writes in one transaction: records, entries of the ledger and alerts, all or nothing.

Source: contracts 6 (entries in the transaction of their change), 8 (each step is written).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from apikeychain.alerts import outbox
from apikeychain.errors import ConflictError
from apikeychain.listing import every
from apikeychain.model.alert import Alert
from apikeychain.model.ids import ProjectId
from apikeychain.model.ledger import JSON, LedgerDraft
from apikeychain.model.records import Project, ProjectKey, Record, SealedSecret
from apikeychain.model.rotation_records import ProviderKey
from apikeychain.ports.rotator import Rotator
from apikeychain.ports.store import Store, TenantStore
from apikeychain.rotation.scene import Scene, scene_of
from apikeychain.rules import chain
from apikeychain.vault.uses import count_uses, without_uses
from apikeychain.vault.vault import Vault

ACTOR = "rotation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What the engine needs of an open keychain.

    Attributes:
        rotator_of: what makes and ends the keys of a rotation; raises an APIKeyChainError where it cannot.
        is_shared: whether keys of other tenants are in its account too.
        announce: tells every worker of a project that changed.
        now: the wall clock, UTC.
        share: draws from [0, 1).
    """

    store: Store
    vault: Vault
    rotator_of: Callable[[Scene], Rotator]
    is_shared: Callable[[Scene], bool]
    announce: Callable[[ProjectId], Awaitable[None]]
    now: Callable[[], datetime]
    share: Callable[[], float]


@dataclass(slots=True)
class Page:
    """One transaction on one secret, to be filled and then written.

    Attributes:
        scene: as it was read.
        changes: of each pair the second takes the place of the first; with None the first goes.
        made: new records.
        serves: whether calls see the change, so that the project gets another generation and workers are told.
    """

    scene: Scene
    moment: datetime
    changes: list[tuple[Record, Record | None]] = field(default_factory=list[tuple[Record, Record | None]])
    made: list[Record] = field(default_factory=list[Record])
    entries: list[LedgerDraft] = field(default_factory=list[LedgerDraft])
    alerts: list[Alert] = field(default_factory=list[Alert])
    serves: bool = False

    def change(self, before: Record, after: Record | None) -> None:
        """Put one record in the place of another, or of itself none."""
        self.changes.append((before, after))

    def note(self, what: str, key: ProviderKey | None = None, **data: JSON) -> None:
        """Note in the ledger what happened to the rotation."""
        told: dict[str, JSON] = {"secret": self.scene.rotation.secret, **data}
        if key is not None:
            told |= {"number": key.number, "label": key.label, "id": key.id}
        self._enter(f"rotation.{what}", told)

    def put(self, stored: SealedSecret, sealed: bytes, fingerprint: str) -> None:
        """Put a secret of the project; its new value serves."""
        version = stored.version + 1
        after = replace(stored, version=version, sealed=sealed, fingerprint=fingerprint, changed=self.moment)
        self.change(stored, after)
        told: dict[str, JSON] = {
            "secret": after.name,
            "provider": after.provider,
            "version": after.version,
            "fingerprint": after.fingerprint,
        }
        self._enter("secret.put", told)
        self.serves = True

    def _enter(self, kind: str, data: dict[str, JSON]) -> None:
        project = self.scene.rotation.project
        self.entries.append(chain.admin(kind, at=self.moment, actor=ACTOR, project=project, data=data))

    async def write(self, workshop: Workshop, *, of_scene: bool = True, under: ProjectKey | None = None) -> None:
        """Write all of it.

        Args:
            workshop: of the engine.
            of_scene: whether everything has to be stored still as it was read; else only what is changed.
            under: the key that sealed a provider's key and the secrets, which has to be the project's newest still.

        Raises:
            ConflictError: somebody changed it meanwhile; nothing is written.
            BackendUnavailableError: the store does not answer.
        """
        project = self.scene.rotation.project
        if self.alerts:
            await outbox.announce(workshop.store, self.scene.tenant.id, self.moment)
        async with workshop.store.tenant(self.scene.tenant.id) as records:
            newest = await self._require_same(records, under, of_scene=of_scene)
            if newest is not None:
                await count_uses(records, newest, 1 + sum(isinstance(after, SealedSecret) for _, after in self.changes))
            for record in self.made:
                await records.insert(record)
            for before, after in self.changes:
                await _change(records, before, after)
            if self.serves:
                await _raise_generation(records, project)
            for alert in self.alerts:
                await outbox.file(records, alert)
            await records.append(self.entries)
        if self.serves:
            await workshop.announce(project)

    async def _require_same(
        self, records: TenantStore, under: ProjectKey | None, *, of_scene: bool
    ) -> ProjectKey | None:
        """The key that sealed, as it is now: how many values it sealed may be another number by now."""
        rotation, newest = self.scene.rotation, None
        found = await scene_of(records, rotation.project, rotation.secret) if of_scene else self.scene
        is_same = found is not None and _without_uses(found) == _without_uses(self.scene)
        if is_same and under is not None:
            newest = max(await every(records, ProjectKey, rotation.project), key=lambda key: key.number, default=None)
            is_same = newest is not None and newest.version == under.version
        if not is_same:
            msg = f"the secret {rotation.secret!r} or its rotation was changed meanwhile"
            raise ConflictError(msg)
        return newest


def _without_uses(scene: Scene) -> Scene:
    return replace(scene, project_keys=tuple(map(without_uses, scene.project_keys)))


async def _change(records: TenantStore, before: Record, after: Record | None) -> None:
    if after is None:
        await records.remove(type(before), before.key, before.generation)
    else:
        await records.replace(replace(after, generation=before.generation + 1), before.generation)


async def _raise_generation(records: TenantStore, project: ProjectId) -> None:
    stored = await records.get(Project, (project,))
    if stored is None:
        msg = f"the project {project!r} is gone"
        raise ConflictError(msg)
    await records.replace(replace(stored, generation=stored.generation + 1), stored.generation)
