"""What goes wrong with a turn goes wrong once, with a pause and an alert: no key is made again and again."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from apikeychain import Secret
from apikeychain.errors import BackendUnavailableError, RotationRefusedError, SecretUnavailableError
from apikeychain.model.records import ProjectKey, SealedSecret
from apikeychain.model.rotation_records import ProviderKey
from apikeychain.model.rotators import HostRotation, OAuth2Rotation
from apikeychain.ports.rotator import NewKey, Order
from apikeychain.rotation import answers, engine
from apikeychain.rotation.stored_secrets import StoredSecrets
from apikeychain.tenants import registry
from apikeychain.testing.eventually import until
from management import WEATHER
from rotation_house import OWN, SECRET, Fuse, ModelRotator, RotationHouse

TOKENS = OAuth2Rotation(provider="weather", credential="c", path="/token")
BY_HAND = "the-refresh-token-put-by-hand"


class Maker(ModelRotator):
    """A rotator whose keys are another's."""

    def __init__(self, house: RotationHouse, create: Callable[[Order], Awaitable[Any]]) -> None:
        super().__init__(house.provider, Fuse())
        self.create = create  # type: ignore[method-assign, assignment]  # a test's


async def key_in_the_making(house: RotationHouse) -> ProviderKey:
    return (await house.scene()).keys[-1]


async def break_key(house: RotationHouse) -> ProjectKey:
    """The project's key opens no more; as it was."""
    async with house.store.sibling().tenant(house.acme.id) as records:
        [key] = await records.list(ProjectKey, (), 10)
        await records.replace(replace(key, wrapped_derived=b"gone", generation=key.generation + 1), key.generation)
    return key


async def opened(house: RotationHouse, name: str) -> str:
    secrets = StoredSecrets(house.store, house.office.vault, house.acme.id, house.shop.id)
    return (await secrets.open(name)).secret.reveal().decode()


async def test_a_new_key_that_is_overtaken_is_not_made_again_at_once(house: RotationHouse) -> None:
    orders: list[Order] = []

    async def create(order: Order) -> NewKey:
        orders.append(order)
        assert len(orders) < 5
        async with house.store.sibling().tenant(house.acme.id) as records:
            stored = await records.get(SealedSecret, (house.shop.id, SECRET))
            assert stored is not None
            moved = replace(stored, version=stored.version + 1, generation=stored.generation + 1)
            await records.replace(moved, stored.generation)
        made = house.provider.made(order.label)
        return NewKey(key=Secret(made.value), id=made.id)

    await house.shop.rotate(SECRET)
    await house.attend(house.worker(rotator=Maker(house, create)))
    assert len(orders) == 1
    rotation = (await house.scene()).rotation
    assert (rotation.refusals, rotation.due - house.clock.now()) == (1, timedelta(hours=1))


async def test_nothing_is_asked_for_that_could_not_be_sealed(house: RotationHouse) -> None:
    await house.shop.rotate(SECRET)
    whole = await break_key(house)
    worker = house.worker()
    for attempt in range(1, 8):
        await house.attend(worker)
        key = await key_in_the_making(house)
        assert (key.state, key.attempts, key.asked) == ("pending", attempt, None)
        assert key.after > house.clock.now()
        house.clock.go_on((key.after - house.clock.now()).total_seconds())
    assert house.provider.asked["create"] == 0
    [alert] = await house.alerts()
    assert (alert.topic, "could not be sealed" in alert.why) == ("rotation.failed", True)
    async with house.store.sibling().tenant(house.acme.id) as records:
        [broken] = await records.list(ProjectKey, (), 10)
        await records.replace(replace(whole, generation=broken.generation + 1), broken.generation)
    await house.attend(worker)
    assert await house.states() == ["retiring", "current"]


async def test_a_key_that_cannot_be_written_down_is_named_and_waits(house: RotationHouse) -> None:
    async def create(order: Order) -> NewKey:
        made = house.provider.made(order.label)
        await break_key(house)
        return NewKey(key=Secret(made.value), id=made.id, orphans=("key-77",))

    await house.shop.rotate(SECRET)
    await house.attend(house.worker(rotator=Maker(house, create)))
    key = await key_in_the_making(house)
    assert (key.state, key.attempts, key.after > house.clock.now()) == ("pending", 1, True)
    assert key.failure == "what came of it could not be written down: SealedValueError"
    [alert] = await house.alerts()
    assert alert.topic == "rotation.left"
    assert all(name in alert.todo for name in ("'key-2'", key.label, "key-77"))


