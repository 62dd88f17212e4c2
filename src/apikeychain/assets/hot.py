"""Assets in memory, ready to be served; what is not there is fetched and opened, once for all who wait.

Source: contracts 9; decision 35.
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import final

from apikeychain.errors import (
    BackendUnavailableError,
    DamagedDataError,
    DoesNotExistError,
    InvalidValueError,
    SealedValueError,
    SecretUnavailableError,
)
from apikeychain.flights import Flights
from apikeychain.model.asset import AssetPrefix, AssetVersion
from apikeychain.model.asset_bodies import AssetBodies
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.records import ProjectKey
from apikeychain.ports.asset_store import AssetStore
from apikeychain.primitives import key_version_of
from apikeychain.rules import asset_answer
from apikeychain.rules.asset_answer import ReadyAsset
from apikeychain.rules.asset_names import content_type
from apikeychain.rules.shelf import Shelf
from apikeychain.secret import Secret
from apikeychain.telemetry import reach
from apikeychain.vault import contexts
from apikeychain.vault.assets import open_object
from apikeychain.vault.vault import Vault
from apikeychain.watch.mentions import Mentions

# Room for what a worker's pages load: four of the largest assets in every coding, or some thousand usual ones. Where it
# is full, who has more than half of it makes room for its own: whoever asks for everything that one project keeps, each
# of its versions too, drives out no more than the half of others that was asked for longest ago.
MOST_BYTES = 64 * 1024 * 1024
# Of an entry, beside its bodies: its header lines, tags and places. An empty asset has to cost something.
OWN_BYTES = 4096
# Each holds the object, what it opens to and its parts: some 48 MiB of the largest. Of one project fewer, so that
# whoever asks for everything that one tenant keeps leaves room for the others.
COLD_LOADS, OF_A_PROJECT = 4, 2
COLD_SECONDS = 10.0
# For so long one that is damaged, or whose key does not open, is not fetched again; at most so many are remembered.
DAMAGED_SECONDS = 5.0
MAX_DAMAGED = 1_000
# The last of them: what the row calls its object is the name of none.
_DAMAGED = (SealedValueError, DamagedDataError, DoesNotExistError, InvalidValueError)
_Key = tuple[ProjectId, str]


@final
class HotAssets:
    """Assets by project and object; those that were asked for longest ago go first.

    Args:
        store: where the objects are.
        vault: opens their keys.
        holds: whether a project is still as it was read; what is fetched is not kept else.
        damaged: told of a version whose object is not there, or is not what was put; raises nothing.
        most_bytes: of all that is kept.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        store: AssetStore,
        vault: Vault,
        *,
        holds: Callable[[Shelf], bool],
        damaged: Callable[[Shelf, AssetVersion], None],
        most_bytes: int = MOST_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._vault, self._holds, self._tell, self._clock = store, vault, holds, damaged, clock
        self._entries: OrderedDict[_Key, ReadyAsset] = OrderedDict()
        self._of_project: dict[ProjectId, _Held] = {}
        self._room = most_bytes
        self._half = most_bytes // 2
        self._damaged: dict[_Key, float] = {}
        self._flights: Flights[_Key, ReadyAsset] = Flights()
        self._cold, self._mentions = _ColdLoads(), Mentions()

    def __len__(self) -> int:
        return len(self._entries)

    def peek(self, version: AssetVersion) -> ReadyAsset | None:
        """The asset, if it is here."""
        key = (version.project, version.object)
        found = self._entries.get(key)
        if found is not None:
            self._entries.move_to_end(key)
            self._of_project[version.project].keys.move_to_end(key)
        return found

    async def fetch(self, shelf: Shelf, version: AssetVersion) -> ReadyAsset:
        """The asset, from the store.

        Raises:
            BackendUnavailableError: the store or the key service does not answer, the project's key does not open, or
                the object is damaged.
        """
        key = (version.project, version.object)
        if self._clock() < self._damaged.get(key, 0.0):
            raise BackendUnavailableError

        def land(asset: ReadyAsset) -> None:
            self._damaged.pop(key, None)
            if self._holds(shelf):
                self._keep(key, asset)

        try:
            return await self._flights.join(key, lambda: self._load(shelf, version), land)
        except SecretUnavailableError:
            if self._remember(key):
                self._mentions.note(version.project, "its key does not open, and its assets neither", self._clock())
            raise BackendUnavailableError from None
        except _DAMAGED:
            if self._remember(key):
                self._tell(shelf, version)
            raise BackendUnavailableError from None

    def forget(self, project: ProjectId) -> None:
        """Drop what is held of a project."""
        held = self._of_project.pop(project, _Held())
        self._room += held.bytes
        for key in held.keys:
            del self._entries[key]

    async def _load(self, shelf: Shelf, version: AssetVersion) -> ReadyAsset:
        tenant = shelf.tenant
        try:
            async with asyncio.timeout(COLD_SECONDS), self._cold.one_of(version.project):
                key = await self._key(shelf, version)
                opening = self._store.open(AssetPrefix(tenant.id, version.project), version.object)
                return await asyncio.to_thread(_opened, key, tenant.id, version, await reach("asset_store", opening))
        except TimeoutError:
            raise BackendUnavailableError from None

    async def _key(self, shelf: Shelf, version: AssetVersion) -> Secret:
        """The key of the object.

        Raises:
            SecretUnavailableError: the project's key does not open.
            SealedValueError: it does, and what it sealed does not.
        """
        tenant, context = shelf.tenant, contexts.of_asset_key(shelf.tenant.id, version)
        try:
            return await self._vault.open_text(
                tenant, shelf.keys, version.sealed, context, current=partial(self._holds, shelf)
            )
        except SecretUnavailableError:
            owner = shelf.keys.get(key_version_of(version.sealed).hex())
            is_damaged = owner is None or await self._opens(shelf, owner)
            raise (SealedValueError if is_damaged else SecretUnavailableError) from None

    async def _opens(self, shelf: Shelf, key: ProjectKey) -> bool:
        context = contexts.of_asset_token_key(shelf.tenant.id, key.project)
        try:
            await self._vault.own_key(shelf.tenant, key, context, current=partial(self._holds, shelf))
        except SealedValueError:
            return False
        return True

    def _keep(self, key: _Key, asset: ReadyAsset) -> None:
        self._entries[key] = asset
        own = self._of_project.setdefault(key[0], _Held())
        own.keys[key] = None
        own.bytes += _weight(asset)
        self._room -= _weight(asset)
        while self._room < 0:
            self._drop(next(iter(own.keys if own.bytes > self._half else self._entries)))

    def _drop(self, key: _Key) -> None:
        weight, held = _weight(self._entries.pop(key)), self._of_project[key[0]]
        self._room += weight
        held.bytes -= weight
        del held.keys[key]
        if not held.keys:
            del self._of_project[key[0]]

    def _remember(self, key: _Key) -> bool:
        """Fetch an asset no more for a while; whether nobody who waited for the same flight has seen to that yet."""
        now = self._clock()
        if now < self._damaged.get(key, 0.0):
            return False
        self._damaged[key] = now + DAMAGED_SECONDS
        if len(self._damaged) > MAX_DAMAGED:
            del self._damaged[next(iter(self._damaged))]
        return True


