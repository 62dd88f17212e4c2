"""The compiled projects that a worker holds: bounded, refreshed, dropped when a change is heard.

Source: contracts 1 (unknown ids), 10 (state); spec 10.3 (a call loads its own tenant's configuration only).
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar

from apikeychain.errors import BackendUnavailableError, DamagedDataError, InvalidValueError, NotFoundError
from apikeychain.flights import Flights
from apikeychain.listing import every
from apikeychain.model.ids import ProjectId, parse_project_id
from apikeychain.model.network import Network
from apikeychain.model.records import (
    AddedRoute,
    AllowedOrigin,
    Project,
    ProjectKey,
    RegisteredProvider,
    SealedSecret,
    SigningKey,
    Tenant,
)
from apikeychain.model.rotation_records import ProviderKey
from apikeychain.model.sanitizers import SanitizerFunction
from apikeychain.model.suspension import Suspension
from apikeychain.model.watch import TightenedQuota
from apikeychain.ports.store import Store, TenantReader
from apikeychain.rules.snapshot import Snapshot, compile_snapshot
from apikeychain.telemetry import reach

MAX_SNAPSHOTS = 10_000
MAX_UNKNOWN = 10_000
UNKNOWN_SECONDS = 5.0
REFRESH_SECONDS = 30.0
STORE_DOWN_SECONDS = 5.0
# Of projects that are not held, at a time: fewer than a store answers in the patience of a call.
FIRST_READS = 32
_log = logging.getLogger("apikeychain")

V = TypeVar("V")


class Compiled(Protocol):
    """A project as those meet it who ask for it."""

    @property
    def tenant(self) -> Tenant:
        """The project's."""
        ...

    @property
    def project(self) -> Project:
        """The record."""
        ...


C = TypeVar("C", bound=Compiled)
Read = Callable[[TenantReader, Tenant, Project, C | None], Awaitable[C | None]]


@dataclass(slots=True)
class _Held(Generic[C]):
    snapshot: C
    loaded: float
    is_doubtful: bool = False
    failing_since: float | None = None


@dataclass(frozen=True, slots=True)
class _Reading(Generic[C]):
    """What a reading found, or None, and when it began: what it found is as old as that."""

    snapshot: C | None
    began: float