async def test_other_secrets_of_the_project_that_are_sealed_meanwhile_lose_no_key(
    house: RotationHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = answers._read

    async def overtaken(*arguments: Any) -> Any:
        found = await read(*arguments)
        async with house.store.sibling().tenant(house.acme.id) as records:
            [key] = await records.list(ProjectKey, (), 10)
            used = replace(key, uses=key.uses + 1, generation=key.generation + 1)
            await records.replace(used, key.generation)
        return found

    monkeypatch.setattr(answers, "_read", overtaken)
    await house.shop.rotate(SECRET)
    await house.attend()
    assert await house.states() == ["retiring", "current"]
    assert house.provider.asked["create"] == 1
    assert await house.alerts() == []


KEY = Secret("a-key-that-was-made-0001")


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(None, id="no key"),
        pytest.param(NewKey(key=KEY, id="k" * 513), id="a long id"),
        pytest.param(NewKey(key=KEY, id="key\n1"), id="an id of two lines"),
        pytest.param(NewKey(key=KEY, id="clé-1"), id="an id beyond ASCII"),
        pytest.param(NewKey(key=KEY, id="key-1", expires=datetime(2027, 1, 1)), id="no time zone"),  # noqa: DTZ001 - what is refused
        pytest.param(NewKey(key=KEY, id="key-1", orphans=("k",) * 100), id="many orphans"),
        pytest.param(NewKey(key=KEY, id="key-1", orphans=("k" * 513,)), id="a long orphan"),
    ],
)
async def test_what_a_rotator_may_not_give_is_not_kept(house: RotationHouse, made: Any) -> None:
    async def create(_: Order) -> Any:
        return made

    await house.shop.rotate(SECRET)
    await house.attend(house.worker(rotator=Maker(house, create)))
    key = await key_in_the_making(house)
    assert (key.state, key.attempts, key.id) == ("pending", 1, "")
    assert "gave no key, or one whose" in key.failure


async def test_a_token_that_ends_at_once_is_refused_and_told_of_and_what_came_with_it_kept(
    house: RotationHouse,
) -> None:
    orders: list[Order] = []

    async def create(order: Order) -> NewKey:
        orders.append(order)
        ends = house.clock.now() + timedelta(seconds=59)
        return NewKey(key=KEY, id=order.label, expires=ends, also={"refresh": Secret("the-second-refresh-token")})

    first = await house.serving()
    await house.shop.put_secret("refresh", Secret("the-first-refresh-token"), provider="weather")
    await house.shop.rotate(SECRET)
    worker = house.worker(rotator=Maker(house, create))
    await house.attend(worker)
    house.clock.go_on(3599)
    await house.attend(worker)
    assert len(orders) == 1
    assert await house.serving() == first
    assert await opened(house, "refresh") == "the-second-refresh-token"
    [alert] = await house.alerts()
    assert (alert.topic, "ends within 60 s by itself" in alert.why) == ("rotation.refused", True)


@pytest.mark.parametrize(
    ("how", "failure", "least", "is_told_once"),
    [
        pytest.param(TOKENS, RotationRefusedError("HTTP 401"), 8, True, id="refused"),
        # Each order may have left a key that only its label names.
        pytest.param(OWN, RotationRefusedError("HTTP 401"), 8, False, id="a key that may be left is refused"),
        pytest.param(TOKENS, BackendUnavailableError(), 12, True, id="not answered"),
    ],
)
async def test_a_token_does_not_run_out_because_somebody_waits(
    house: RotationHouse, how: Any, failure: Exception, least: int, is_told_once: bool
) -> None:
    tried: list[datetime] = []
    ends = house.clock.now() + timedelta(hours=1)

    async def create(order: Order) -> NewKey:
        tried.append(house.clock.now())
        if len(tried) > 1:
            raise failure
        return NewKey(key=Secret(house.provider.made(order.label).value), id=order.label, expires=ends)

    await house.shop.put_secret("c", Secret("an-id:the-first-secret"), provider="weather")
    await house.shop.add_rotation(SECRET, how)
    await house.shop.rotate(SECRET)
    worker = house.worker(rotator=Maker(house, create))
    await house.attend(worker)
    while house.clock.now() < ends - timedelta(seconds=10):
        house.clock.go_on(10)
        await house.attend(worker)
    assert len(tried) > least
    assert ends - tried[-1] < timedelta(minutes=2)
    assert len(await house.alerts()) == (1 if is_told_once else len(tried) - 1)


