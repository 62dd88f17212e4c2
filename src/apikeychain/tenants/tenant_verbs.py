"""The management verbs of a keychain: those that find or make a tenant."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime

from apikeychain.alerts import outbox, trial
from apikeychain.model.alert import OutgoingAlert
from apikeychain.model.checkpoint_round import CheckpointRound
from apikeychain.model.ids import TenantId
from apikeychain.model.records import DEFAULT_KEY_SERVICE
from apikeychain.rules.chain import PLATFORM
from apikeychain.tenants import asset_objects, erasure, key_run, platform_key, registry
from apikeychain.tenants.change import Office
from apikeychain.tenants.ledger_verbs import LedgerAdmin
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.tenant import TenantAdmin

HOST = "host"


class TenantVerbs(ABC):
    """How a host gets at its tenants. See `APIKeyChain`, of which this is a part."""

    @property
    @abstractmethod
    def _office(self) -> Office:
        """That of the open keychain, or NotOpenError."""

    async def create_tenant(
        self, tenant: str, *, key_service: str = DEFAULT_KEY_SERVICE, actor: str = HOST
    ) -> TenantAdmin:
        """A new tenant.

        Args:
            tenant: the host's own id of it.
            key_service: the name of the key service that wraps its keys.
            actor: the label that stands in the ledger.

        Raises:
            AlreadyExistsError: there is one of that id, or was.
            InvalidValueError: not an id, or not a label; or there is no such key service.
        """
        return await registry.create_tenant(self._office, tenant, actor, key_service)

    async def ensure_tenant(self, tenant: str, *, actor: str = HOST) -> TenantAdmin:
        """The tenant of that id, new where there was none. Raises InvalidValueError, DoesNotExistError (was erased)."""
        return await registry.ensure_tenant(self._office, tenant, actor)

    async def tenant(self, tenant: str, *, actor: str = HOST) -> TenantAdmin:
        """The tenant of that id, also an erased one, for its ledger. Raises DoesNotExistError, InvalidValueError."""
        return await registry.find_tenant(self._office, tenant, actor)

    async def project(self, project: str, *, actor: str = HOST) -> ProjectAdmin:
        """The project of that public id, whosever it is. Raises DoesNotExistError, InvalidValueError."""
        return await registry.find_project(self._office, project, actor)

    async def list_tenants(self) -> list[TenantId]:
        """The ids of all tenants, in order; those that were erased have a ledger still."""
        return await registry.list_tenants(self._office)

    async def ledger(self, chain: str) -> LedgerAdmin:
        """The ledger of a tenant, also of one that is gone, or the one named ``platform``.

        Raises:
            DoesNotExistError: no store and no witness knows of such a chain.
            InvalidValueError: not an id.
        """
        return await registry.find_ledger(self._office, chain)

    def platform_ledger(self) -> LedgerAdmin:
        """The ledger of what is done to all tenants together, and of what workers lost."""
        return LedgerAdmin(self._office, PLATFORM)

    async def erase_tenant(self, tenant: str, *, dry_run: bool = False, actor: str = HOST) -> erasure.ErasedTenant:
        """Remove all of a tenant, its keys with it, for good; its ledger stays, and its id is never given out again.

        Calls of its projects are 404 at once. An old copy of the database opens until the version of the platform key
        that wrapped the tenant's keys is retired: see `rotate_platform_key`, `rewrap_keys`, `retire_platform_key`.
        One that is erased already changes nothing.

        Args:
            tenant: its id.
            dry_run: whether nothing is changed.
            actor: the label that stands in the ledger.

        Raises:
            DoesNotExistError: there is none.
            InvalidValueError: not an id, or not a label.
            DamagedDataError: something of it cannot be read; nothing is changed then.
            ConflictError: an asset was put meanwhile; likewise.
        """
        return await erasure.erase_tenant(self._office, tenant, actor, dry_run=dry_run)

    async def sweep_assets(self) -> int:
        """Delete what uploads of assets left behind 15 minutes ago, and what is left of projects that are gone.

        Returns:
            How many objects were deleted.

        Raises:
            SettingsError: the keychain keeps no assets.
            BackendUnavailableError: the asset store does not answer; what was deleted before stays so.
            ConflictError: somebody else sweeps at this moment; likewise.
        """
        return await asset_objects.sweep_all(self._office)

    async def rotate_platform_key(self, *, key_service: str = DEFAULT_KEY_SERVICE, actor: str = HOST) -> int:
        """A new version of the platform key, and its number. Raises InvalidValueError, BackendUnavailableError."""
        return await platform_key.rotate(self._office, key_service, actor)

    async def rewrap_keys(
        self,
        *,
        key_service: str = DEFAULT_KEY_SERVICE,
        after: str = "",
        progress: platform_key.Progress | None = None,
        actor: str = HOST,
    ) -> platform_key.Rewrapped:
        """Wrap every key of every tenant under the newest version; doing it again does no harm.

        Args:
            key_service: its name; the tenants of others are left as they are.
            after: the tenant with which an earlier run ended.
            progress: told after each tenant: its id, and how many it were.
            actor: the label that stands in the ledger.

        Raises:
            InvalidValueError: there is no such key service.
            BackendUnavailableError: it does not answer. What was wrapped anew until then stays so.
        """
        return await platform_key.rewrap(self._office, key_service, actor, after=after, progress=progress)

    async def retire_platform_key(
        self, version: int, *, key_service: str = DEFAULT_KEY_SERVICE, force: bool = False, actor: str = HOST
    ) -> datetime:
        """Destroy an old version of the platform key, and say when it is gone for good.

        Only after `rewrap_keys` failed for nobody: what is wrapped under it opens no more.

        Args:
            version: its number.
            key_service: its name.
            force: whether it goes although `rewrap_keys` did not go through all tenants since, without a failure.
            actor: the label that stands in the ledger.

        Raises:
            InvalidValueError: there is no such key service, or this version cannot be retired.
            StillInUseError: keys may be wrapped under it still, as far as this keychain made the newer ones.
            BackendUnavailableError: it does not answer, or does not allow it.
        """
        return await platform_key.retire(self._office, key_service, version, actor, force=force)

    async def turn_keys(
        self,
        *,
        key_service: str = DEFAULT_KEY_SERVICE,
        tenant: str = "",
        project: str = "",
        secrets: bool = False,
        after: str = "",
        dry_run: bool = False,
        progress: key_run.Progress | None = None,
        actor: str = HOST,
    ) -> key_run.TurnedKeys:
        """Give every project a new encryption key, seal all values under it, and destroy the older ones.

        Calls are served meanwhile. Each project has its old key or its new one whole, whenever this breaks; one that
        fails keeps no other waiting.

        Args:
            key_service: of the tenants whose keys turn.
            tenant: the only one.
            project: the id of the only one, whose tenant keeps its secret.
            secrets: whether tenant secrets turn too.
            after: the tenant with which an earlier run ended.
            dry_run: whether nothing is changed.
            progress: told after each project: its tenant, and how many projects it were.
            actor: the label that stands in the ledger.

        Raises:
            InvalidValueError: there is no such key service, or the tenant has another.
            DoesNotExistError: there is no such tenant or project.
            BackendUnavailableError: the store does not answer. What was turned until then stays so.
        """
        which = key_run.Which(
            key_service=key_service, tenant=tenant, project=project, secrets=secrets, after=after, dry_run=dry_run
        )
        return await key_run.turn_keys(self._office, which, actor, progress)

    async def checkpoint(self) -> CheckpointRound:
        """Sign what every chain has become since its last checkpoint, and take the witnesses what they lack, now.

        A serving keychain does so by itself, every minute and after 1,000 entries.

        Raises:
            ConflictError: another worker signs at this moment, and takes more than 10 s.
            SealedValueError: the keys that sign do not open.
            InvalidValueError: the ledger has another `ledger_origin` than the settings say.
            BackendUnavailableError: the store or the key service does not answer.
        """
        return await self._office.notary.checkpoint()

    async def checkpoint_keys(self) -> list[str]:
        """The public keys that sign checkpoints or did so, a line each: what `ledger verify-proof` trusts.

        Raises InvalidValueError, see `checkpoint`.
        """
        pairs = await self._office.notary.signers.pairs()
        return [line for pair in pairs for line in pair.public.splitlines()]

    async def checkpoint_key_lists(self) -> list[str]:
        """The signed lists by which one pair of keys vouches for the next, in their order.

        Raises InvalidValueError, see `checkpoint`.
        """
        return [pair.key_list for pair in await self._office.notary.signers.pairs()]

    async def rotate_checkpoint_keys(self, *, actor: str = HOST) -> list[str]:
        """A new pair of keys that signs checkpoints, and its public lines; the pair before signs on for 7 days.

        Args:
            actor: the label that stands in the ledger.

        Raises:
            InvalidValueError: not a label, or 4 pairs sign already; or see `checkpoint`.
            ConflictError: somebody else rotates at this moment.
            SealedValueError: the pair before does not open.
            BackendUnavailableError: the store or the key service does not answer.
        """
        return (await self._office.notary.signers.rotate(actor)).public.splitlines()

    async def waiting_alerts(self) -> Sequence[OutgoingAlert]:
        """The alerts that not every sink has taken; those that cannot be read are told in the log of who delivers.

        Raises:
            BackendUnavailableError: the store does not answer.
        """
        return (await outbox.waiting(self._office.store)).alerts

    async def test_alert(self) -> Mapping[str, str]:
        """Write down an alert of the topic ``alert.test``, send it to every sink of this keychain, and say who took it.

        Who did not is sent it again by a keychain that serves, as any alert.

        Returns:
            By the name of the sink: why it did not take it, or "".

        Raises:
            BackendUnavailableError: the store does not answer.
        """
        return await trial.send_test(self._office.store, self._office.alert_sinks, self._office.now)
