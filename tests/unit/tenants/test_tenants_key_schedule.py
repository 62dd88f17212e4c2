"""The keys of projects turn by themselves, when they are old or have sealed much; one worker does it for all."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from apikeychain import APIKeyChain, APIKeyChainSettings, ProviderSecret, Secret, agenda
from apikeychain.backends.memory_keys import MemoryKeyService
from apikeychain.backends.memory_store import MemoryStore
from apikeychain.errors import BackendUnavailableError
from apikeychain.listing import every
from apikeychain.model.errand import Errand
from apikeychain.model.keys import KeyContext
from apikeychain.model.records import ProjectKey, Tenant
from apikeychain.rules.chain import PLATFORM
from apikeychain.tenants import due_keys, key_errands, key_schedule, keys
from apikeychain.tenants.change import Office
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.tenant import TenantAdmin
from apikeychain.vault.key_services import KeyServices
from management import CANARY, WEATHER, entries, fill, kinds
from sample_project import NOW

DAY = timedelta(days=1)
SETTINGS = APIKeyChainSettings(kdf="pbkdf2-sha512", key_max_uses=3, key_max_age_days=10)


@pytest.fixture
async def keychain(tmp_path: Path) -> AsyncGenerator[APIKeyChain, None]:
    async with APIKeyChain.embedded(tmp_path, settings=SETTINGS) as keychain:
        yield keychain


def later(office: Office, time: timedelta) -> Office:
    """The office, so much later."""
    moment = office.now() + time
    return replace(office, now=lambda: moment)


async def errands(office: Office) -> list[Errand]:
    """Those about keys of projects."""
    return [errand for errand in await all_errands(office) if errand.subject != key_errands.SECRET]


async def all_errands(office: Office) -> list[Errand]:
    async with office.store.reading(PLATFORM) as rows:
        return [errand for errand in await every(rows, Errand) if errand.topic == key_errands.TOPIC]


async def look_often(office: Office) -> None:
    """As an errand is looked at that may have been noted for what is stored a little later."""
    failed = key_schedule.Later()
    for _ in range(30):
        await key_schedule.look(office, failed)


async def key_of(shop: ProjectAdmin) -> ProjectKey:
    async with shop._office.store.reading(shop.tenant) as rows:
        (key,) = await every(rows, ProjectKey, shop.id)
    return key


async def test_a_key_is_looked_at_when_it_is_old_and_then_it_turns(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    office = acme._office
    await fill(shop)
    key = await key_of(shop)
    (errand,) = await errands(office)
    assert (errand.tenant, errand.subject, errand.due) == ("acme", shop.id, key.created + 10 * DAY)
    for days, number in ((9, 1), (11, 2), (12, 2), (20, 2), (22, 3)):
        await look_often(later(office, days * DAY))
        assert (await key_of(shop)).number == number
    last = (await entries(acme))[-1]
    assert (last.kind, last.actor) == ("key.turned", "schedule")
    (errand,) = await errands(office)
    assert later(office, 22 * DAY).now() < errand.due <= (await key_of(shop)).created + 10 * DAY


async def test_a_key_is_looked_at_when_it_has_sealed_as_many_values_as_it_may_but_once_a_day(
    acme: TenantAdmin, shop: ProjectAdmin
) -> None:
    office = acme._office
    await fill(shop)
    key = await key_of(shop)
    await shop.put_secret("second", Secret(CANARY), provider="weather")
    assert [errand.due for errand in await errands(office)] == [key.created + 10 * DAY]
    await shop.put_secret("third", Secret(CANARY), provider="weather")
    assert [errand.due for errand in await errands(office)] == [key.created + DAY]
    await key_schedule.look(later(office, timedelta(hours=23)), {})
    assert (await key_of(shop)).number == 1
    tomorrow = later(office, DAY)
    await look_often(tomorrow)
    # It has sealed three values at once, which is as many as it may: so the next one is a day later again.
    assert [(key.number, key.uses) for key in [await key_of(shop)]] == [(2, 3)]
    (errand,) = await errands(office)
    assert tomorrow.now() < errand.due <= (await key_of(shop)).created + DAY


async def test_several_values_at_once_are_counted_before_they_are_sealed(
    acme: TenantAdmin, shop: ProjectAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.register_provider(WEATHER)
    seen: list[timedelta] = []
    appoint = key_errands.appoint

    async def heard(*given: Any) -> None:
        await appoint(*given)
        seen.extend(errand.due - given[2].created for errand in await errands(acme._office))

    monkeypatch.setattr("apikeychain.tenants.secrets.appoint", heard)
    given = ProviderSecret(Secret(CANARY), "weather")
    await shop.configure(secrets={"one": given, "two": given})
    await shop.configure(quota="9/minute")
    await shop.configure(secrets={"three": given, "four": given})
    assert seen == [10 * DAY, DAY]


async def test_what_is_due_no_more_is_struck(keychain: APIKeyChain, acme: TenantAdmin, shop: ProjectAdmin) -> None:
    office = acme._office
    await fill(shop)
    other = await acme.create_project("other")
    await fill(other)
    await keychain.erase_tenant("acme")
    assert len(await errands(office)) == 2
    await look_often(later(office, 11 * DAY))
    assert await errands(office) == []


async def test_by_command_alone_nothing_is_noted_and_what_was_is_struck(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    never = replace(acme._office, settings=replace(SETTINGS, key_max_age_days=0))
    await fill(shop)
    while left := await errands(never):
        await agenda.settle(never.store, left[0], None)
    await key_errands.appoint(never, acme.id, await key_of(shop))
    assert await errands(never) == []
    await key_errands.appoint(acme._office, acme.id, await key_of(shop))
    await look_often(later(never, 11 * DAY))
    assert (await errands(never), (await key_of(shop)).number) == ([], 1)


async def owner_of(acme: TenantAdmin) -> Tenant:
    async with acme._office.store.reading(acme.id) as rows:
        owner = await rows.get(Tenant, ())
    assert owner is not None
    return owner


async def test_the_secret_of_a_tenant_turns_when_it_is_old_with_the_keys_of_its_projects(
    acme: TenantAdmin, shop: ProjectAdmin
) -> None:
    office = replace(acme._office, settings=replace(SETTINGS, key_max_age_days=0, tenant_secret_max_age_days=20))
    shops = [shop, await acme.create_project("other")]
    for one in shops:
        await fill(one)
    made = (await owner_of(acme)).created
    (errand,) = [errand for errand in await all_errands(office) if errand.subject == key_errands.SECRET]
    assert timedelta(0) <= errand.due - (made + DAY) < timedelta(minutes=1)
    for days, number in ((1, 1), (19, 1), (21, 2), (22, 2), (40, 2), (42, 3)):
        await look_often(later(office, days * DAY))
        assert (await owner_of(acme)).secret_number == number
        assert {(await key_of(one)).secret_number for one in shops} == {number}
    turned = [entry for entry in await entries(acme) if entry.kind == "tenant-secret.turned"]
    assert {entry.actor for entry in turned} == {"schedule"}
    assert not (await owner_of(acme)).wrapped_old_secret


async def test_the_secret_of_a_tenant_turns_after_as_many_keys_as_may_be_derived_from_it(
    acme: TenantAdmin, shop: ProjectAdmin
) -> None:
    settings = replace(SETTINGS, key_max_age_days=0, tenant_secret_max_age_days=0, tenant_secret_max_uses=4)
    office = replace(acme._office, settings=settings)
    other = await acme.create_project("other")
    await fill(shop)
    await fill(other)
    await shop.turn_key()
    await look_often(later(office, DAY + timedelta(minutes=1)))
    assert (await owner_of(acme)).secret_number == 1
    await shop.turn_key()
    assert [(await key_of(one)).secret_uses for one in (shop, other)] == [3, 1]
    await look_often(later(office, 2 * DAY))
    owner = await owner_of(acme)
    assert owner.secret_number == 2
    assert owner.secret_created is not None
    assert owner.secret_created > owner.created + DAY
    assert [(await key_of(one)).secret_uses for one in (shop, other)] == [1, 1]
    await look_often(later(office, 9 * DAY))
    assert (await owner_of(acme)).secret_number == 2


async def test_a_turn_of_a_secret_that_broke_is_ended_by_the_schedule(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    await fill(shop)
    office = acme._office
    await shop.register_provider(replace(WEATHER, base_url="https://other.weather.example"))
    assert (await acme.turn_secret()).failed == (shop.id,)
    now, failed = later(office, DAY + timedelta(hours=1)), key_schedule.Later()
    await key_schedule.look(now, failed)
    assert (await owner_of(acme)).wrapped_old_secret
    assert failed == {("keys", "acme", key_errands.SECRET): now.now() + timedelta(hours=1)}
    await shop.register_provider(WEATHER)
    await key_schedule.look(later(now, timedelta(hours=1)), failed)
    owner = await owner_of(acme)
    assert (owner.secret_number, owner.wrapped_old_secret) == (2, b"")


async def test_the_lease_is_kept_while_many_keys_turn(
    acme: TenantAdmin, shop: ProjectAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(shop)
    asked, away = 0, iter([BackendUnavailableError()])
    enough = asyncio.Event()

    async def is_ours(_: Office) -> bool:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise next(away)
        if asked == 6:
            enough.set()
        return True

    async def attend(*_: object) -> None:
        async with asyncio.timeout(5):
            await enough.wait()

    monkeypatch.setattr(key_schedule, "_is_ours", is_ours)
    monkeypatch.setattr(key_schedule, "_RENEW_SECONDS", 0.01)
    monkeypatch.setattr(key_schedule, "attend", attend)
    await key_schedule.look(later(acme._office, 11 * DAY), {})
    assert enough.is_set()
    then = asked
    await asyncio.sleep(0.05)
    assert asked == then


async def test_one_that_fails_is_told_tried_again_in_an_hour_and_keeps_no_other_waiting(
    acme: TenantAdmin, caplog: pytest.LogCaptureFixture
) -> None:
    office = acme._office
    shops = sorted([await acme.create_project(name) for name in ("one", "two")], key=lambda shop: shop.id)
    for shop in shops:
        await fill(shop)
    await shops[0].register_provider(replace(WEATHER, base_url="https://other.weather.example"))
    now, failed = later(office, 11 * DAY), key_schedule.Later()
    told = f"the key of the project acme/{shops[0].id} is due and was not turned: SealedValueError"
    for minutes in range(59):
        await key_schedule.look(later(now, timedelta(minutes=minutes)), failed)
    assert caplog.text.count(told) == 1
    await key_schedule.look(later(now, timedelta(hours=1)), failed)
    assert caplog.text.count(told) == 2
    await shops[0].register_provider(WEATHER)
    await key_schedule.look(later(now, timedelta(hours=1, minutes=59)), failed)
    assert (await kinds(acme)).count("key.turned") == 1
    await key_schedule.look(later(now, timedelta(hours=2)), failed)
    assert (await kinds(acme)).count("key.turned") == 2
    assert failed == {}


class Broken(MemoryKeyService):
    """Has a bug once it is told to."""

    is_broken = False

    async def wrap(self, key: bytes, context: KeyContext) -> bytes:
        if self.is_broken:
            msg = "a text that nobody should read"
            raise ZeroDivisionError(msg)
        return await super().wrap(key, context)


async def test_a_fault_of_any_kind_keeps_no_other_waiting(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    service = Broken()
    async with APIKeyChain.embedded(tmp_path, settings=SETTINGS, key_services={"own": service}) as keychain:
        bad = await (await keychain.create_tenant("bad", key_service="own")).create_project("shop")
        good = await (await keychain.create_tenant("good")).create_project("shop")
        for shop in (bad, good):
            await fill(shop)
        service.is_broken = True
        await key_schedule.look(later(keychain._office, 11 * DAY), {})
        assert [(await key_of(shop)).number for shop in (bad, good)] == [1, 2]
    assert f"the key of the project bad/{bad.id} is due and was not turned: " in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert "a text that nobody should read" not in caplog.text


async def test_a_key_of_a_moment_that_cannot_be_is_never_due_and_keeps_no_other_waiting(
    acme: TenantAdmin, shop: ProjectAdmin
) -> None:
    office = acme._office
    other = await acme.create_project("other")
    for one in (shop, other):
        await fill(one)
    key = await key_of(shop)
    async with office.store.tenant(acme.id) as rows:
        ever = datetime.max.replace(tzinfo=UTC)
        await rows.replace(replace(key, created=ever, generation=key.generation + 1), key.generation)
    await look_often(later(office, 11 * DAY))
    assert [(await key_of(one)).number for one in (shop, other)] == [1, 2]
    assert [errand.subject for errand in await errands(office)] == [other.id]


class Silent(MemoryKeyService):
    """Never answers."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    async def wrap(self, key: bytes, context: KeyContext) -> bytes:
        self.asked += 1
        await asyncio.Event().wait()
        return key

    async def unwrap(self, wrapped: bytes, context: KeyContext) -> bytes:
        return await self.wrap(wrapped, context)


