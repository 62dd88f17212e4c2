"""What a worker holds of projects: fresh for 30 s, dropped at a change, serving on for 5 s without a store."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from apikeychain import snapshots as module
from apikeychain.backends.memory_store import MemoryStore, MemoryTenantReader
from apikeychain.errors import BackendUnavailableError, NotFoundError
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.records import AddedRoute, AllowedOrigin, Project, RegisteredProvider, Tenant
from apikeychain.ports.store import Store
from apikeychain.rules.snapshot import Snapshot
from apikeychain.snapshots import ProxiedProjects, Snapshots
from apikeychain.testing.eventually import until
from damaged_store import DamagedStore
from sample_project import APP, NOW, PROJECT, PROVIDER, WEATHER

ACME = TenantId("acme")
OTHER = ProjectId("p_" + "b" * 20)
Projects = Snapshots[Snapshot]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class CountingStore(MemoryStore):
    """Counts the questions for a project's tenant, and holds readings up while its gate is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.gone: set[str] = set()
        self.gate = asyncio.Event()
        self.gate.set()

    async def tenant_of(self, project: ProjectId) -> TenantId | None:
        self.asked.append(project)
        if project in self.gone:
            return ACME
        return await super().tenant_of(project)

    @asynccontextmanager
    async def reading(self, tenant: TenantId) -> AsyncGenerator[MemoryTenantReader, None]:
        async with super().reading(tenant) as store:
            yield store
            await self.gate.wait()

    async def change(self, **fields: object) -> None:
        """Change the project's own fields."""
        async with super().tenant(ACME) as store:
            stored = await store.get(Project, (PROJECT,))
            assert stored
            changed = replace(stored, generation=stored.generation + 1, **fields)  # type: ignore[arg-type]  # its fields
            await store.replace(changed, stored.generation)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store() -> CountingStore:
    store = CountingStore()
    async with store.tenant(ACME) as rows:
        await rows.insert(Tenant(id=ACME, created=NOW, wrapped_secret=b"", wrapped_pseudonym_key=b""))
        await rows.insert(Project(id=PROJECT, name="shop", created=NOW, enabled=True))
        await rows.insert(RegisteredProvider(project=PROJECT, provider=PROVIDER, created=NOW))
        await rows.insert(AddedRoute(project=PROJECT, route=WEATHER, created=NOW))
    return store


def snapshots(
    store: Store,
    clock: Clock,
    *,
    body_limit: int = 100 << 20,
    development: bool = False,
    changed: Callable[[ProjectId], None] = lambda _: None,
    most: int = module.MAX_SNAPSHOTS,
) -> Projects:
    read = ProxiedProjects(networks={}, body_limit=body_limit, sanitizers={}, development=development)
    return Snapshots(store, read, changed=changed, most=most, clock=clock)


@pytest.fixture
def changes() -> list[ProjectId]:
    """The projects that were found changed."""
    return []


@pytest.fixture
def held(store: CountingStore, clock: Clock, changes: list[ProjectId]) -> Projects:
    return snapshots(store, clock, changed=changes.append)


async def test_a_project_is_read_once_and_fresh_for_thirty_seconds(
    held: Projects, store: CountingStore, clock: Clock
) -> None:
    assert held.fresh(PROJECT) is None
    snapshot = await held.load(PROJECT)
    assert [*snapshot.routes] == [b"weather"]
    clock.now += 29.9
    assert held.fresh(PROJECT) is snapshot
    clock.now += 0.1
    assert held.fresh(PROJECT) is None
    assert await held.load(PROJECT) is not snapshot
    assert store.asked == [PROJECT, PROJECT]


async def test_a_change_is_seen_as_soon_as_it_is_heard(held: Projects, store: CountingStore) -> None:
    await held.load(PROJECT)
    await store.change(quota="1/minute")
    held.forget(PROJECT)
    assert held.fresh(PROJECT) is None
    assert (await held.load(PROJECT)).project.quota == "1/minute"


