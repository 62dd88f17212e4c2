"""The delivery of alerts: whatever is down, hangs or was damaged, each alert arrives at each sink."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from alert_house import ACME, DOWN, GLOBEX, Sink, alert, errands, filed, waiting
from apikeychain.alerts import delivery as module
from apikeychain.alerts import outbox
from apikeychain.alerts.delivery import Delivery
from apikeychain.alerts.outlet import Outlet
from apikeychain.backends.memory_store import MemoryStore, MemoryTenantReader
from apikeychain.model.alert import Alert, OutgoingAlert
from apikeychain.model.errand import STORING
from apikeychain.model.ids import TenantId
from apikeychain.ports.alert_sink import AlertSink
from apikeychain.ports.store import Store
from apikeychain.testing.eventually import until
from damaged_store import DamagedStore
from still_clock import StillClock

MANY = [TenantId(f"t{number:03}") for number in range(60)]


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def delivery(store: Store, clock: StillClock, seconds: float = 30.0, **sinks: AlertSink) -> Delivery:
    return Delivery(store, sinks, now=clock.now, seconds=seconds)


async def deliver(one: Delivery) -> None:
    """One look, and all that comes of it."""
    await one.look()
    await one.settled()


async def deliver_until_sent(one: Delivery, store: Store, clock: StillClock, *tenants: TenantId) -> int:
    """Looks until nothing waits: how many, with an hour in between."""
    for looks in range(1, 50):
        await deliver(one)
        if not [each for tenant in tenants or (ACME,) for each in await waiting(store, tenant)]:
            return looks
        clock.go_on(3600)
    raise AssertionError(await waiting(store))


async def test_an_alert_goes_to_every_sink_once_and_is_gone(store: MemoryStore, clock: StillClock) -> None:
    first, second, one = Sink(), Sink(), await filed(store, clock.now())
    by = delivery(store, clock, first=first, second=second)
    await deliver(by)
    await deliver(by)
    assert first.taken == second.taken == one
    assert await waiting(store) == []


async def test_nothing_is_asked_of_a_tenant_that_has_nothing_to_say(store: MemoryStore, clock: StillClock) -> None:
    await filed(store, clock.now())
    by = delivery(store, clock, log=Sink())
    await deliver(by)
    (errand,) = await errands(store)
    assert errand.due == clock.now() + timedelta(seconds=1)
    while left := await errands(store):
        clock.moment = max(left[0].due, clock.moment)
        await deliver(by)
    assert clock.now() >= errand.last + STORING


async def test_an_alert_that_is_stored_long_after_it_was_announced_arrives(
    store: MemoryStore, clock: StillClock
) -> None:
    """Whoever stores it may be slow, and die as soon as it is stored."""
    sink = Sink()
    by = delivery(store, clock, log=sink)
    await outbox.announce(store, ACME, clock.now())
    for _ in range(200):
        await deliver(by)
        clock.go_on(1)
    async with store.tenant(ACME) as records:
        stored = await outbox.file(records, alert(at=clock.now()))
    clock.go_on(600)
    await deliver(by)
    assert sink.taken == [stored.alert.id]


async def test_one_that_is_not_due_yet_waits_for_its_moment(store: MemoryStore, clock: StillClock) -> None:
    sink = Sink()
    by = delivery(store, clock, log=sink)
    await outbox.announce(store, ACME, clock.now())
    async with store.tenant(ACME) as records:
        await outbox.file(records, alert(at=clock.now()), after=clock.now() + timedelta(seconds=60))
    await deliver(by)
    assert sink.asked == 0
    clock.go_on(60)
    await deliver(by)
    assert len(sink.taken) == 1


async def test_a_sink_that_is_down_keeps_no_other_waiting_and_gets_all_later(
    store: MemoryStore, clock: StillClock, caplog: pytest.LogCaptureFixture
) -> None:
    down, up, ids = Sink(is_down=True), Sink(), await filed(store, clock.now(), ACME, GLOBEX, each=3)
    by = delivery(store, clock, down=down, up=up)
    await deliver(by)
    assert sorted(up.taken) == sorted(ids)
    assert {each.sent for each in await waiting(store)} == {("up",)}
    clock.go_on(3600)
    await deliver(by)
    assert {each.attempts for each in await waiting(store)} == {2}
    down.is_down = False
    clock.go_on(3600)
    await deliver(by)
    assert sorted(down.taken) == sorted(up.taken) == sorted(ids)
    assert await waiting(store) == []
    told = [record.message for record in caplog.records if record.name == "apikeychain.alerts"]
    assert told == [
        f"the alert sink 'down' does not take alerts now, they wait: {DOWN}",
        "the alert sink 'down' takes alerts again",
    ]


async def test_what_was_not_taken_waits_longer_each_time_up_to_an_hour(store: MemoryStore, clock: StillClock) -> None:
    await filed(store, clock.now())
    by = delivery(store, clock, down=Sink(is_down=True))
    pauses: list[float] = []
    for _ in range(16):
        await deliver(by)
        (left,) = await waiting(store)
        pauses.append((left.after - clock.now()).total_seconds())
        clock.moment = left.after
    for number, pause in enumerate(pauses):
        assert min(2**number, 3600) / 2 <= pause <= min(2**number, 3600)
    assert len(set(pauses)) == len(pauses)


async def test_a_sink_that_breaks_is_told_without_its_text(
    store: MemoryStore, clock: StillClock, caplog: pytest.LogCaptureFixture
) -> None:
    sink, ids = Sink(faults=[ValueError("a-text-of-the-sink")]), await filed(store, clock.now())
    assert await deliver_until_sent(delivery(store, clock, log=sink), store, clock) == 2
    assert sink.taken == ids
    assert "the alert sink 'log' does not take alerts now, they wait: it failed with ValueError" in caplog.text
    assert "a-text-of-the-sink" not in caplog.text


async def test_one_alert_that_is_never_taken_keeps_no_other_waiting(store: MemoryStore, clock: StillClock) -> None:
    ids = await filed(store, clock.now(), each=40)
    sink = Sink(refused={ids[7]})
    by = delivery(store, clock, log=sink)
    await deliver(by)
    assert sorted(sink.taken) == sorted({*ids} - {ids[7]})
    assert [each.alert.id for each in await waiting(store)] == [ids[7]]


async def test_a_sink_that_hangs_holds_up_nobody_for_longer_than_its_time(
    store: MemoryStore, clock: StillClock
) -> None:
    """Of 60 tenants with 3 alerts each: without the guard it would hold up the last for many times its seconds."""
    hanging, up = Sink(), Sink()
    hanging.passing.clear()
    ids = await filed(store, clock.now(), *MANY, each=3)
    by = delivery(store, clock, seconds=0.2, hanging=hanging, up=up)
    began = asyncio.get_running_loop().time()
    await by.look()
    await until(lambda: len(up.taken) == len(ids))
    spent = asyncio.get_running_loop().time() - began
    # Those of 16 tenants at most wait with it when it begins to hang, and one at a time from then on.
    assert hanging.most <= 16 * 3
    assert hanging.asked <= 16 * 3 + spent / 0.2 + 2
    hanging.passing.set()
    await by.settled()
    await deliver_until_sent(by, store, clock, *MANY)
    assert {*hanging.taken} == {*up.taken} == {*ids}


async def test_a_sink_that_does_not_let_go_is_not_asked_again_before_it_does(
    store: MemoryStore, clock: StillClock
) -> None:
    class Deaf(Sink):
        """It does not hear that it is to end."""

        async def send(self, alert: object) -> None:
            self.asked += 1
            while not self.passing.is_set():
                try:
                    await self.passing.wait()
                except asyncio.CancelledError:
                    continue

    deaf = Deaf()
    deaf.passing.clear()
    await filed(store, clock.now())
    by = delivery(store, clock, seconds=0.05, deaf=deaf)
    await deliver(by)
    clock.go_on(3600)
    await deliver(by)
    assert deaf.asked == 1
    deaf.passing.set()
    await asyncio.sleep(0)
    assert await deliver_until_sent(by, store, clock) == 2


async def test_a_sink_that_hangs_and_is_slow_to_let_go_is_asked_for_one_at_a_time_after_that() -> None:
    class Slow(Sink):
        """It hears late that it is to end."""

        async def send(self, alert: Alert) -> None:
            try:
                await super().send(alert)
            except asyncio.CancelledError:
                await leaving.wait()

    slow, leaving = Slow(), asyncio.Event()
    slow.passing.clear()
    outlet = Outlet("slow", slow, 0.05)
    assert await outlet.send(alert()) == "no answer within 0.05 s"
    assert await outlet.send(alert()) == "it has not come back from what it was asked before"
    leaving.set()
    await asyncio.sleep(0)
    came = await asyncio.gather(*(outlet.send(alert()) for _ in range(10)))
    assert sorted(came) == ["it has not come back from another alert"] * 9 + ["no answer within 0.05 s"]
    assert slow.asked == 2


async def test_an_alert_that_cannot_be_read_is_told_once_and_looked_at_every_hour(
    clock: StillClock, caplog: pytest.LogCaptureFixture
) -> None:
    store, sink = DamagedStore(), Sink()
    ids = await filed(store, clock.now(), ACME, GLOBEX)
    store.damaged = {ACME}
    by = delivery(store, clock, log=sink)
    for _ in range(3):
        await deliver(by)
        clock.go_on(1)
    assert sink.taken == ids[1:]
    assert caplog.text.count("alerts of acme wait: ") == 1
    store.damaged = set()
    await deliver_until_sent(by, store, clock)
    assert sorted(sink.taken) == sorted(ids)


async def test_the_store_may_be_down(
    store: MemoryStore, clock: StillClock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    sink, ids = Sink(), await filed(store, clock.now())
    store.reachable = False
    async with running(delivery(store, clock, log=sink)) as task:
        await until(lambda: "alerts wait: the store does not answer" in caplog.text)
        store.reachable = True
        await until(lambda: sink.taken == ids)
        assert not task.done()
    assert caplog.text.count("alerts wait") == 1


async def test_a_store_that_goes_between_sending_and_noting_gets_the_same_id_sent_again(
    store: MemoryStore, clock: StillClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Pulling(Sink):
        async def send(self, alert: object) -> None:
            await super().send(alert)  # type: ignore[arg-type]  # an alert
            store.reachable = False

    pulling, other, ids = Pulling(), Sink(), await filed(store, clock.now())
    by = delivery(store, clock, pulling=pulling, other=other)
    await deliver(by)
    assert "alerts of acme wait: the store does not answer" in caplog.text
    store.reachable = True
    clock.go_on(module.LEASE_SECONDS)
    await deliver(by)
    store.reachable = True
    assert pulling.taken == ids * 2


async def test_whatever_breaks_ends_no_delivery(clock: StillClock, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(MemoryStore):
        breaks = True

        @asynccontextmanager
        async def reading(self, tenant: TenantId) -> AsyncGenerator[MemoryTenantReader, None]:
            if self.breaks:
                raise ValueError(text)
            async with super().reading(tenant) as rows:
                yield rows

    text = "a-text-of-the-store"
    store, sink = Broken(), Sink()
    await filed(store, clock.now())
    by = delivery(store, clock, log=sink)
    await deliver(by)
    await deliver(by)
    assert caplog.text.count("alerts wait: there is a fault") == 1
    assert text not in caplog.text
    store.breaks = False
    await deliver(by)
    assert len(sink.taken) == 1


async def test_two_workers_at_once_send_each_alert_once(store: MemoryStore, clock: StillClock) -> None:
    sinks = [Sink(), Sink()]
    ids = await filed(store, clock.now(), *MANY[:10], each=2)
    workers = [delivery(each, clock, first=sinks[0], second=sinks[1]) for each in (store, store.sibling())]
    # Nothing is sent before both would send.
    sinks[0].passing.clear()
    for worker in workers:
        await worker.look()
    for _ in range(1000):
        await asyncio.sleep(0)
    assert sorted(sinks[1].taken) == sorted(ids)
    assert sinks[0].waits == len(ids)
    # Who has no turn leaves the agenda as it is.
    assert {errand.generation for errand in await errands(store)} == {1}
    sinks[0].passing.set()
    for _ in range(5):
        await asyncio.gather(*map(deliver, workers))
        clock.go_on(1)
    for sink in sinks:
        assert sorted(sink.taken) == sorted(ids)


async def test_who_lost_the_turn_leaves_what_is_left_to_the_other(
    store: MemoryStore, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RENEW_SECONDS", 0.0)
    monkeypatch.setattr(module, "_ALERTS", 1)
    sibling = store.sibling()

    class Stealing(Sink):
        async def send(self, alert: object) -> None:
            async with store.tenant(ACME) as records:
                await records.lease(module.LEASE, 0)
            async with sibling.tenant(ACME) as records:
                assert await records.lease(module.LEASE, 60)
            await super().send(alert)  # type: ignore[arg-type]  # an alert

    sink, ids = Stealing(), await filed(store, clock.now(), each=3)
    await deliver(delivery(store, clock, log=sink))
    assert len(sink.taken) == 1
    other = Sink()
    clock.go_on(1)
    await deliver(delivery(sibling, clock, log=other))
    assert sorted(sink.taken + other.taken) == sorted(ids)


async def test_what_another_worker_noted_meanwhile_is_left_to_it(store: MemoryStore, clock: StillClock) -> None:
    class Noting(Sink):
        async def send(self, alert: object) -> None:
            await super().send(alert)  # type: ignore[arg-type]  # an alert
            (left,) = await waiting(store)
            async with store.tenant(ACME) as records:
                await records.remove(OutgoingAlert, left.key, left.generation)

    sink = Noting()
    await filed(store, clock.now())
    by = delivery(store, clock, log=sink)
    await deliver(by)
    clock.go_on(3600)
    await deliver(by)
    assert len(sink.taken) == 1


async def test_an_alert_that_is_noted_while_others_are_sent_is_not_forgotten(
    store: MemoryStore, clock: StillClock
) -> None:
    sink = Sink()
    sink.passing.clear()
    first = await filed(store, clock.now())
    by = delivery(store, clock, log=sink)
    await by.look()
    await until(lambda: sink.waits == 1)
    await by.look()
    second = await filed(store, clock.now())
    sink.passing.set()
    await by.settled()
    await deliver(by)
    assert sink.taken == first + second


async def test_closing_waits_for_no_sink(
    store: MemoryStore, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    sink, ids = Sink(), await filed(store, clock.now())
    sink.passing.clear()
    async with running(delivery(store, clock, log=sink)):
        await until(lambda: sink.waits == 1)
    assert sink.waits == 0
    assert [each.alert.id for each in await waiting(store)] == ids
    sink.passing.set()
    await deliver(delivery(store.sibling(), clock, log=sink))
    assert sink.taken == ids


async def test_a_sink_that_is_no_longer_configured_is_not_waited_for(store: MemoryStore, clock: StillClock) -> None:
    await filed(store, clock.now())
    await deliver(delivery(store, clock, old=Sink(), gone=Sink(is_down=True)))
    assert [each.sent for each in await waiting(store)] == [("old",)]
    clock.go_on(3600)
    await deliver(delivery(store, clock, old=(old := Sink())))
    assert (old.taken, await waiting(store)) == ([], [])


@asynccontextmanager
async def running(one: Delivery) -> AsyncGenerator["asyncio.Task[None]", None]:
    task = asyncio.create_task(one.run())
    yield task
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_settled_returns_where_nothing_is_under_way(store: MemoryStore, clock: StillClock) -> None:
    await delivery(store, clock).settled()
