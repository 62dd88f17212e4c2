"""The engine takes a secret from one key to the next, says so, and tells somebody where it cannot."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from apikeychain import Provider, Secret, agenda
from apikeychain.agenda import due
from apikeychain.alerts.outbox import TOPIC as ALERTS
from apikeychain.errors import BackendUnavailableError, ConflictError, DoesNotExistError, InvalidValueError
from apikeychain.model.errand import Errand
from apikeychain.model.provider import HeaderCredential
from apikeychain.model.rotators import ManualRotation
from apikeychain.ports.rotator import NewKey, Order
from apikeychain.rotation import asking, engine
from apikeychain.rotation.engine import TOPIC
from apikeychain.rotation.page import Page
from apikeychain.rules.chain import PLATFORM
from apikeychain.testing.eventually import until
from management import data, entries, kinds
from rotation_house import SECRET, Fuse, KilledError, ModelRotator, RotationHouse, house_of
from telemetry_heard import amounts


class Bent(ModelRotator):
    """A rotator of which one deed is another's."""

    def __init__(self, house: RotationHouse, **deeds: Callable[..., Awaitable[Any]]) -> None:
        super().__init__(house.provider, Fuse())
        for name, deed in deeds.items():
            setattr(self, name, deed)


async def test_a_key_is_made_tried_and_switched_to_and_the_one_before_ends_after_an_hour(house: RotationHouse) -> None:
    first = await house.serving()
    await house.attend()
    assert await house.states() == ["current"]
    rotation = await house.due()
    known = len(await kinds(house.acme))
    await house.attend()
    assert await house.states() == ["retiring", "current"]
    second = await house.serving()
    assert second != first
    assert {key.value for key in house.provider.alive()} == {first, second}
    house.clock.go_on(3599)
    await house.attend()
    assert await house.states() == ["retiring", "current"]
    house.clock.go_on(1)
    await house.attend()
    assert await house.states() == ["revoked", "current"]
    assert [key.value for key in house.provider.alive()] == [second]
    assert (await kinds(house.acme))[known:] == [
        "rotation.started",
        "rotation.created",
        "rotation.verified",
        "secret.put",
        "rotation.switched",
        "rotation.revoked",
    ]
    scene = await house.scene()
    assert scene.sealed.version == 2
    assert scene.sealed.fingerprint == scene.keys[1].fingerprint
    assert scene.rotation.due - rotation.due == timedelta(hours=72 * 0.95)
    assert data((await entries(house.acme))[-1])["id"] == "key-1"
    assert house.announced == [house.shop.id]
    assert await house.alerts() == []


async def test_turn_after_turn_leaves_one_record_that_is_revoked(house: RotationHouse) -> None:
    for _ in range(4):
        await house.shop.rotate(SECRET)
        await house.attend()
        house.clock.go_on(3600)
        await house.attend()
    assert await house.states() == ["revoked", "current"]
    assert len(house.provider.alive()) == 1


async def test_a_compromised_key_ends_after_a_minute_and_those_before_it_too(house: RotationHouse) -> None:
    await house.shop.rotate(SECRET)
    await house.attend()
    await house.shop.rotate(SECRET, reason="compromised")
    await house.attend()
    assert await house.states() == ["retiring", "retiring", "current"]
    house.clock.go_on(60)
    await house.attend()
    assert await house.states() == ["revoked", "current"]
    assert len(house.provider.alive()) == 1


async def test_a_provider_that_makes_no_key_is_told_of_and_asked_again_later(house: RotationHouse) -> None:
    first = await house.serving()
    await house.shop.rotate(SECRET, reason="compromised")
    for hours in (1, 2):
        house.provider.faults = ["refuses"]
        await house.attend()
        assert await house.states() == ["current"]
        [info] = await house.shop.rotations()
        assert info.due - house.clock.now() == timedelta(hours=hours)
        assert info.failure == "the provider refused to create"
        house.clock.go_on(hours * 3600)
    alerts = await house.alerts()
    assert {(alert.topic, alert.severity) for alert in alerts} == {("rotation.refused", "critical")}
    assert len(alerts) == 2
    assert all("label 'apikeychain-p-" in alert.todo for alert in alerts)
    assert (await kinds(house.acme)).count("rotation.refused") == 2
    assert await due(house.store, ALERTS, house.clock.now())
    assert await house.serving() == first
    await house.attend()
    assert await house.states() == ["retiring", "current"]
    [info] = await house.shop.rotations()
    assert (info.failure, info.reason) == ("", "schedule")