async def test_what_is_put_by_hand_while_a_provider_is_asked_is_not_overwritten(house: RotationHouse) -> None:
    async def create(order: Order) -> NewKey:
        await house.shop.put_secret("refresh", Secret(BY_HAND), provider="weather")
        made = house.provider.made(order.label)
        return NewKey(key=Secret(made.value), id=made.id, also={"refresh": Secret("of-the-line-before")})

    how = replace(TOKENS, grant="refresh_token", refresh="refresh")
    for name in ("c", "refresh"):
        await house.shop.put_secret(name, Secret("an-id:the-first-secret"), provider="weather")
    await house.shop.add_rotation(SECRET, how)
    await house.attend(house.worker(rotator=Maker(house, create)))
    assert await house.states() == ["retiring", "current"]
    assert await opened(house, "refresh") == BY_HAND
    [alert] = await house.alerts()
    assert (alert.topic, alert.why) == (
        "rotation.left",
        "the secret was put by hand while the provider was asked",
    )


async def test_a_secret_with_a_rotation_of_its_own_is_not_put_by_another(house: RotationHouse) -> None:
    async def create(order: Order) -> NewKey:
        made = house.provider.made(order.label)
        return NewKey(key=Secret(made.value), id=made.id, also={"other": Secret("a-value-that-came-along")})

    await house.shop.put_secret("other", Secret("a-value-of-its-own"), provider="weather")
    await house.shop.add_rotation("other", HostRotation(name="other"))
    await house.shop.rotate(SECRET)
    await house.attend(house.worker(rotator=Maker(house, create)))
    assert await opened(house, "other") == "a-value-of-its-own"
    [alert] = await house.alerts()
    assert alert.why == "the secret has a rotation of its own"


async def test_many_names_of_keys_are_cut_short_in_an_alert(house: RotationHouse) -> None:
    async def create(_: Order) -> NewKey:
        msg = "no"
        raise RotationRefusedError(msg, tuple(f"key-{number}-\n\u202e{'x' * 900}" for number in range(300)))

    await house.shop.rotate(SECRET)
    await house.attend(house.worker(rotator=Maker(house, create)))
    [left] = [one for one in await house.alerts() if one.topic == "rotation.left"]
    assert "key-19-??x" in left.todo
    assert left.todo.endswith("; and 280 more with labels of ours")
    assert len(left.todo) < 15_000