class Snapshots(Generic[C]):
    """Compiled projects by id.

    Args:
        store: where projects are read from.
        read: reads what belongs to a project and compiles it, or None where there is nothing to serve; it is given what
            is held of the project, or None.
        changed: told each project that is not what it was when it was read before.
        most: so many are held.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        store: Store,
        read: Read[C],
        *,
        changed: Callable[[ProjectId], None],
        most: int = MAX_SNAPSHOTS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._compile, self._changed, self._most, self._clock = store, read, changed, most, clock
        self._held: dict[str, _Held[C]] = {}
        self._unknown: dict[str, float] = {}
        self._damaged: dict[str, float] = {}
        self._first = asyncio.Semaphore(FIRST_READS)
        self._deaf_since: float | None = clock()
        self._loading: Flights[str, _Reading[C]] = Flights()

    def fresh(self, project: str) -> C | None:
        """The snapshot that can be used as it is, or None when `load` has to be awaited."""
        held = self._held.get(project)
        if held is None or held.is_doubtful or self._clock() - held.loaded >= REFRESH_SECONDS:
            return None
        return held.snapshot

    def holds(self, snapshot: C) -> bool:
        """Whether no change of its project was heard since it was read, as far as is known here."""
        held = self._held.get(snapshot.project.id)
        return held is not None and held.snapshot is snapshot and not held.is_doubtful

    async def load(self, project: str) -> C:
        """The project's snapshot, read anew; concurrent calls share one reading.

        Raises:
            NotFoundError: no such project, or nothing of it is served.
            BackendUnavailableError: the store is down and nothing is held that may still serve, or what is stored of
                the project is damaged.
        """
        try:
            project_id = parse_project_id(project)
        except InvalidValueError:
            # Never remembered: it costs no query, and a caller may make it as long as a request line.
            raise NotFoundError from None
        if self._clock() < self._unknown.get(project_id, 0.0):
            raise NotFoundError
        if self._clock() < self._damaged.get(project_id, 0.0):
            raise BackendUnavailableError
        read = self._read if project_id in self._held else self._read_first
        try:
            reading = await self._loading.join(
                project_id,
                lambda: reach("store", _in_time(read(project_id))),
                lambda found: self._keep(project_id, found),
            )
        except BackendUnavailableError:
            return self._still_serving(project_id)
        except DamagedDataError as damaged:
            self._close(project_id, damaged)
            raise BackendUnavailableError from None
        if reading.snapshot is None:
            raise NotFoundError
        return reading.snapshot

    @property
    def hears(self) -> bool:
        """Whether changes are heard now."""
        return self._deaf_since is None

    def hear(self, *, is_heard: bool) -> None:
        """Note whether changes are heard from now on: what is held is known to be true up to then."""
        if is_heard:
            self._deaf_since = None
        elif self._deaf_since is None:
            self._deaf_since = self._clock()

    def forget(self, project: ProjectId | None) -> None:
        """Drop what is held of a project; a reading that is under way is not kept either.

        Where it is not known which one changed, all are read anew before they are used. One that cannot be read, since
        the store went down as well, serves on for its 5 s.
        """
        for known in (*self._unknown, *self._damaged, *self._loading) if project is None else (project,):
            self._unknown.pop(known, None)
            self._damaged.pop(known, None)
            self._loading.forget(known)
        if project is not None:
            self._held.pop(project, None)
            return
        for held in self._held.values():
            held.is_doubtful = True

    def _keep(self, project: ProjectId, reading: _Reading[C]) -> None:
        self._damaged.pop(project, None)
        before = self._held.pop(project, None)
        if before is not None and not _is_same(before.snapshot, reading.snapshot):
            self._changed(project)
        if reading.snapshot is None:
            _hold(self._unknown, project, self._clock() + UNKNOWN_SECONDS, MAX_UNKNOWN)
        else:
            _hold(self._held, project, _Held(reading.snapshot, reading.began), self._most)

    def _close(self, project: ProjectId, damaged: DamagedDataError) -> None:
        """Serve nothing of a project, also not what is held, and read it again in 5 s; told once."""
        if project not in self._damaged:
            _log.error("the gate of the project %s is closed: %s", project, damaged)
        self._held.pop(project, None)
        self._changed(project)
        _hold(self._damaged, project, self._clock() + UNKNOWN_SECONDS, MAX_UNKNOWN)

    async def _read_first(self, project: ProjectId) -> _Reading[C]:
        """As `_read`, a few at a time: a scan of made-up ids keeps no project waiting that is served already."""
        async with self._first:
            return await self._read(project)

    async def _read(self, project: ProjectId) -> _Reading[C]:
        return _Reading(began=self._clock(), snapshot=await self._found(project))

    async def _found(self, project: ProjectId) -> C | None:
        """The project compiled, or None where there is none to serve."""
        owner, held = await self._store.tenant_of(project), self._held.get(project)
        if owner is None:
            return None
        async with self._store.reading(owner) as store:
            tenant, found = await store.get(Tenant, ()), await store.get(Project, (project,))
            if tenant is None or found is None:
                return None
            return await self._compile(store, tenant, found, None if held is None else held.snapshot)

    def _still_serving(self, project: ProjectId) -> C:
        """What is held serves for 5 s after the store was first found down, unless changes may be missed for long."""
        held, now = self._held.get(project), self._clock()
        if held is None or self._is_old(held, now):
            raise BackendUnavailableError
        held.failing_since = now if held.failing_since is None else held.failing_since
        if now - held.failing_since >= STORE_DOWN_SECONDS:
            raise BackendUnavailableError
        return held.snapshot

    def _is_old(self, held: _Held[C], now: float) -> bool:
        """Whether a change may be longer ago than one that is not heard may take, and the 5 s."""
        if self._deaf_since is None:
            return False
        return now - max(held.loaded, self._deaf_since) >= REFRESH_SECONDS + STORE_DOWN_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxiedProjects:
    """Reads projects as their proxies meet them; none where the proxy is off.

    Attributes:
        networks: the exceptions of host code, by provider base URL.
        body_limit: the most that a route's body cap may be, in bytes.
        sanitizers: the host's functions, by the name of the provider.
        development: whether http origins count.
    """

    networks: Mapping[str, Network]
    body_limit: int
    sanitizers: Mapping[str, SanitizerFunction]
    development: bool

    async def __call__(
        self, store: TenantReader, tenant: Tenant, project: Project, _: Snapshot | None
    ) -> Snapshot | None:
        """The project compiled anew: what is smaller for now ends without a change."""
        if not project.enabled:
            return None
        return compile_snapshot(
            tenant,
            project,
            origins=await every(store, AllowedOrigin, project.id),
            providers=await every(store, RegisteredProvider, project.id),
            routes=await every(store, AddedRoute, project.id),
            secrets=await every(store, SealedSecret, project.id),
            provider_keys=await every(store, ProviderKey, project.id),
            keys=await every(store, ProjectKey, project.id),
            signing_keys=await every(store, SigningKey, project.id),
            suspensions=await every(store, Suspension, project.id),
            smaller=[one for one in await every(store, TightenedQuota, project.id) if one.until > datetime.now(UTC)],
            networks=self.networks,
            body_limit=self.body_limit,
            sanitizers=self.sanitizers,
            development=self.development,
        )


def _is_same(before: Compiled, found: Compiled | None) -> bool:
    """Whether nothing changed: a generation is raised by every change of anything in the project."""
    return found is not None and (before.tenant, before.project) == (found.tenant, found.project)


async def _in_time(reading: Coroutine[Any, Any, V]) -> V:
    """What it brings; a store that takes longer than it may be down is down."""
    try:
        async with asyncio.timeout(STORE_DOWN_SECONDS):
            return await reading
    except TimeoutError:
        raise BackendUnavailableError from None


def _hold(cache: dict[str, V], key: str, value: V, bound: int) -> None:
    """Keep `value` as the newest; the oldest goes when there are more than `bound`."""
    cache.pop(key, None)
    cache[key] = value
    if len(cache) > bound:
        del cache[next(iter(cache))]