async def test_a_new_key_that_the_provider_does_not_take_is_ended_and_told_of(house: RotationHouse) -> None:
    first = await house.serving()
    await house.shop.rotate(SECRET)
    house.provider.faults = ["", "refuses"]
    await house.attend()
    assert await house.states() == ["current", "revoked"]
    assert [key.value for key in house.provider.alive()] == [first]
    [alert] = await house.alerts()
    assert alert.severity == "warning"
    assert "is being revoked" in alert.done
    assert "'key-2'" in alert.done
    assert first not in str(alert)
    # By its value it is recognised, should somebody put it.
    assert [bool(key.sealed) for key in (await house.scene()).keys] == [False, True]


async def test_a_key_that_is_not_ended_is_told_of_once_and_tried_again(house: RotationHouse) -> None:
    await house.shop.rotate(SECRET)
    await house.attend()
    house.clock.go_on(3600)
    for _ in range(3):
        house.provider.faults = ["refuses"]
        await house.attend()
        assert await house.states() == ["retiring", "current"]
        house.clock.go_on(60)
    [alert] = await house.alerts()
    assert (alert.topic, alert.severity) == ("rotation.refused", "critical")
    assert "id 'key-1'" in alert.todo
    await house.attend()
    assert await house.states() == ["revoked", "current"]


@pytest.mark.parametrize("fault", ["away", "silent"])
async def test_silence_is_waited_out_and_told_of_at_the_fifth_attempt(house: RotationHouse, fault: str) -> None:
    await house.shop.rotate(SECRET)
    told: list[int] = []
    for _ in range(7):
        house.provider.faults = [fault]
        await house.attend()
        told.append(len(await house.alerts()))
        house.clock.go_on(200)
    assert told == [0, 0, 0, 0, 1, 1, 1]
    [alert] = await house.alerts()
    assert (alert.topic, (await kinds(house.acme)).count("rotation.failed")) == ("rotation.failed", 1)
    [info] = await house.shop.rotations()
    assert (info.is_turning, info.keys[1].attempts, info.failure != "") == (True, 7, True)
    await house.attend()
    house.clock.go_on(3600)
    await house.attend()
    assert await house.states() == ["revoked", "current"]
    assert len(house.provider.alive()) == 1


async def test_who_asks_for_a_turn_need_not_wait_for_the_next_attempt(house: RotationHouse) -> None:
    await house.shop.rotate(SECRET)
    house.provider.faults = ["away"]
    await house.attend()
    await house.attend()
    assert await house.states() == ["current", "pending"]
    await house.shop.rotate(SECRET, reason="compromised")
    await house.attend()
    assert await house.states() == ["retiring", "current"]
    assert (await house.scene()).keys[0].after - house.clock.now() == timedelta(seconds=60)