async def test_a_tenant_whose_keys_hang_keeps_no_other_from_its_turn(
    house: RotationHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging: set[str] = set()
    begin = engine._DEEDS["begin"]

    async def slow(workshop: Any, scene: Any, key: Any) -> None:
        if scene.tenant.id == house.acme.id:
            hanging.add(scene.rotation.secret)
            await asyncio.Event().wait()
        await begin(workshop, scene, key)

    monkeypatch.setattr(engine, "_ROUND_SECONDS", 0.01)
    monkeypatch.setattr(engine, "_DEEDS", {**engine._DEEDS, "begin": slow})
    for number in range(20):
        await house.shop.put_secret(f"s{number}", Secret(f"a-value-of-acme-{number}"), provider="weather")
        await house.shop.add_rotation(f"s{number}", OWN)
        await house.shop.rotate(f"s{number}")
    house.clock.go_on(1)
    beta = await (await registry.create_tenant(house.office, "beta", "test")).create_project("shop")
    key = house.provider.made("beta")
    await beta.configure(providers=[WEATHER], secrets={"weather": Secret(key.value)}, enabled=True)
    await beta.add_rotation("weather", OWN, key_id=key.id)
    await beta.rotate("weather")
    running = asyncio.create_task(house.worker().run())

    async def has_two_keys() -> bool:
        return len((await beta.rotations())[0].keys) == 2

    try:
        await until(has_two_keys)
    finally:
        running.cancel()
        await asyncio.wait([running])
    assert len(hanging) == 4


async def test_an_id_that_all_keys_have_ends_the_turn_and_the_key_is_named(house: RotationHouse) -> None:
    """Of an account, say: the key before would be forgotten, or the one that serves be ended."""

    async def create(order: Order) -> NewKey:
        made = house.provider.made(order.label)
        return NewKey(key=Secret(made.value), id="account-7", orphans=("key-77",))

    worker = house.worker(rotator=Maker(house, create))
    for _ in range(2):
        await house.shop.rotate(SECRET)
        await house.attend(worker)
        house.clock.go_on(3599)
    house.clock.go_on(1 - 3599)
    await house.attend(worker)
    keys = (await house.scene()).keys
    assert [(key.state, key.id) for key in keys] == [("revoked", "key-1"), ("current", "account-7")]
    serving, stray = house.provider.alive()
    assert serving.value == await house.serving()
    told = [alert for alert in await house.alerts() if "id of another key" in alert.why]
    refused, left = sorted(told, key=lambda alert: alert.topic, reverse=True)
    assert refused.topic == "rotation.refused"
    assert all(name in left.todo for name in (stray.label, "key-77"))


async def test_a_key_that_the_provider_gives_once_more_is_no_other(house: RotationHouse) -> None:
    async def create(order: Order) -> NewKey:
        return NewKey(key=Secret(house.provider.keys["key-1"].value), id="key-1")

    await house.shop.rotate(SECRET)
    await house.attend(house.worker(rotator=Maker(house, create)))
    house.clock.go_on(3601)
    await house.attend()
    assert await house.states() == ["current"]
    assert await house.alerts() == []
    assert house.provider.keys["key-1"].alive


async def test_another_key_with_the_id_of_the_one_that_serves_is_not_ended_and_named(house: RotationHouse) -> None:
    await house.shop.rotate(SECRET)
    await house.attend()
    first, second = (await house.scene()).keys
    async with house.store.sibling().tenant(house.acme.id) as records:
        await records.replace(replace(first, id=second.id, generation=first.generation + 1), first.generation)
    house.clock.go_on(3601)
    await house.attend()
    assert await house.states() == ["current"]
    [alert] = await house.alerts()
    assert (alert.topic, first.fingerprint in alert.todo) == ("rotation.left", True)
    assert len(house.provider.alive()) == 2


async def test_what_comes_with_a_key_that_cannot_be_kept_is_kept(house: RotationHouse) -> None:
    await house.shop.put_secret("refresh", Secret("the-first-refresh-token"), provider="weather")

    async def create(_: Order) -> NewKey:
        return NewKey(key=KEY, id="k" * 513, also={"refresh": Secret("the-second-refresh-token")})

    await house.shop.rotate(SECRET)
    await house.attend(house.worker(rotator=Maker(house, create)))
    assert await opened(house, "refresh") == "the-second-refresh-token"


async def test_what_comes_with_a_key_does_not_go_to_an_address_of_later(house: RotationHouse) -> None:
    await house.shop.put_secret("refresh", Secret("the-first-refresh-token"), provider="weather")

    async def create(order: Order) -> NewKey:
        await house.shop.register_provider(replace(WEATHER, base_url="https://evil.example"))
        made = house.provider.made(order.label)
        return NewKey(key=Secret(made.value), id=made.id, also={"refresh": Secret("the-second-refresh-token")})

    await house.shop.rotate(SECRET)
    await house.attend(house.worker(rotator=Maker(house, create)))
    with pytest.raises(SecretUnavailableError):
        await opened(house, "refresh")
    await house.shop.register_provider(WEATHER)
    assert await opened(house, "refresh") == "the-first-refresh-token"
    assert any("'refresh' was not kept" in alert.what for alert in await house.alerts())


async def test_a_rotation_that_is_removed_and_declared_at_each_start_forgets_no_key(house: RotationHouse) -> None:
    for _ in range(2):
        await house.shop.rotate(SECRET)
        await house.attend()
        house.clock.go_on(3601)
        await house.attend()
        await house.shop.remove_rotation(SECRET)
        await house.shop.add_rotation(SECRET, OWN, key_id="key-1")
    left, serving = house.provider.alive()
    assert serving.value == await house.serving()
    [alert] = await house.alerts()
    assert (alert.topic, f"label {left.label!r}" in alert.todo) == ("rotation.left", True)


async def test_nothing_is_asked_for_while_the_secret_is_of_another_address(house: RotationHouse) -> None:
    await house.shop.register_provider(replace(WEATHER, base_url="https://evil.example"))
    await house.shop.rotate(SECRET)
    await house.attend()
    assert (await house.states(), house.provider.asked["create"]) == (["current"], 0)
    await house.shop.put_secret(SECRET, Secret("a-key-for-the-new-address"), provider="weather")
    await house.shop.rotate(SECRET)
    await house.attend()
    assert await house.states() == ["retiring", "retiring", "current"]