async def test_where_it_is_not_known_what_changed_everything_is_read_again(
    held: Projects, store: CountingStore
) -> None:
    snapshot = await held.load(PROJECT)
    with pytest.raises(NotFoundError):
        await held.load(OTHER)
    held.forget(None)
    assert held.fresh(PROJECT) is None
    assert not held.holds(snapshot)
    assert held._unknown == {}
    await store.change(quota="1/minute")
    assert (await held.load(PROJECT)).project.quota == "1/minute"
    assert held.fresh(PROJECT) is not None


async def test_a_reading_is_as_old_as_its_beginning(held: Projects, store: CountingStore, clock: Clock) -> None:
    store.gate.clear()
    loading = asyncio.create_task(held.load(PROJECT))
    await until(lambda: store.asked)
    clock.now += 20
    store.gate.set()
    snapshot = await loading
    clock.now += 9.9
    assert held.fresh(PROJECT) is snapshot
    clock.now += 0.1
    assert held.fresh(PROJECT) is None


async def test_a_store_that_is_slower_than_it_may_be_down_is_down(
    held: Projects, store: CountingStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = await held.load(PROJECT)
    clock.now += 30
    monkeypatch.setattr(module, "STORE_DOWN_SECONDS", 0.125)
    store.gate.clear()
    assert await held.load(PROJECT) is snapshot
    clock.now += 0.125
    with pytest.raises(BackendUnavailableError):
        await held.load(PROJECT)


async def test_a_project_that_is_found_changed_is_told(
    held: Projects, store: CountingStore, clock: Clock, changes: list[ProjectId]
) -> None:
    """Whatever of it was opened is dropped then, and not where changes may have gone unheard."""
    await held.load(PROJECT)
    held.forget(None)
    await held.load(PROJECT)
    clock.now += 30
    await held.load(PROJECT)
    assert changes == []
    await store.change(quota="1/minute")
    clock.now += 30
    await held.load(PROJECT)
    assert changes == [PROJECT]
    async with store.tenant(ACME) as rows:
        tenant = await rows.get(Tenant, ())
        assert tenant
        await rows.replace(replace(tenant, generation=2, key_service="other"), 1)
    held.forget(None)
    await held.load(PROJECT)
    assert changes == [PROJECT] * 2
    await store.change(enabled=False)
    held.forget(None)
    with pytest.raises(NotFoundError):
        await held.load(PROJECT)
    assert changes == [PROJECT] * 3


async def test_what_may_have_changed_serves_on_for_5_s_while_the_store_is_down(
    held: Projects, store: CountingStore, clock: Clock
) -> None:
    snapshot = await held.load(PROJECT)
    store.reachable = False
    held.forget(None)
    assert await held.load(PROJECT) is snapshot
    assert (held.fresh(PROJECT), held.holds(snapshot)) == (None, False)
    clock.now += module.STORE_DOWN_SECONDS
    with pytest.raises(BackendUnavailableError):
        await held.load(PROJECT)


async def test_what_is_known_to_have_changed_does_not_serve_while_the_store_is_down(
    held: Projects, store: CountingStore
) -> None:
    await held.load(PROJECT)
    store.reachable = False
    held.forget(PROJECT)
    with pytest.raises(BackendUnavailableError):
        await held.load(PROJECT)


async def test_callers_at_one_moment_share_one_reading(held: Projects, store: CountingStore) -> None:
    found = await asyncio.gather(*[held.load(PROJECT) for _ in range(20)])
    assert len({id(snapshot) for snapshot in found}) == 1
    assert store.asked == [PROJECT]


async def test_a_scan_of_made_up_ids_keeps_no_project_waiting_that_is_served(
    store: CountingStore, held: Projects, clock: Clock
) -> None:
    await held.load(PROJECT)
    clock.now += module.REFRESH_SECONDS
    busy, most, gate = 0, 0, asyncio.Event()
    ask = store.tenant_of

    async def slowly(project: ProjectId) -> TenantId | None:
        nonlocal busy, most
        if project == PROJECT:
            return await ask(project)
        busy += 1
        most = max(most, busy)
        await gate.wait()
        busy -= 1
        return None

    store.tenant_of = slowly  # type: ignore[method-assign]  # a store that takes its time with strangers
    letters = str.maketrans("0123456789", "abcdefghij")
    scan = [asyncio.ensure_future(held.load("p_" + f"{n:020d}".translate(letters))) for n in range(1, 501)]
    await asyncio.sleep(0)
    assert (await asyncio.wait_for(held.load(PROJECT), 1)).project.id == PROJECT
    gate.set()
    outcomes = await asyncio.gather(*scan, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {NotFoundError}
    assert 0 < most <= module.FIRST_READS


async def test_a_change_during_a_reading_is_not_lost(held: Projects, store: CountingStore) -> None:
    store.gate.clear()
    before = asyncio.create_task(held.load(PROJECT))
    await asyncio.sleep(0.01)
    held.forget(PROJECT)
    after = asyncio.create_task(held.load(PROJECT))
    store.gate.set()
    old, new = await before, await after
    assert old is not new
    assert held.fresh(PROJECT) is new


async def test_a_caller_that_leaves_leaves_the_others_their_reading(held: Projects, store: CountingStore) -> None:
    store.gate.clear()
    first, second = (asyncio.create_task(held.load(PROJECT)) for _ in range(2))
    await asyncio.sleep(0.01)
    first.cancel()
    store.gate.set()
    assert (await second).project.id == PROJECT
    assert first.cancelled()


async def test_an_unknown_project_is_asked_for_once_in_five_seconds(
    held: Projects, store: CountingStore, clock: Clock
) -> None:
    for _ in range(3):
        with pytest.raises(NotFoundError):
            await held.load(OTHER)
    assert store.asked == [OTHER]
    clock.now += 5
    with pytest.raises(NotFoundError):
        await held.load(OTHER)
    assert store.asked == [OTHER, OTHER]


async def test_a_project_that_comes_is_served_once_it_is_heard_of(held: Projects, store: CountingStore) -> None:
    await store.change(enabled=False)
    with pytest.raises(NotFoundError):
        await held.load(PROJECT)
    await store.change(enabled=True)
    held.forget(PROJECT)
    assert (await held.load(PROJECT)).project.enabled


@pytest.mark.parametrize("text", ["", "shop", "p_UPPER", "p_" + "a" * 60_000, "../etc", "p_\x00"])
async def test_what_is_no_id_costs_no_question_and_no_memory(held: Projects, store: CountingStore, text: str) -> None:
    with pytest.raises(NotFoundError):
        await held.load(text)
    assert held.fresh(text) is None
    assert (store.asked, held._unknown) == ([], {})


async def test_a_disabled_project_is_dropped_at_its_next_reading(
    held: Projects, store: CountingStore, clock: Clock
) -> None:
    await held.load(PROJECT)
    await store.change(enabled=False)
    clock.now += 30
    with pytest.raises(NotFoundError):
        await held.load(PROJECT)
    store.reachable = False
    clock.now += 5
    with pytest.raises(BackendUnavailableError):
        await held.load(PROJECT)


async def test_a_project_that_vanishes_between_two_questions_is_unknown(held: Projects, store: CountingStore) -> None:
    store.gone.add(OTHER)
    with pytest.raises(NotFoundError):
        await held.load(OTHER)


async def test_without_a_store_what_is_held_serves_for_five_seconds(
    held: Projects, store: CountingStore, clock: Clock
) -> None:  # contracts 10
    snapshot = await held.load(PROJECT)
    store.reachable = False
    clock.now += 30
    assert await held.load(PROJECT) is snapshot
    clock.now += 4.9
    assert await held.load(PROJECT) is snapshot
    clock.now += 0.1
    with pytest.raises(BackendUnavailableError):
        await held.load(PROJECT)
    with pytest.raises(BackendUnavailableError):
        await held.load(OTHER)
    store.reachable = True
    again = await held.load(PROJECT)
    assert held.fresh(PROJECT) is again
    store.reachable = False
    clock.now += 30
    assert await held.load(PROJECT) is again


async def test_who_heard_nothing_for_long_serves_nothing_that_is_as_old_without_a_store(
    held: Projects, store: CountingStore, clock: Clock
) -> None:
    snapshot = await held.load(PROJECT)
    held.hear(is_heard=True)
    clock.now += 3600
    store.reachable = False
    held.hear(is_heard=False)
    clock.now += 34.9
    held.hear(is_heard=False)
    assert await held.load(PROJECT) is snapshot
    clock.now += 0.1
    with pytest.raises(BackendUnavailableError):
        await held.load(PROJECT)
    store.reachable = True
    again = await held.load(PROJECT)
    store.reachable = False
    clock.now += 34.9
    assert await held.load(PROJECT) is again
    clock.now += 0.1
    with pytest.raises(BackendUnavailableError):
        await held.load(PROJECT)


async def test_the_number_of_projects_held_is_bounded(
    store: CountingStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = snapshots(store, clock, most=1)
    monkeypatch.setattr(module, "MAX_UNKNOWN", 2)
    async with store.tenant(ACME) as rows:
        await rows.insert(Project(id=OTHER, name="blog", created=NOW, enabled=True))
    await held.load(PROJECT)
    await held.load(OTHER)
    assert held.fresh(PROJECT) is None
    assert held.fresh(OTHER) is not None
    scanned = [ProjectId("p_" + letter * 20) for letter in "cde"]
    for project in scanned:
        with pytest.raises(NotFoundError):
            await held.load(project)
    assert [*held._unknown] == scanned[1:]


async def test_http_origins_count_in_development_only(store: CountingStore, clock: Clock) -> None:
    async with store.tenant(ACME) as rows:
        for origin in (APP, "http://localhost:5173"):
            await rows.insert(AllowedOrigin(project=PROJECT, origin=origin, created=NOW))  # type: ignore[arg-type]  # as parsed
    for development, count in ((True, 2), (False, 1)):
        fresh = snapshots(store, clock, development=development)
        assert len((await fresh.load(PROJECT)).origins) == count


async def test_a_route_that_fits_no_more_takes_no_project_down(store: CountingStore, clock: Clock) -> None:
    async with store.tenant(ACME) as rows:
        large = AddedRoute(project=PROJECT, route=replace(WEATHER, name="large", max_body_bytes=2048), created=NOW)
        await rows.insert(large)
        small = AddedRoute(project=PROJECT, route=replace(WEATHER, name="small", max_body_bytes=512), created=NOW)
        await rows.insert(small)
    lowered = snapshots(store, clock, body_limit=1024)
    assert b"large" not in (await lowered.load(PROJECT)).routes
    assert b"small" in (await lowered.load(PROJECT)).routes


async def put(store: MemoryStore, owner: TenantId, project: ProjectId) -> None:
    async with store.tenant(owner) as rows:
        await rows.insert(Tenant(id=owner, created=NOW, wrapped_secret=b"", wrapped_pseudonym_key=b""))
        await rows.insert(Project(id=project, name="shop", created=NOW, enabled=True))


async def test_damaged_data_closes_its_own_project_at_once_and_is_told_once(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    store = DamagedStore()
    await put(store, ACME, PROJECT)
    await put(store, TenantId("beta"), OTHER)
    held = snapshots(store, clock)
    for times in (1, 2):
        assert (await held.load(PROJECT)).project.id == PROJECT
        store.damaged = {ACME}
        clock.now += 30
        for _ in range(20):
            with pytest.raises(BackendUnavailableError):
                await held.load(PROJECT)
            assert held.fresh(PROJECT) is None
            assert (await held.load(OTHER)).project.id == OTHER
            clock.now += 1
        assert len(caplog.messages) == times
        store.damaged = set()
        clock.now += 5
    assert caplog.messages[0].startswith(
        f"the gate of the project {PROJECT} is closed: a stored record of the tenant 'acme' cannot be read"
    )


@pytest.mark.parametrize("forgotten", [PROJECT, None])
async def test_a_project_that_was_mended_is_served_once_it_is_heard_of(
    clock: Clock, forgotten: ProjectId | None
) -> None:
    store = DamagedStore()
    await put(store, ACME, PROJECT)
    held = snapshots(store, clock)
    store.damaged = {ACME}
    with pytest.raises(BackendUnavailableError):
        await held.load(PROJECT)
    store.damaged = set()
    with pytest.raises(BackendUnavailableError):
        await held.load(PROJECT)
    held.forget(forgotten)
    assert (await held.load(PROJECT)).project.id == PROJECT
