"""Whatever is done to both, the memory store and the SQLite store say the same."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from apikeychain.backends.memory_store import MemoryStore
from apikeychain.backends.sql import SQLStore
from apikeychain.errors import ManagementError
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.records import KINDS, Key, ProjectName, Record
from apikeychain.model.suspension import Suspension
from apikeychain.ports.store import Store, TenantStore
from apikeychain.testing.chains import chain
from apikeychain.testing.records import ACME, GLOBEX, NOW, draft, project, tenant

_PROJECTS = tuple(ProjectId("p_" + letter * 20) for letter in "ab")
_TENANTS = st.sampled_from((ACME, GLOBEX))
_WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=3)
_GENERATIONS = st.integers(1, 3)
_RECORDS: st.SearchStrategy[Record] = st.one_of(
    st.builds(ProjectName, name=_WORDS, project=st.sampled_from(_PROJECTS), generation=_GENERATIONS),
    st.builds(
        Suspension,
        project=st.just(_PROJECTS[0]),
        scope=st.sampled_from(("caller", "route")),
        value=_WORDS,
        reason=st.text(max_size=5),
        created=st.just(NOW),
        generation=_GENERATIONS,
    ),
)
Deed = Callable[[TenantStore], Awaitable[object]]


class Twins(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._runner = asyncio.Runner()
        self._sql = SQLStore.sqlite(Path(self._folder.name, "keychain.db"))
        self._stores: Sequence[Store] = (MemoryStore(), self._sql)

    def teardown(self) -> None:
        self._runner.run(self._sql.__aexit__())
        self._runner.close()
        self._folder.cleanup()

    @initialize()
    def stock(self) -> None:
        self._runner.run(self._enter())
        for record in (tenant(ACME), *(project(of) for of in _PROJECTS)):
            self.insert(record)
        self._both(GLOBEX, lambda store: store.insert(tenant(GLOBEX)))

    @rule(record=_RECORDS)
    def insert(self, record: Record) -> None:
        self._both(ACME, lambda store: store.insert(record))

    @rule(record=_RECORDS, generation=_GENERATIONS)
    def replace(self, record: Record, generation: int) -> None:
        self._both(ACME, lambda store: store.replace(replace(record, generation=generation + 1), generation))

    @rule(owner=_TENANTS, record=_RECORDS, generation=_GENERATIONS)
    def remove(self, owner: TenantId, record: Record, generation: int) -> None:
        self._both(owner, lambda store: store.remove(type(record), record.key, generation))

    @rule(owner=_TENANTS, count=st.integers(0, 3))
    def append(self, owner: TenantId, count: int) -> None:
        self._both(owner, lambda store: store.append([draft(number) for number in range(count)]))

    @rule(owner=_TENANTS, name=_WORDS)
    def lease(self, owner: TenantId, name: str) -> None:
        self._both(owner, lambda store: store.lease(name, 60))

    @rule(
        kind=st.sampled_from(tuple(KINDS.values())),
        after=st.lists(st.one_of(_WORDS, st.sampled_from(_PROJECTS)), max_size=4).map(tuple),
        limit=st.integers(0, 4),
    )
    def list(self, kind: type[Record], after: Key, limit: int) -> None:
        self._both(ACME, lambda store: store.list(kind, after, limit))

    @rule(record=_RECORDS)
    def begin_and_break(self, record: Record) -> None:
        async def deed(store: TenantStore) -> None:
            await store.append([draft(1)])
            await store.insert(record)
            msg = "on purpose"
            raise ManagementError(msg)

        self._both(ACME, deed)

    @invariant()
    def they_have_the_same(self) -> None:
        memory, sql = (self._runner.run(_everything(store)) for store in self._stores)
        assert memory == sql

    async def _enter(self) -> None:
        await self._sql.__aenter__()

    def _both(self, owner: TenantId, deed: Deed) -> None:
        memory, sql = (self._runner.run(_outcome(store, owner, deed)) for store in self._stores)
        assert memory == sql


async def _outcome(store: Store, owner: TenantId, deed: Deed) -> object:
    """What came of the deed: a value, or the class of the error."""
    try:
        async with store.tenant(owner) as one:
            value = await deed(one)
            return list(value) if isinstance(value, Sequence) else value
    except ManagementError as error:
        return type(error)


async def _everything(store: Store) -> object:
    found: list[object] = [list(await store.tenants("", 100))]
    for owner in (ACME, GLOBEX):
        async with store.tenant(owner) as one:
            found += [list(await one.list(kind, (), 1000)) for kind in KINDS.values()]
        found.append(list(await chain(store, owner)))
    return found


Twins.TestCase.settings = settings(max_examples=10, stateful_step_count=12, deadline=None)
TestTwins = Twins.TestCase
