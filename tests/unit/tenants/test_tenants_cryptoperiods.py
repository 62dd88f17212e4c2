"""The platform key turns by itself, when the host says so: after a time, and after as many keys as it may wrap."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from apikeychain import APIKeyChain, APIKeyChainSettings
from apikeychain.backends.memory_keys import MemoryKeyService
from apikeychain.backends.memory_store import MemoryStore
from apikeychain.errors import AlreadyExistsError, BackendUnavailableError, ConflictError
from apikeychain.listing import every
from apikeychain.model.cryptoperiod import Cryptoperiod
from apikeychain.model.errand import Errand
from apikeychain.model.records import Tenant
from apikeychain.rules.chain import PLATFORM
from apikeychain.tenants import cryptoperiods, key_schedule, platform_key
from apikeychain.tenants.change import Office
from apikeychain.tenants.tenant import TenantAdmin
from apikeychain.testing.chains import chain
from management import data, fill, kinds

DAY = timedelta(days=1)
OFF = APIKeyChainSettings(kdf="pbkdf2-sha512", key_max_age_days=0)
ON = replace(OFF, platform_key_max_age_days=30)


@pytest.fixture
def bao() -> MemoryKeyService:
    return MemoryKeyService()


@pytest.fixture
async def keychain(tmp_path: Path, bao: MemoryKeyService) -> AsyncGenerator[APIKeyChain, None]:
    async with APIKeyChain.embedded(tmp_path, settings=OFF, key_services={"bao": bao}) as keychain:
        yield keychain


def later(office: Office, time: timedelta, settings: APIKeyChainSettings = ON) -> Office:
    """The office, so much later."""
    moment = office.now() + time
    return replace(office, now=lambda: moment, settings=settings)


async def periods(office: Office) -> dict[str, Cryptoperiod]:
    async with office.store.reading(PLATFORM) as rows:
        return {period.name: period for period in await every(rows, Cryptoperiod)}


async def due(office: Office) -> list[str]:
    async with office.store.reading(PLATFORM) as rows:
        return [errand.subject for errand in await every(rows, Errand) if errand.tenant == PLATFORM]


async def note_and_look(office: Office, failed: key_schedule.Later | None = None) -> None:
    """As a server does each minute."""
    await cryptoperiods.note_uses(office)
    await key_schedule.look(office, {} if failed is None else failed)


async def deeds(office: Office) -> list[tuple[str, str, str]]:
    found = await chain(office.store, PLATFORM)
    return [(e.kind, e.actor, str(data(e)["key_service"])) for e in found if e.kind.startswith("key.")]


async def test_it_turns_when_it_is_old_and_ten_minutes_later_everything_is_wrapped_anew(
    keychain: APIKeyChain, acme: TenantAdmin
) -> None:
    office = later(acme._office, timedelta(0))
    await fill(await acme.create_project("shop"))
    await cryptoperiods.note_uses(office)
    assert sorted(await due(office)) == ["bao", "default"]
    await key_schedule.look(later(office, 29 * DAY), {})
    assert await deeds(office) == []
    first = later(office, 31 * DAY)
    await key_schedule.look(first, {})
    assert sorted(await deeds(office)) == [("key.rotated", "schedule", name) for name in ("bao", "default")]
    found = await periods(office)
    assert {(found[name].version, found[name].rewrapped) for name in found} == {(2, 0)}
    await key_schedule.look(later(first, timedelta(minutes=11)), {})
    assert sorted((await deeds(office))[2:]) == [("key.rewrapped", "schedule", name) for name in ("bao", "default")]
    assert {period.rewrapped for period in (await periods(office)).values()} == {2}
    # What was wrapped under the first version is under the second now: the first may go.
    await keychain.retire_platform_key(1)
    office.vault.forget(None)
    await acme.verify_ledger()
    await keychain.rewrap_keys()
    for days in (32, 60):
        await key_schedule.look(later(office, days * DAY), {})
    assert len([kind for kind, actor, _ in await deeds(office) if actor == "schedule"]) == 4
    await key_schedule.look(later(office, 62 * DAY), {})
    assert [kind for kind, actor, _ in await deeds(office) if actor == "schedule"].count("key.rotated") == 4


async def test_it_turns_after_as_many_keys_as_it_may_wrap(acme: TenantAdmin) -> None:
    settings = replace(OFF, platform_key_max_uses=5)
    office = replace(acme._office, settings=settings)
    await cryptoperiods.note_uses(office)
    # The two keys of the tenant, and nothing else yet.
    assert (await periods(office))["default"].uses == 2
    assert await due(office) == []
    await fill(await acme.create_project("shop"))
    await cryptoperiods.note_uses(office)
    await cryptoperiods.note_uses(office)
    assert ((await periods(office))["default"].uses, await due(office)) == (5, ["default"])
    await key_schedule.look(later(office, timedelta(hours=23), settings), {})
    assert await deeds(office) == []
    await key_schedule.look(later(office, 2 * DAY, settings), {})
    assert await deeds(office) == [("key.rotated", "schedule", "default")]
    assert ((await periods(office))["default"].uses, (await periods(office))["bao"].version) == (0, 0)


async def test_a_turn_by_command_counts(keychain: APIKeyChain, acme: TenantAdmin) -> None:
    await keychain.rotate_platform_key()
    made = (await periods(acme._office))["default"]
    assert (made.version, made.uses, made.rewrapped) == (2, 0, 0)
    await keychain.rewrap_keys(after="acme")
    assert (await periods(acme._office))["default"].rewrapped == 0
    await keychain.rewrap_keys()
    assert (await periods(acme._office))["default"].rewrapped == 2


async def test_what_cannot_be_wrapped_anew_is_told_and_tried_again(
    acme: TenantAdmin, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    office = later(acme._office, 31 * DAY)
    await cryptoperiods.note_uses(later(acme._office, timedelta(0)))
    await note_and_look(office)
    broken = True

    async def rewrap(*_: object) -> None:
        if broken:
            raise ConflictError

    monkeypatch.setattr(platform_key, "rewrap_keys", rewrap)
    now = later(office, timedelta(minutes=11))
    await note_and_look(now)
    assert "the keys of the tenant acme are not wrapped anew: ConflictError" in caplog.text
    assert (await periods(office))["default"].behind == ("acme",)
    broken = False
    for minutes in (1, 59, 61, 62):
        assert (await periods(office))["default"].rewrapped == 0
        await note_and_look(later(now, timedelta(minutes=minutes)))
    assert (await periods(office))["default"].rewrapped == 2


async def test_one_that_does_not_answer_is_told_and_the_other_turns(
    acme: TenantAdmin, bao: MemoryKeyService, caplog: pytest.LogCaptureFixture
) -> None:
    await cryptoperiods.note_uses(later(acme._office, timedelta(0)))
    bao.reachable = False
    await note_and_look(later(acme._office, 31 * DAY))
    assert await deeds(acme._office) == [("key.rotated", "schedule", "default")]
    told = "the platform key of the key service 'bao' is due and was not turned: BackendUnavailableError"
    assert told in caplog.text


async def test_nothing_is_wrapped_anew_before_every_server_wraps_under_the_new_version(
    acme: TenantAdmin,
) -> None:
    await cryptoperiods.note_uses(later(acme._office, timedelta(0)))
    office = later(acme._office, 31 * DAY)
    failed = key_schedule.Later()
    wrapped: list[int] = []
    for minutes in range(14):
        await note_and_look(later(office, timedelta(minutes=minutes)), failed)
        wrapped.append(sum(kind == "key.rewrapped" for kind, _, name in await deeds(office) if name == "default"))
    assert wrapped == [0] * 10 + [1] * 4


async def test_one_whose_keys_do_not_open_has_nobody_else_wrapped_anew_again_and_keeps_no_version_back(
    keychain: APIKeyChain, acme: TenantAdmin
) -> None:
    office = acme._office
    await cryptoperiods.note_uses(office)
    bad = await keychain.create_tenant("bad")
    async with office.store.tenant(bad.id) as rows:
        owner = await rows.get(Tenant, ())
        assert owner is not None
        await rows.replace(replace(owner, wrapped_pseudonym_key=b"other", generation=2), 1)
    failed, moment = key_schedule.Later(), timedelta(days=30)
    while moment < timedelta(days=95):
        await note_and_look(later(office, moment), failed)
        moment += timedelta(minutes=4) if moment.total_seconds() % DAY.total_seconds() < 1800 else timedelta(hours=6)
    found = await periods(office)
    assert (found["default"].version, found["default"].behind, found["bao"].rewrapped) == (4, ("bad",), 4)
    assert (await kinds(acme)).count("key.rewrapped") == 3
    assert [kind for kind, _, name in await deeds(office) if name == "default"] == ["key.rotated", "key.rewrapped"] * 3


async def test_nothing_is_due_that_the_host_does_not_ask_for_or_has_no_more(acme: TenantAdmin, tmp_path: Path) -> None:
    office = later(acme._office, timedelta(0))
    await cryptoperiods.note_uses(office)
    async with APIKeyChain.embedded(tmp_path, settings=OFF) as beside:
        for minutes in range(30):
            await key_schedule.look(later(beside._office, 31 * DAY + timedelta(minutes=minutes)), {})
        assert await due(office) == ["default"]
        assert {name for _, _, name in await deeds(office)} == {"default"}
        for minutes in range(30):
            await key_schedule.look(later(beside._office, 90 * DAY + timedelta(minutes=minutes), OFF), {})
    assert await due(office) == []


@pytest.mark.parametrize("settings", [ON, OFF], ids=["on", "off"])
async def test_a_keychain_counts_where_the_platform_key_turns_and_notes_it_at_the_end(
    settings: APIKeyChainSettings,
) -> None:
    assert cryptoperiods.NOTE_SECONDS == 60
    store, keys = MemoryStore(), MemoryKeyService()
    async with APIKeyChain.in_memory(store=store, key_service=keys, settings=settings) as keychain:
        await asyncio.sleep(0.01)
        await keychain.create_tenant("acme")
        office = keychain._office
    assert [period.uses for period in (await periods(office)).values()] == ([2] if settings is ON else [])


@pytest.mark.parametrize("lets_go", [True, False], ids=["it can be cancelled", "it cannot"])
@pytest.mark.parametrize("begins", ["while it is noted", "at the end"])
async def test_a_store_that_hangs_keeps_nobody_from_ending(
    acme: TenantAdmin, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, begins: str, *, lets_go: bool
) -> None:
    assert cryptoperiods.LAST_SECONDS == 2
    monkeypatch.setattr(cryptoperiods, "LAST_SECONDS", 0.1)
    door, asked = asyncio.Event(), asyncio.Event()
    counted = 0

    async def note_uses(_: Office) -> None:
        nonlocal counted
        counted += 1
        asked.set()
        while not door.is_set() and (begins != "at the end" or counted > 1):
            try:
                await door.wait()
            except asyncio.CancelledError:
                if lets_go:
                    raise

    monkeypatch.setattr(cryptoperiods, "note_uses", note_uses)
    task = asyncio.create_task(cryptoperiods.run(acme._office))
    await asked.wait()
    await asyncio.sleep(0)
    task.cancel()
    async with asyncio.timeout(5):
        await asyncio.wait([task])
    assert task.cancelled()
    # Never two at once, who would count the same keys twice.
    assert counted == (2 if begins == "at the end" else 1)
    assert "is lost: the store does not answer" in caplog.text
    door.set()
    await asyncio.sleep(0.01)


async def test_what_fails_is_noted_the_next_time(
    acme: TenantAdmin, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cryptoperiods, "NOTE_SECONDS", 0.01)
    faults = iter([BackendUnavailableError(), ConflictError(), AlreadyExistsError(), ZeroDivisionError()])
    done = asyncio.Event()

    async def note_uses(_: Office) -> None:
        for fault in faults:
            raise fault
        done.set()

    monkeypatch.setattr(cryptoperiods, "note_uses", note_uses)
    task = asyncio.create_task(cryptoperiods.run(acme._office))
    async with asyncio.timeout(5):
        await done.wait()
    task.cancel()
    await asyncio.wait([task])
    assert caplog.text.count("is noted in a minute: the store does not take it") == 3
    assert "what the key services wrapped is noted in a minute\n" in caplog.text
    assert "ZeroDivisionError" in caplog.text


async def test_two_who_count_at_once_lose_nothing(acme: TenantAdmin) -> None:
    office = acme._office

    def used(key: Cryptoperiod) -> Cryptoperiod:
        return replace(key, uses=key.uses + 1)

    await asyncio.gather(*(cryptoperiods.remember(office, "default", used) for _ in range(8)))
    assert (await periods(office))["default"].uses == 8


@pytest.mark.parametrize("error", [ConflictError, AlreadyExistsError])
async def test_who_is_overtaken_again_and_again_says_so(
    acme: TenantAdmin, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    asked = 0

    async def overtaken(*_: object) -> Cryptoperiod:
        nonlocal asked
        asked += 1
        raise error

    monkeypatch.setattr(cryptoperiods, "_remembered", overtaken)
    with pytest.raises(error):
        await cryptoperiods.known(acme._office, "default")
    assert asked == 20
