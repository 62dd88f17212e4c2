"""Signing keys that turn: one takes over from another, which goes when its time is over."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from apikeychain import APIKeyChain, agenda
from apikeychain.backends.memory_store import MemoryStore, MemoryTenantReader, MemoryTenantStore
from apikeychain.errors import ConflictError, DoesNotExistError, InvalidValueError, StillInUseError
from apikeychain.model.errand import Errand
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import timestamp
from apikeychain.model.records import SigningKey
from apikeychain.tenants import old_signing_keys
from apikeychain.tenants.old_signing_keys import TOPIC, OldSigningKeys
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.tenant import TenantAdmin
from apikeychain.testing.eventually import until
from management import data, entries, kinds, nothing_changes, one_change
from still_clock import StillClock

GRACE = timedelta(minutes=5)


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
async def shop(acme: TenantAdmin, clock: StillClock) -> ProjectAdmin:
    """A project whose clock stands still."""
    made = await acme.create_project("shop")
    made._office = replace(made._office, now=clock.now)
    return made


def worker_of(shop: ProjectAdmin) -> OldSigningKeys:
    return OldSigningKeys(shop._office)


async def errands(shop: ProjectAdmin) -> list[Errand]:
    """All that will be looked at some day."""
    store, far = shop._office.store, shop._office.now() + timedelta(days=400)
    return [*await agenda.due(store, TOPIC, far)]


async def test_a_key_is_replaced_and_the_entry_says_by_which_and_until_when(
    acme: TenantAdmin, shop: ProjectAdmin, clock: StillClock
) -> None:
    old = await shop.add_signing_key()
    clock.go_on(1)
    async with one_change(acme, shop, "signing-key.replaced"):
        new = await shop.rotate_signing_key()
    until = clock.now() + timedelta(hours=1)
    assert data((await entries(acme))[-1]) == {"key": new.id, "replaced": old.id, "until": timestamp(until)}
    told = [(key.id, key.until) for key in await shop.list_signing_keys()]
    assert told == [(old.id, until), (new.id, None)]
    assert old.key.reveal() != new.key.reveal()


async def test_there_are_never_more_than_two(acme: TenantAdmin, shop: ProjectAdmin, clock: StillClock) -> None:
    await shop.add_signing_key()
    clock.go_on(1)
    await shop.rotate_signing_key(grace=GRACE)
    ends = timestamp(clock.now() + GRACE)
    async with nothing_changes(acme, shop):
        for verb in (shop.rotate_signing_key, shop.add_signing_key):
            with pytest.raises(StillInUseError, match=f"retire one, then add the next, or wait until {ends}, when"):
                await verb()
    clock.go_on(GRACE.total_seconds())
    # One that has ended takes no room, also where nobody has removed it yet.
    await shop.add_signing_key()
    with pytest.raises(StillInUseError, match=r"retire one, then add the next$"):
        await shop.rotate_signing_key()


async def test_a_key_that_ends_soon_is_not_prolonged(shop: ProjectAdmin, clock: StillClock) -> None:
    first = await shop.add_signing_key()
    clock.go_on(1)
    second = await shop.rotate_signing_key(grace=GRACE)
    until = clock.now() + GRACE
    await shop.retire_signing_key(second.id)
    clock.go_on(1)
    third = await shop.rotate_signing_key(grace=timedelta(days=30))
    assert [(key.id, key.until) for key in await shop.list_signing_keys()] == [(first.id, until), (third.id, None)]


async def test_there_is_nothing_to_replace_without_a_key(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    async with nothing_changes(acme, shop):
        with pytest.raises(DoesNotExistError, match="the project 'shop' has no signing key to replace: add one"):
            await shop.rotate_signing_key()


@pytest.mark.parametrize("grace", [timedelta(0), timedelta(seconds=-1), timedelta(days=30, microseconds=1)])
async def test_a_grace_that_cannot_be_is_refused(acme: TenantAdmin, shop: ProjectAdmin, grace: timedelta) -> None:
    await shop.add_signing_key()
    async with nothing_changes(acme, shop):
        with pytest.raises(InvalidValueError, match="stays good for a second to 30 days, not for"):
            await shop.rotate_signing_key(grace=grace)
    assert await errands(shop) == []


@pytest.mark.parametrize("grace", [timedelta(seconds=1), timedelta(days=30)])
async def test_both_ends_of_the_grace_belong_to_it(shop: ProjectAdmin, grace: timedelta, clock: StillClock) -> None:
    await shop.add_signing_key()
    await shop.rotate_signing_key(grace=grace)
    assert max(key.until for key in await shop.list_signing_keys() if key.until) == clock.now() + grace


async def test_a_session_key_is_made_of_a_key_that_is_good(shop: ProjectAdmin, clock: StillClock) -> None:
    old = await shop.add_signing_key()
    clock.go_on(1)
    new = await shop.rotate_signing_key(grace=GRACE)
    await shop.retire_signing_key(new.id)
    assert (await shop.session_key(user="alice")).id.split(".")[1] == old.id
    clock.go_on(GRACE.total_seconds())
    with pytest.raises(DoesNotExistError, match="has no signing key to make a session key of"):
        await shop.session_key(user="alice")


async def test_what_has_ended_goes_and_the_rest_is_looked_at_when_it_ends(
    acme: TenantAdmin, shop: ProjectAdmin, clock: StillClock
) -> None:
    old = await shop.add_signing_key()
    clock.go_on(1)
    new = await shop.rotate_signing_key(grace=GRACE)
    worker = worker_of(shop)
    async with nothing_changes(acme, shop):
        await worker.look()
        clock.go_on(GRACE.total_seconds() - 1)
        await worker.look()
    clock.go_on(1)
    async with one_change(acme, shop, "signing-key.retired"):
        await worker.look()
    assert [key.id for key in await shop._list(SigningKey)] == [new.id]
    last = (await entries(acme))[-1]
    assert (last.actor, data(last)) == ("gate", {"key": old.id})
    async with nothing_changes(acme, shop):
        await worker.look()


async def test_an_errand_before_its_time_waits_for_the_end_of_the_key(shop: ProjectAdmin, clock: StillClock) -> None:
    await shop.add_signing_key()
    await shop.rotate_signing_key(grace=GRACE)
    await agenda.note(shop._office.store, TOPIC, shop.tenant, shop.id, clock.now())
    await worker_of(shop).look()
    assert [errand.due <= clock.now() + GRACE for errand in await errands(shop)] == [True]
    clock.go_on(GRACE.total_seconds())
    await worker_of(shop).look()
    assert len(await shop._list(SigningKey)) == 1


async def test_who_dies_between_the_note_and_the_change_leaves_all_as_it_was(
    acme: TenantAdmin, shop: ProjectAdmin, clock: StillClock
) -> None:
    await shop.add_signing_key()
    await old_signing_keys.announce(shop._office, shop.tenant, shop.id, GRACE)
    clock.go_on(GRACE.total_seconds())
    async with nothing_changes(acme, shop):
        await worker_of(shop).look()
    assert len(await shop.list_signing_keys()) == 1


async def test_a_project_that_is_gone_keeps_nobody_waiting(
    acme: TenantAdmin, shop: ProjectAdmin, clock: StillClock
) -> None:
    await shop.add_signing_key()
    await shop.rotate_signing_key(grace=GRACE)
    await acme.remove_project(shop.name)
    known = await kinds(acme)
    clock.go_on(GRACE.total_seconds())
    await worker_of(shop).look()
    assert await kinds(acme) == known


async def test_two_workers_at_once_remove_it_once(acme: TenantAdmin, shop: ProjectAdmin, clock: StillClock) -> None:
    await shop.add_signing_key()
    await shop.rotate_signing_key(grace=GRACE)
    clock.go_on(GRACE.total_seconds())
    await asyncio.gather(*(worker_of(shop).look() for _ in range(4)))
    assert (await kinds(acme)).count("signing-key.retired") == 1


async def test_the_worker_of_an_open_keychain_looks_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(old_signing_keys, "LOOK_SECONDS", 0.01)
    async with APIKeyChain.in_memory() as keychain:
        shop = await (await keychain.create_tenant("globex")).create_project("shop")
        await shop.add_signing_key()
        await shop.rotate_signing_key(grace=timedelta(seconds=1))

        async def is_one() -> bool:
            return len(await shop._list(SigningKey)) == 1

        await until(is_one)


async def _with_one_ended(keychain: APIKeyChain, clock: StillClock, *names: str) -> list[ProjectAdmin]:
    shops = []
    for name in names:
        shop = await (await keychain.create_tenant(name)).create_project("shop")
        shop._office = replace(shop._office, now=clock.now)
        await shop.add_signing_key()
        await shop.rotate_signing_key(grace=GRACE)
        shops.append(shop)
    clock.go_on(GRACE.total_seconds())
    return shops


async def test_a_store_that_is_away_is_asked_again(clock: StillClock, caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    async with APIKeyChain.in_memory(store=store) as keychain:
        [shop] = await _with_one_ended(keychain, clock, "globex")
        store.reachable = False
        await worker_of(shop).look()
        store.reachable = True
        assert len(await shop._list(SigningKey)) == 2
        await worker_of(shop).look()
        assert len(await shop._list(SigningKey)) == 1
    assert not [record for record in caplog.records if "signing keys" in record.getMessage()]


class BrokenStore(MemoryStore):
    """Breaks for one tenant, or for all, in a way that no store may."""

    def __init__(self) -> None:
        super().__init__()
        self.broken: dict[str, Exception] = {}

    @asynccontextmanager
    async def tenant(self, tenant: TenantId) -> AsyncGenerator[MemoryTenantStore, None]:
        self._break(tenant)
        async with super().tenant(tenant) as rows:
            yield rows

    @asynccontextmanager
    async def reading(self, tenant: TenantId) -> AsyncGenerator[MemoryTenantReader, None]:
        self._break(tenant)
        async with super().reading(tenant) as rows:
            yield rows

    def _break(self, tenant: str) -> None:
        if tenant in self.broken:
            raise self.broken[tenant]


@pytest.mark.parametrize("error", [ZeroDivisionError("a value"), ConflictError()], ids=["bug", "conflict"])
async def test_what_fails_with_one_project_keeps_no_other_waiting(
    clock: StillClock, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    store = BrokenStore()
    async with APIKeyChain.in_memory(store=store) as keychain:
        shops = await _with_one_ended(keychain, clock, "alpha", "omega")
        store.broken["alpha"] = error
        await worker_of(shops[0]).look()
        store.broken.clear()
        assert [len(await shop._list(SigningKey)) for shop in shops] == [2, 1]
        await worker_of(shops[0]).look()
        assert [len(await shop._list(SigningKey)) for shop in shops] == [1, 1]
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(told) == isinstance(error, ZeroDivisionError)
    assert not any("a value" in text for text in told)


async def test_an_agenda_that_breaks_ends_nothing(clock: StillClock, caplog: pytest.LogCaptureFixture) -> None:
    store = BrokenStore()
    async with APIKeyChain.in_memory(store=store) as keychain:
        [shop] = await _with_one_ended(keychain, clock, "globex")
        store.broken["platform"] = ZeroDivisionError("a value")
        await worker_of(shop).look()
        store.broken.clear()
        await worker_of(shop).look()
        assert len(await shop._list(SigningKey)) == 1
    [told] = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert told.startswith("it could not be read which signing keys have ended\n")
    assert "a value" not in told