@dataclass(slots=True)
class _Held:
    """What is kept of one project: what was asked for longest ago first, and how much it weighs."""

    keys: OrderedDict[_Key, None] = field(default_factory=OrderedDict[_Key, None])
    bytes: int = 0


@final
class _ColdLoads:
    """Places for those who fetch, a few in all and fewer of one project."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(COLD_LOADS)
        self._projects: dict[ProjectId, _Places] = {}

    @asynccontextmanager
    async def one_of(self, project: ProjectId) -> AsyncGenerator[None, None]:
        """A place for one of that project, once there is one."""
        places = self._projects.setdefault(project, _Places())
        places.asking += 1
        try:
            async with places.free, self._all:
                yield
        finally:
            places.asking -= 1
            if not places.asking:
                del self._projects[project]


@dataclass(slots=True)
class _Places:
    free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(OF_A_PROJECT))
    asking: int = 0


def _opened(key: Secret, tenant: TenantId, version: AssetVersion, sealed: bytes) -> ReadyAsset:
    """For a thread: some 40 ms for the largest."""
    bodies = AssetBodies.unpack(open_object(key, tenant, version, sealed))
    if hashlib.sha256(bodies.identity).hexdigest() != version.sha256:
        raise SealedValueError
    coded = {asset_answer.IDENTITY: bodies.identity}
    coded |= {coding: body for coding, body in ((asset_answer.GZIP, bodies.gzip), (asset_answer.BR, bodies.br)) if body}
    return asset_answer.ready(content_type(version.path), version.sha256, coded)


def _weight(asset: ReadyAsset) -> int:
    return asset.bytes + OWN_BYTES