async def test_a_key_service_that_never_answers_is_waited_for_once_and_keeps_no_other_waiting(
    acme: TenantAdmin, shop: ProjectAdmin, keychain: APIKeyChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert key_schedule._ANSWER_SECONDS == 10
    monkeypatch.setattr(key_schedule, "_ANSWER_SECONDS", 0.1)
    office, silent = acme._office, Silent()
    services = KeyServices(keychain._plugs.key_service, {"silent": silent})
    for name in ("one", "two", "three"):
        await fill(await acme.create_project(name))
    zeta = await (await keychain.create_tenant("zeta")).create_project("shop")
    await fill(zeta)
    async with office.store.tenant(acme.id) as rows:
        owner = await rows.get(Tenant, ())
        assert owner is not None
        await rows.replace(replace(owner, key_service="silent", generation=2), 1)
    failed = key_schedule.Later()
    async with asyncio.timeout(20):
        await key_schedule.look(replace(later(office, 11 * DAY), key_services=services), failed)
    assert (await key_of(zeta)).number == 2
    # Not once for each of its keys; the fourth is the secret of the tenant.
    assert (silent.asked, len(failed)) == (1, 4)


async def test_what_does_not_get_on_is_left_and_its_key_service_is_asked_anew(
    acme: TenantAdmin, shop: ProjectAdmin, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert key_schedule._STEP_SECONDS == 600
    monkeypatch.setattr(key_schedule, "_STEP_SECONDS", 0.5)
    shops = [shop, await acme.create_project("other")]
    for one in shops:
        await fill(one)
    attended: list[str] = []

    async def attend(_: Office, errand: Errand, got_on: Callable[[], None]) -> None:
        attended.append(errand.subject)
        if len(attended) == 1:
            # Longer than a step in all, with steps in between.
            for _step in range(4):
                await asyncio.sleep(0.2)
                got_on()
        if len(attended) == 2:
            await asyncio.Event().wait()

    asked = 0

    async def answers(*_: object) -> bool:
        nonlocal asked
        asked += 1
        return True

    monkeypatch.setattr(key_schedule, "attend", attend)
    monkeypatch.setattr(key_schedule, "goes_round", answers)
    failed = key_schedule.Later()
    async with asyncio.timeout(20):
        await key_schedule.look(later(acme._office, 11 * DAY), failed)
    assert len(attended) == 3
    assert [subject for _, _, subject in failed] == [attended[1]]
    assert "is due and was not turned: " in caplog.text
    assert "TimeoutError" in caplog.text
    assert asked == 2


async def test_of_many_projects_each_has_its_time(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    office, errand = acme._office, Errand(topic="keys", tenant=acme.id, subject=key_errands.SECRET, due=NOW)
    for one in (shop, await acme.create_project("other")):
        await fill(one)
    told: list[None] = []
    old = replace(later(office, 400 * DAY), settings=replace(SETTINGS, tenant_secret_max_age_days=20))
    await due_keys.attend(old, errand, lambda: told.append(None))
    assert len(told) == 2
    await keys.rewrap_keys(office, acme.id, "ops", lambda: told.append(None))
    assert len(told) == 4


async def test_a_key_is_noted_while_it_is_looked_at(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    office = later(acme._office, 11 * DAY)
    await fill(shop)
    (errand,) = await errands(office)
    # Somebody is about to store a key that is due next year, and the one who looks has not found it.
    await key_errands.note(office, acme.id, shop.id, office.now() + 365 * DAY)
    async with office.store.tenant(PLATFORM) as rows:
        stored = await rows.get(Errand, errand.key)
    assert stored is not None
    assert (stored.due, stored.last) == (errand.due, office.now() + 365 * DAY)
    await agenda.settle(office.store, errand, None)
    assert await errands(office) == [stored]


async def test_one_worker_does_it_for_all(
    acme: TenantAdmin, shop: ProjectAdmin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(shop)
    now = later(acme._office, 11 * DAY)
    async with APIKeyChain.embedded(tmp_path, settings=SETTINGS) as beside:
        assert await key_schedule._is_ours(beside._office)
        await key_schedule.look(now, {})
        assert (await key_of(shop)).number == 1
        monkeypatch.setattr(key_schedule, "_LEASE_SECONDS", 0)
        assert await key_schedule._is_ours(beside._office)
        await key_schedule.look(now, {})
        assert (await key_of(shop)).number == 2


async def test_a_worker_whose_lease_was_taken_stops(
    acme: TenantAdmin, shop: ProjectAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(shop)
    asked = iter([True, False])

    async def is_ours(_: Office) -> bool:
        return next(asked)

    monkeypatch.setattr(key_schedule, "_is_ours", is_ours)
    await key_schedule.look(later(acme._office, 11 * DAY), {})
    assert (await key_of(shop)).number == 1


async def test_a_keychain_that_serves_looks_once_a_minute_whatever_fails(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert key_schedule.TICK_SECONDS == 60
    monkeypatch.setattr(key_schedule, "TICK_SECONDS", 0.01)
    faults = iter([BackendUnavailableError(), ZeroDivisionError()])
    done = asyncio.Event()

    async def look(*_: object) -> None:
        for fault in faults:
            raise fault
        done.set()

    monkeypatch.setattr(key_schedule, "look", look)
    async with APIKeyChain.in_memory(store=MemoryStore()) as keychain:
        await asyncio.sleep(0.1)
        assert not done.is_set()
        await keychain.serve()
        async with asyncio.timeout(5):
            await done.wait()
        await keychain.close()
    told = [(record.levelno, record.getMessage()) for record in caplog.records if "keys that are due" in record.message]
    assert told[0] == (logging.WARNING, "keys that are due are looked for again in a minute: the store does not answer")
    assert told[1][1].startswith("keys that are due are looked for again in a minute\n")
    assert "ZeroDivisionError" in told[1][1]
