"""Whatever fails in whatever order, each alert arrives at each sink, and nothing is sent that was not filed."""

import asyncio
from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from alert_house import ACME, GLOBEX, Sink, alert, filed, waiting
from apikeychain.alerts import outbox
from apikeychain.alerts.delivery import LEASE, LEASE_SECONDS, Delivery
from apikeychain.backends.memory_store import MemoryStore
from apikeychain.errors import BackendUnavailableError
from apikeychain.model.ids import TenantId
from still_clock import StillClock

_SINKS = ("first", "second", "third")
_TENANTS = st.sampled_from([ACME, GLOBEX])


class Alerts(RuleBasedStateMachine):
    """Two workers, three sinks, and a store that goes in the middle of anything."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock, self.store = StillClock(), MemoryStore()
        self.sinks = {name: Sink() for name in _SINKS}
        self.stores = [self.store, self.store.sibling()]
        self.workers = [self.worker(number) for number in range(2)]
        self.filed: set[str] = set()
        self.announced: list[TenantId] = []
        self.dead: list[MemoryStore] = []

    def worker(self, number: int) -> Delivery:
        return Delivery(self.stores[number], dict(self.sinks), now=self.clock.now, clock=self.clock.seconds)

    @rule(tenant=_TENANTS, each=st.integers(1, 3))
    def file(self, tenant: TenantId, each: int) -> None:
        self.filed |= {*self.loop.run_until_complete(filed(self.store, self.clock.now(), tenant, each=each))}

    @rule(tenant=_TENANTS)
    def announce(self, tenant: TenantId) -> None:
        self.loop.run_until_complete(outbox.announce(self.store, tenant, self.clock.now()))
        self.announced.append(tenant)

    @precondition(lambda self: self.announced)
    @rule()
    def file_what_was_announced(self) -> None:
        self.filed.add(self.loop.run_until_complete(self._file(self.announced.pop())))

    async def _file(self, tenant: TenantId) -> str:
        async with self.store.tenant(tenant) as records:
            return (await outbox.file(records, alert(tenant, self.clock.now()))).alert.id

    @rule(name=st.sampled_from(_SINKS), faults=st.lists(st.sampled_from(["down", "bug", "taken"]), max_size=4))
    def break_sink(self, name: str, faults: list[str]) -> None:
        of = {"down": BackendUnavailableError("it was pulled"), "bug": ValueError("a bug"), "taken": None}
        self.sinks[name].faults = [of[fault] for fault in faults]

    @rule(name=st.sampled_from(_SINKS), is_down=st.booleans())
    def pull(self, name: str, is_down: bool) -> None:
        self.sinks[name].is_down = is_down

    @rule(number=st.integers(0, 1), turns=st.integers(0, 12), dies=st.booleans(), goes=st.booleans())
    def look(self, number: int, turns: int, dies: bool, goes: bool) -> None:
        """A worker looks; after so many turns of the loop it is killed, or the store goes."""
        self.loop.run_until_complete(self._look(number, turns, dies, goes))

    async def _look(self, number: int, turns: int, dies: bool, goes: bool) -> None:
        worker = self.workers[number]
        await worker.look()
        if dies or goes:
            for _ in range(turns):
                await asyncio.sleep(0)
        if dies:
            for task in worker._visits.values():
                task.cancel()
            self.dead.append(self.stores[number])
            self.stores[number] = self.store.sibling()
            self.workers[number] = self.worker(number)
        self.store.reachable = not goes
        await worker.settled()
        self.store.reachable = True

    @rule(seconds=st.sampled_from([0.5, 1, 10, 60]))
    def wait(self, seconds: float) -> None:
        # A store that is announced in is stored in within minutes.
        self.announced = [] if seconds == 60 else self.announced
        self.clock.go_on(seconds)
        self.loop.run_until_complete(self._end_leases())

    async def _end_leases(self) -> None:
        """Those of the dead end by themselves, by the clock of the store, which does not stand still."""
        for store in self.dead:
            for tenant in (ACME, GLOBEX):
                async with store.tenant(tenant) as records:
                    await records.lease(LEASE, 0)

    @invariant()
    def nothing_else_arrives(self) -> None:
        for sink in self.sinks.values():
            assert {*sink.taken} <= self.filed

    def teardown(self) -> None:
        try:
            for sink in self.sinks.values():
                sink.faults, sink.is_down = [], False
            self.loop.run_until_complete(self._until_all_arrived())
            for sink in self.sinks.values():
                assert {*Counter(sink.taken)} == self.filed
        finally:
            self.loop.close()

    async def _until_all_arrived(self) -> None:
        await self._end_leases()
        for _ in range(60):
            for worker in self.workers:
                await worker.look()
                await worker.settled()
            if not [each for tenant in (ACME, GLOBEX) for each in await waiting(self.store, tenant)]:
                return
            self.clock.go_on(LEASE_SECONDS)
        raise AssertionError(await waiting(self.store))


TestAlerts = Alerts.TestCase
TestAlerts.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