async def test_a_provider_that_takes_too_long_has_not_answered(
    house: RotationHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(_: Order) -> NewKey:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(asking, "VERB_SECONDS", 0.05)
    await house.shop.rotate(SECRET)
    await house.attend(house.worker(rotator=Bent(house, create=hang)))
    assert (await house.scene()).keys[1].failure == "the provider did not answer within 0.05 s"


async def test_a_rotator_that_breaks_breaks_nothing_and_its_text_goes_nowhere(
    house: RotationHouse, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_: Order) -> NewKey:
        msg = "a-text-with-a-key"
        raise ValueError(msg)

    await house.shop.rotate(SECRET)
    await house.attend(house.worker(rotator=Bent(house, create=broken)))
    key = (await house.scene()).keys[1]
    assert (key.state, key.failure) == ("pending", "the rotator broke with ValueError")
    assert "a-text-with-a-key" not in caplog.text


async def test_who_takes_over_asks_again_with_the_same_label(house: RotationHouse) -> None:
    orders: list[Order] = []

    async def create(order: Order) -> NewKey:
        orders.append(order)
        if len(orders) == 1:
            raise KilledError
        return await ModelRotator(house.provider, Fuse()).create(order)

    await house.shop.rotate(SECRET)
    with pytest.raises(KilledError):
        await house.attend(house.worker(rotator=Bent(house, create=create)))
    house.clock.go_on(engine.LEASE_SECONDS)
    await house.attend(house.worker(rotator=Bent(house, create=create)))
    assert [(order.label, order.again) for order in orders] == [(orders[0].label, False), (orders[0].label, True)]
    assert orders[0].known == ("key-1",)


async def test_one_worker_acts_at_a_time(house: RotationHouse) -> None:
    """The second finds the first asking, and leaves it alone."""
    is_asked, may_answer, asked = asyncio.Event(), asyncio.Event(), list[Order]()

    async def create(order: Order) -> NewKey:
        asked.append(order)
        is_asked.set()
        await may_answer.wait()
        return await ModelRotator(house.provider, Fuse()).create(order)

    await house.shop.rotate(SECRET)
    first, second = (house.worker(rotator=Bent(house, create=create)) for _ in range(2))
    turning = asyncio.create_task(house.attend(first))
    await is_asked.wait()
    await house.attend(second)
    # Nor does the same worker twice, which a lease does not keep from it.
    await house.attend(first)
    may_answer.set()
    await turning
    assert len(asked) == 1
    assert await house.states() == ["retiring", "current"]


async def test_a_key_of_whom_somebody_else_took_the_place_is_named_in_an_alert(house: RotationHouse) -> None:
    """A worker that was away for longer than its lease, and comes back with a key."""
    is_asked, may_answer = asyncio.Event(), asyncio.Event()

    async def create(order: Order) -> NewKey:
        is_asked.set()
        await may_answer.wait()
        return NewKey(key=Secret(house.provider.made("late").value), id="key-late")

    await house.shop.rotate(SECRET)
    turning = asyncio.create_task(house.attend(house.worker(rotator=Bent(house, create=create))))
    await is_asked.wait()
    house.clock.go_on(engine.LEASE_SECONDS)
    await house.attend()
    assert await house.states() == ["retiring", "current"]
    serving = await house.serving()
    may_answer.set()
    await turning
    assert await house.serving() == serving
    [alert] = await house.alerts()
    assert (alert.topic, "id 'key-late'" in alert.todo) == ("rotation.left", True)


async def test_a_late_key_that_the_other_worker_holds_too_is_no_news(monkeypatch: pytest.MonkeyPatch) -> None:
    is_asked, may_answer = asyncio.Event(), asyncio.Event()
    async with house_of(monkeypatch, idempotent=True) as house:

        async def create(order: Order) -> NewKey:
            is_asked.set()
            await may_answer.wait()
            return await ModelRotator(house.provider, Fuse()).create(order)

        await house.shop.rotate(SECRET)
        turning = asyncio.create_task(house.attend(house.worker(rotator=Bent(house, create=create))))
        await is_asked.wait()
        house.clock.go_on(engine.LEASE_SECONDS)
        await house.attend()
        may_answer.set()
        await turning
        assert await house.alerts() == []


async def test_a_key_for_a_rotation_that_was_removed_meanwhile_is_named(house: RotationHouse) -> None:
    async def create(order: Order) -> NewKey:
        await house.shop.remove_rotation(SECRET)
        return await ModelRotator(house.provider, Fuse()).create(order)

    await house.shop.rotate(SECRET)
    await house.attend(house.worker(rotator=Bent(house, create=create)))
    removed, left = sorted(await house.alerts(), key=lambda alert: "key-2" in alert.todo)
    assert "label 'apikeychain-" in removed.todo
    assert "id 'key-2'" in left.todo


async def test_what_is_put_by_hand_serves_and_the_key_that_was_being_made_is_ended(house: RotationHouse) -> None:
    by_hand = house.provider.made("by hand").value

    async def verify(_: Secret) -> None:
        await house.shop.put_secret(SECRET, Secret(by_hand), provider="weather")

    await house.shop.rotate(SECRET)
    await house.attend(house.worker(rotator=Bent(house, verify=verify)))
    assert await house.serving() == by_hand
    assert await house.states() == ["retiring", "revoked", "current"]
    [alert] = await house.alerts()
    assert alert.why == "the secret was put by hand meanwhile"
    house.clock.go_on(3600)
    await house.attend()
    assert [key.value for key in house.provider.alive()] == [by_hand]
    # Nobody said its id: it is asked for by hand once it is replaced.
    await house.shop.rotate(SECRET)
    await house.attend()
    house.clock.go_on(3600)
    await house.attend()
    ended = (await house.alerts())[-1]
    assert await house.states() == ["revoked", "current"]
    told = [alert for alert in await house.alerts() if alert.topic == "rotation.left"]
    assert ["put by hand" in alert.todo for alert in told] == [True], ended


async def test_a_wish_that_somebody_overtook_is_dropped(house: RotationHouse) -> None:
    await house.shop.rotate(SECRET)
    with pytest.raises(KilledError):
        await house.attend(house.worker(Fuse(5)))
    assert await house.states() == ["current", "pending"]
    by_hand = house.provider.made("by hand").value
    await house.shop.put_secret(SECRET, Secret(by_hand), provider="weather")
    house.clock.go_on(engine.LEASE_SECONDS)
    await house.attend()
    assert "pending" not in await house.states()
    assert "rotation.refused" in await kinds(house.acme)


async def test_a_key_that_no_longer_opens_for_its_provider_is_not_switched_to(house: RotationHouse) -> None:
    moved = Provider("weather", "https://other.example", HeaderCredential("x-api-key"))

    async def create(order: Order) -> NewKey:
        made = await ModelRotator(house.provider, Fuse()).create(order)
        asyncio.get_running_loop().call_soon(lambda: None)
        return made

    async def verify(_: Secret) -> None:
        await house.shop.register_provider(moved)

    await house.shop.rotate(SECRET)
    await house.attend(house.worker(rotator=Bent(house, create=create, verify=verify)))
    assert await house.states() == ["current", "revoked"]
    assert (await house.scene()).sealed.version == 1
    [alert] = await house.alerts()
    assert alert.why == "the new key does not open for the provider's address any more"


async def test_neither_is_one_that_does_not_open_before_it_is_tried(house: RotationHouse) -> None:
    moved = Provider("weather", "https://other.example", HeaderCredential("x-api-key"))
    await house.shop.rotate(SECRET)
    house.provider.faults = ["", "away"]
    await house.attend()
    assert await house.states() == ["current", "created"]
    await house.shop.register_provider(moved)
    house.clock.go_on(10)
    await house.attend()
    assert await house.states() == ["current", "revoked"]
    assert house.provider.asked["verify"] == 1


async def test_a_switch_is_stored_only_if_what_it_was_decided_by_is(house: RotationHouse) -> None:
    """The provider moves after the new key was opened for its address, and before it serves."""
    moved = Provider("weather", "https://other.example", HeaderCredential("x-api-key"))
    working = house.workshop(house.store.sibling(), ModelRotator(house.provider, Fuse()))
    open_secret, opened = type(working.vault).open_secret, list[Secret]()

    async def opening(*arguments: Any) -> Secret:
        secret = await open_secret(working.vault, *arguments)
        opened.append(secret)
        if len(opened) == 3:
            await house.shop.register_provider(moved)
        return secret

    object.__setattr__(working.vault, "open_secret", opening)
    await house.shop.rotate(SECRET)
    await house.attend(engine.Engine(working))
    assert await house.states() == ["current", "verified"]
    assert (await house.scene()).sealed.version == 1
    await house.attend()
    assert await house.states() == ["current", "revoked"]


async def test_what_comes_with_a_key_is_put_with_it_and_what_is_left_is_told(house: RotationHouse) -> None:
    await house.shop.put_secret("refresh", Secret("the-first-refresh-token"), provider="weather")

    async def create(order: Order) -> NewKey:
        made = house.provider.made(order.label)
        ends = house.clock.now() + timedelta(seconds=1000)
        also = {"refresh": Secret("the-second-refresh-token")}
        return NewKey(key=Secret(made.value), expires=ends, also=also, orphans=("key-7",))

    await house.shop.rotate(SECRET)
    await house.attend(house.worker(rotator=Bent(house, create=create)))
    versions = {info.name: info.version for info in await house.shop.list_secrets()}
    assert versions == {SECRET: 2, "refresh": 2}
    [info] = await house.shop.rotations()
    assert (info.due - house.clock.now(), info.reason) == (timedelta(seconds=750), "expiring")
    [alert] = await house.alerts()
    assert "key-7" in alert.todo
    assert house.announced == [house.shop.id, house.shop.id]
    # It has no id and ends by itself: nobody is told to end it.
    house.clock.go_on(750)
    await house.attend()
    house.clock.go_on(3600)
    await house.attend()
    assert [one.topic for one in await house.alerts()].count("rotation.left") == 1


async def test_what_came_with_a_key_for_a_secret_that_is_gone_is_not_lost_silently(house: RotationHouse) -> None:
    async def create(order: Order) -> NewKey:
        made = house.provider.made(order.label)
        return NewKey(key=Secret(made.value), id=made.id, also={"gone": Secret("a-refresh-token")})

    await house.shop.rotate(SECRET)
    await house.attend(house.worker(rotator=Bent(house, create=create)))
    assert await house.states() == ["retiring", "current"]
    [alert] = await house.alerts()
    assert alert.todo == "see that the secret 'gone' is one that the provider takes; else put it anew"


async def test_a_provider_that_gives_the_same_key_again_does_not_end_it(house: RotationHouse) -> None:
    first = await house.serving()

    async def create(_: Order) -> NewKey:
        return NewKey(key=Secret(first), id="key-1")

    await house.shop.rotate(SECRET)
    await house.attend(house.worker(rotator=Bent(house, create=create)))
    house.clock.go_on(3600)
    await house.attend()
    assert await house.serving() == first
    assert [key.value for key in house.provider.alive()] == [first]
    assert await house.states() == ["current"]


async def test_a_turn_by_hand_is_told_when_it_is_due_and_is_over_when_the_secret_is_put(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with house_of(monkeypatch, how=ManualRotation()) as house:
        for told in (1, 2):
            await house.due()
            await house.attend()
            await house.attend()
            assert [alert.topic for alert in await house.alerts()] == ["rotation.due"] * told
        house.clock.go_on(3600)
        await house.shop.put_secret(SECRET, Secret("another-key-of-weather"), provider="weather")
        [info] = await house.shop.rotations()
        assert timedelta(hours=64.8) <= info.due - house.clock.now() < timedelta(hours=72)
        assert [key.state for key in info.keys] == ["current"]
        await house.attend()
        assert len(await house.alerts()) == 2
        assert house.provider.asked.total() == 0


async def test_no_turn_begins_while_it_is_paused_and_one_that_is_under_way_is_ended(house: RotationHouse) -> None:
    await house.shop.rotate(SECRET)
    house.provider.faults = ["", "away"]
    await house.attend()
    await house.shop.pause_rotation(SECRET)
    await house.shop.pause_rotation(SECRET)
    house.clock.go_on(10)
    await house.attend()
    assert await house.states() == ["retiring", "current"]
    await house.due()
    await house.attend()
    assert await house.states() == ["revoked", "current"]
    with pytest.raises(InvalidValueError, match="is paused: resume it first"):
        await house.shop.rotate(SECRET)
    await house.shop.resume_rotation(SECRET)
    await house.attend()
    assert await house.states() == ["revoked", "retiring", "current"]
    written = await kinds(house.acme)
    assert (written.count("rotation.paused"), written.count("rotation.resumed")) == (1, 1)


async def test_a_key_service_that_is_down_makes_no_key_that_could_not_be_sealed(house: RotationHouse) -> None:
    await house.shop.rotate(SECRET)
    house.keys.reachable = False
    with pytest.raises(BackendUnavailableError):
        await house.attend()
    assert house.provider.asked.total() == 0
    house.keys.reachable = True
    await house.attend()
    assert await house.states() == ["retiring", "current"]


async def test_a_rotator_that_a_worker_was_not_given_is_left_to_others_for_a_while(
    house: RotationHouse,
) -> None:
    def unknown(*_: object) -> Any:
        raise DoesNotExistError("no rotator")  # noqa: EM101, TRY003  # a test's

    working = house.workshop(house.store.sibling(), ModelRotator(house.provider, Fuse()))
    object.__setattr__(working, "rotator_of", unknown)
    await house.shop.rotate(SECRET)
    await house.attend(engine.Engine(working))
    key = (await house.scene()).keys[1]
    assert (key.state, key.asked, key.attempts, key.failure) == ("pending", None, 0, "")
    for attempts in range(1, 6):
        house.clock.go_on(700)
        await house.attend(engine.Engine(working))
        key = (await house.scene()).keys[1]
        assert (key.asked, key.attempts, key.failure) == (None, attempts, "no rotator")
    [alert] = await house.alerts()
    assert alert.why == "no rotator"
    house.clock.go_on(60)
    await house.attend()
    assert await house.states() == ["retiring", "current"]


@pytest.fixture
async def running(house: RotationHouse, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[engine.Engine, None]:
    """An engine that looks often."""
    monkeypatch.setattr(engine, "_ROUND_SECONDS", 0.01)
    worker = house.worker()
    task = asyncio.create_task(worker.run())
    yield worker
    task.cancel()
    await asyncio.wait([task])


async def is_turned(house: RotationHouse) -> bool:
    return await house.states() == ["retiring", "current"]


async def test_a_running_engine_does_what_is_due_and_then_leaves_it_until_the_next_moment(
    house: RotationHouse, running: engine.Engine
) -> None:
    await house.shop.rotate(SECRET)
    await until(lambda: is_turned(house))
    house.clock.go_on(1300)
    moved = (await house.scene()).keys[0].after

    async def is_moved() -> bool:
        async with house.store.reading(PLATFORM) as platform:
            (errand,) = await platform.list(Errand, (TOPIC,), 9)
        return house.clock.now() < errand.due <= moved

    await until(is_moved)
    await house.shop.remove_rotation(SECRET)
    house.clock.go_on(80 * 3600)

    async def is_struck() -> bool:
        async with house.store.reading(PLATFORM) as platform:
            return not await platform.list(Errand, (TOPIC,), 9)

    await until(is_struck)


@pytest.mark.usefixtures("running")
async def test_what_is_due_and_not_done_yet_is_told(house: RotationHouse) -> None:
    before = amounts("apikeychain.rotation.due").get((), 0)

    async def is_told(more: int) -> bool:
        return amounts("apikeychain.rotation.due").get((), 0) == before + more

    async with house.store.sibling().tenant(house.acme.id) as records:
        assert await records.lease(f"{TOPIC}-{house.shop.id}-{SECRET}", 60)
    await house.shop.rotate(SECRET)
    await until(lambda: is_told(1))
    house.clock.go_on(61)
    await until(lambda: is_turned(house))
    await until(lambda: is_told(0))


async def test_what_is_paused_is_looked_at_no_more_until_it_is_resumed(
    house: RotationHouse, running: engine.Engine
) -> None:
    await house.shop.pause_rotation(SECRET)
    await house.due()
    house.clock.go_on(11)

    async def is_struck() -> bool:
        return not await due(house.store, TOPIC, house.clock.now())

    await until(is_struck)
    await house.shop.resume_rotation(SECRET)
    await until(lambda: is_turned(house))


async def test_a_store_that_is_down_is_waited_for(
    house: RotationHouse, running: engine.Engine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    await house.shop.rotate(SECRET)
    house.store.reachable = False
    await asyncio.sleep(0.05)
    house.store.reachable = True
    house.clock.go_on(6)
    await until(lambda: is_turned(house))
    assert caplog.records == []


async def test_a_secret_that_cannot_go_on_waits_and_keeps_no_other_from_its_turn(
    house: RotationHouse, running: engine.Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    faults: list[Exception] = [ValueError("a-text-with-a-key"), BackendUnavailableError()]
    begin = engine._DEEDS["begin"]

    async def broken(*arguments: Any) -> None:
        if faults:
            raise faults.pop(0)
        await begin(*arguments)

    monkeypatch.setattr(engine, "_DEEDS", {**engine._DEEDS, "begin": broken})
    await house.shop.rotate(SECRET)
    async with asyncio.timeout(20):
        while not await is_turned(house):
            house.clock.go_on(6)
            await asyncio.sleep(0.02)
    assert f"the rotation of {house.shop.id}/{SECRET} could not go on" in caplog.text
    assert "a-text-with-a-key" not in caplog.text


async def test_what_is_due_that_cannot_be_read_is_told_and_tried_again(
    house: RotationHouse, running: engine.Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    read, faults = agenda.due, [ValueError("a-text")]

    async def broken(*arguments: Any) -> Any:
        if faults:
            raise faults.pop()
        return await read(*arguments)

    monkeypatch.setattr(agenda, "due", broken)
    await house.shop.rotate(SECRET)
    await until(lambda: is_turned(house))
    assert "what is due could not be read" in caplog.text


async def test_an_engine_that_is_cancelled_ends_what_it_does(
    house: RotationHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_ROUND_SECONDS", 0.01)
    is_asked = asyncio.Event()

    async def create(_: Order) -> NewKey:
        is_asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    await house.shop.rotate(SECRET)
    task = asyncio.create_task(house.worker(rotator=Bent(house, create=create)).run())
    await is_asked.wait()
    task.cancel()
    await asyncio.wait([task])
    # Its lease is free: the next one goes on at once.
    await house.attend()
    assert await house.states() == ["retiring", "current"]


async def test_a_project_key_that_turned_meanwhile_seals_the_new_key(house: RotationHouse) -> None:
    """The key that is made is sealed again, under the newest version."""

    async def create(order: Order) -> NewKey:
        return await ModelRotator(house.provider, Fuse()).create(order)

    rotator, scene = Bent(house, create=create), await house.scene()
    newer = await house.office.vault.new_project_key(scene.tenant, house.shop.id, 2, house.clock.now())
    seal = type(house.office.vault).seal_secret
    working = house.workshop(house.store.sibling(), rotator)

    async def sealing(*arguments: Any) -> Any:
        sealed = await seal(working.vault, *arguments)
        if (await house.scene()).project_keys[-1] != newer:
            async with house.store.tenant(house.acme.id) as records:
                await records.insert(newer)
        return sealed

    object.__setattr__(working.vault, "seal_secret", sealing)
    await house.shop.rotate(SECRET)
    await house.attend(engine.Engine(working))
    assert await house.states() == ["retiring", "current"]
    sealed = (await house.scene()).sealed.sealed
    assert bytes.fromhex(newer.version) in sealed
    assert await house.serving() in {key.value for key in house.provider.alive()}


async def test_what_is_gone_is_looked_at_no_more(house: RotationHouse) -> None:
    """Records that only a damaged database lacks."""
    scene = await house.scene()
    async with house.store.tenant(house.acme.id) as records:
        await records.remove(type(scene.registered), scene.registered.key, scene.registered.generation)
    await house.shop.rotate(SECRET)
    await house.attend()
    assert house.provider.asked.total() == 0


async def test_nothing_is_written_for_a_project_that_is_gone(house: RotationHouse) -> None:
    page = Page(await house.scene(), house.clock.now())
    page.serves = True
    await house.acme.remove_project("shop")
    with pytest.raises(ConflictError, match="is gone"):
        await page.write(house.workshop(house.store, ModelRotator(house.provider, Fuse())), of_scene=False)


async def test_an_answer_that_never_finds_its_place_is_told_of(house: RotationHouse) -> None:
    """Somebody changes what it seals with, again and again."""
    working = house.workshop(house.store.sibling(), ModelRotator(house.provider, Fuse()))
    seal = type(house.office.vault).seal_secret
    numbers = iter(range(2, 99))

    async def sealing(*arguments: Any) -> Any:
        scene = await house.scene()
        sealed = await seal(working.vault, *arguments)
        newer = await working.vault.new_project_key(scene.tenant, house.shop.id, next(numbers), house.clock.now())
        async with house.store.tenant(house.acme.id) as records:
            await records.insert(newer)
        return sealed

    object.__setattr__(working.vault, "seal_secret", sealing)
    await house.shop.rotate(SECRET)
    await house.attend(engine.Engine(working))
    assert await house.states() == ["current", "pending"]
    [alert] = await house.alerts()
    assert "id 'key-2'" in alert.todo


async def test_an_end_that_somebody_else_wrote_down_is_not_written_twice(house: RotationHouse) -> None:
    async def revoke(key_id: str) -> None:
        house.clock.go_on(engine.LEASE_SECONDS)
        await house.attend()

    await house.shop.rotate(SECRET)
    await house.attend()
    house.clock.go_on(3600)
    await house.attend(house.worker(rotator=Bent(house, revoke=revoke)))
    assert await house.states() == ["revoked", "current"]
    assert (await kinds(house.acme)).count("rotation.revoked") == 1
    assert await house.alerts() == []


async def test_a_worker_whose_lease_is_gone_stops_between_two_steps(house: RotationHouse) -> None:
    async def create(order: Order) -> NewKey:
        made = await ModelRotator(house.provider, Fuse()).create(order)
        house.clock.go_on(engine.LEASE_SECONDS)
        async with house.store.sibling().tenant(house.acme.id) as records:
            assert await records.lease(f"rotation-{house.shop.id}-{SECRET}", 60)
        return made

    await house.shop.rotate(SECRET)
    await house.attend(house.worker(rotator=Bent(house, create=create)))
    assert await house.states() == ["current", "created"]
