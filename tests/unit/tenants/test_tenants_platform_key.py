"""The platform key turns while tenants move, and no version of it goes that somebody needs."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from apikeychain import APIKeyChain, APIKeyChainSettings
from apikeychain.backends.memory_keys import MemoryKeyService
from apikeychain.errors import (
    BackendUnavailableError,
    ConflictError,
    DoesNotExistError,
    InvalidValueError,
    SealedValueError,
    StillInUseError,
)
from apikeychain.listing import every
from apikeychain.model.cryptoperiod import Cryptoperiod
from apikeychain.model.ids import TenantId
from apikeychain.model.keys import KeyContext
from apikeychain.model.records import ProjectKey, Tenant
from apikeychain.rules.chain import PLATFORM
from apikeychain.tenants import keys, platform_key
from apikeychain.tenants.tenant import TenantAdmin
from apikeychain.testing.chains import chain
from management import fill, kinds

QUICK = APIKeyChainSettings(kdf="pbkdf2-sha512")


class Between(MemoryKeyService):
    """Lets something happen after it was asked so many times to wrap."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.meanwhile: dict[int, Callable[[], Any]] = {}

    async def wrap(self, key: bytes, context: KeyContext) -> bytes:
        wrapped = await super().wrap(key, context)
        self.asked += 1
        if self.asked in self.meanwhile:
            await self.meanwhile[self.asked]()
        return wrapped


@pytest.fixture
def theirs() -> Between:
    return Between()


@pytest.fixture
async def keychain(tmp_path: Path, theirs: Between) -> AsyncGenerator[APIKeyChain, None]:
    async with APIKeyChain.embedded(tmp_path, settings=QUICK, key_services={"theirs": theirs}) as keychain:
        yield keychain


@pytest.fixture
async def acme(keychain: APIKeyChain) -> TenantAdmin:
    acme = await keychain.create_tenant("acme")
    for name in ("one", "two"):
        await fill(await acme.create_project(name))
    return acme


async def require_open(keychain: APIKeyChain, acme: TenantAdmin) -> None:
    """Every key of the tenant unwraps."""
    office = keychain._office
    office.vault.forget(None)
    async with office.store.reading(acme.id) as rows:
        owner, keys = await rows.get(Tenant, ()), await every(rows, ProjectKey)
    assert owner is not None
    await office.vault.open_keys(owner, keys)
    await office.vault.pseudonym_key(owner)


async def damage(keychain: APIKeyChain, *tenants: str) -> None:
    for tenant in tenants:
        async with keychain._office.store.tenant(TenantId(tenant)) as rows:
            owner = await rows.get(Tenant, ())
            assert owner is not None
            damaged = replace(owner, wrapped_secret=b"other", generation=owner.generation + 1)
            await rows.replace(damaged, owner.generation)


async def of_platform(keychain: APIKeyChain) -> list[str]:
    return [entry.kind for entry in await chain(keychain._office.store, PLATFORM)]


async def period(keychain: APIKeyChain) -> Cryptoperiod:
    async with keychain._office.store.reading(PLATFORM) as rows:
        found = await rows.get(Cryptoperiod, ("default",))
    assert found is not None
    return found


async def test_a_platform_key_that_turns_while_a_tenant_is_moved_there_destroys_nothing(
    keychain: APIKeyChain, acme: TenantAdmin, theirs: Between
) -> None:
    async def turned() -> None:
        newest = await keychain.rotate_platform_key(key_service="theirs")
        # The tenant is elsewhere still: it is passed by.
        assert await keychain.rewrap_keys(key_service="theirs") == platform_key.Rewrapped(tenants=0, failed=())
        await keychain.retire_platform_key(newest - 1, key_service="theirs")

    theirs.meanwhile[8] = turned
    with pytest.raises(ConflictError, match="the platform key of 'theirs' turned while keys were moved there"):
        await acme.move_keys("theirs")
    await require_open(keychain, acme)
    assert "tenant.changed" not in await kinds(acme)
    assert await acme.move_keys("theirs") == 3
    await require_open(keychain, acme)


async def test_a_platform_key_that_turns_while_what_was_moved_is_opened_keeps_the_tenant_where_it_is(
    keychain: APIKeyChain, acme: TenantAdmin, theirs: Between, monkeypatch: pytest.MonkeyPatch
) -> None:
    opens = keys._require_open

    async def turned(*given: Any) -> None:
        await opens(*given)
        await keychain.rotate_platform_key(key_service="theirs")

    monkeypatch.setattr(keys, "_require_open", turned)
    with pytest.raises(ConflictError, match="turned while"):
        await acme.move_keys("theirs")
    assert "tenant.changed" not in await kinds(acme)


async def test_a_version_that_others_destroy_while_a_tenant_is_moved_there_destroys_nothing(
    keychain: APIKeyChain, acme: TenantAdmin, theirs: Between
) -> None:
    async def turned() -> None:
        await theirs.retire(await theirs.rotate() - 1)

    theirs.meanwhile[8] = turned
    with pytest.raises(SealedValueError):
        await acme.move_keys("theirs")
    await require_open(keychain, acme)
    assert "tenant.changed" not in await kinds(acme)


async def test_a_platform_key_that_was_wrapped_under_anew_meanwhile_is_as_one_that_turned(
    keychain: APIKeyChain, acme: TenantAdmin, theirs: Between
) -> None:
    await keychain.rotate_platform_key(key_service="theirs")
    theirs.meanwhile[2] = lambda: keychain.rewrap_keys(key_service="theirs")
    with pytest.raises(ConflictError, match="turned while"):
        await acme.move_keys("theirs")
    assert await acme.move_keys("theirs") == 3


async def test_no_version_goes_before_everything_was_wrapped_anew_unless_it_is_forced(
    keychain: APIKeyChain, acme: TenantAdmin
) -> None:
    await keychain.rotate_platform_key()
    with pytest.raises(StillInUseError, match="under version 1 of the platform key still: wrap everything anew first"):
        await keychain.retire_platform_key(1)
    await damage(keychain, "acme")
    assert (await keychain.rewrap_keys()).failed == ("acme",)
    with pytest.raises(StillInUseError):
        await keychain.retire_platform_key(1)
    # A run that goes on behind a tenant says nothing of those before.
    await keychain.rewrap_keys(after="acme")
    with pytest.raises(StillInUseError):
        await keychain.retire_platform_key(1)
    await keychain.retire_platform_key(1, force=True)
    with pytest.raises(SealedValueError):
        await acme.rewrap_keys()


async def test_an_older_version_than_the_one_that_wrapped_everything_goes_and_the_newest_never_does(
    keychain: APIKeyChain, acme: TenantAdmin
) -> None:
    await keychain.rotate_platform_key()
    await keychain.rewrap_keys()
    await keychain.rotate_platform_key()
    await keychain.retire_platform_key(1)
    with pytest.raises(StillInUseError):
        await keychain.retire_platform_key(2)
    for force in (False, True):
        with pytest.raises(InvalidValueError):
            await keychain.retire_platform_key(3, force=force)
    await require_open(keychain, acme)


async def test_of_a_platform_key_that_others_turn_it_is_not_known_what_is_needed(
    keychain: APIKeyChain, theirs: Between
) -> None:
    await theirs.rotate()
    await keychain.retire_platform_key(1, key_service="theirs")
    await theirs.rotate()
    await keychain.rewrap_keys(key_service="theirs")
    await keychain.retire_platform_key(2, key_service="theirs")
    assert "key.retired" in await of_platform(keychain)


@pytest.mark.parametrize("fault", [ConflictError, DoesNotExistError])
async def test_what_changes_while_it_is_wrapped_anew_is_wrapped_anew_all_the_same(
    keychain: APIKeyChain, acme: TenantAdmin, monkeypatch: pytest.MonkeyPatch, fault: type[Exception]
) -> None:
    faults, rewrap = [fault] * 4, keys.rewrap_keys

    async def overtaken(*given: Any) -> int:
        if faults:
            raise faults.pop()
        return await rewrap(*given)

    monkeypatch.setattr(platform_key, "rewrap_keys", overtaken)
    assert await keychain.rewrap_keys() == platform_key.Rewrapped(tenants=1, failed=())
    faults += [fault] * 5
    assert await keychain.rewrap_keys() == platform_key.Rewrapped(tenants=0, failed=(acme.id,))


async def test_a_fault_of_any_kind_keeps_no_other_from_being_wrapped_anew(
    keychain: APIKeyChain, acme: TenantAdmin, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await keychain.create_tenant("other")
    rewrap = keys.rewrap_keys

    async def broken(office: Any, tenant: TenantId, *given: Any) -> int:
        if tenant == acme.id:
            raise ZeroDivisionError
        return await rewrap(office, tenant, *given)

    async def broken_too(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(platform_key, "rewrap_keys", broken)
    monkeypatch.setattr(platform_key, "rewrap_pairs", broken_too)
    assert await keychain.rewrap_keys() == platform_key.Rewrapped(tenants=1, failed=(acme.id, PLATFORM))
    assert "the keys of the tenant acme are not wrapped anew: " in caplog.text
    assert "the keys that sign checkpoints are not wrapped anew: " in caplog.text
    assert (await period(keychain)).behind == (acme.id, PLATFORM)


async def test_a_key_service_that_is_down_ends_the_run(
    keychain: APIKeyChain, acme: TenantAdmin, theirs: Between
) -> None:
    await acme.move_keys("theirs")
    theirs.reachable = False
    with pytest.raises(BackendUnavailableError):
        await keychain.rewrap_keys(key_service="theirs")
    assert "key.rewrapped" not in await of_platform(keychain)


async def test_a_key_service_that_refuses_one_tenant_alone_wraps_the_others_anew(
    keychain: APIKeyChain, acme: TenantAdmin, theirs: Between, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "last"):
        await keychain.create_tenant(name, key_service="theirs")
    rewrap = theirs.rewrap

    async def refused(wrapped: bytes, context: KeyContext) -> bytes:
        if context.tenant == "first":
            raise BackendUnavailableError
        return await rewrap(wrapped, context)

    monkeypatch.setattr(theirs, "rewrap", refused)
    came = await keychain.rewrap_keys(key_service="theirs")
    assert came == platform_key.Rewrapped(tenants=1, failed=(TenantId("first"),))


async def test_those_who_are_behind_are_tried_alone_and_all_are_when_none_is(
    keychain: APIKeyChain, acme: TenantAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform_key, "_MOST_BEHIND", 2)
    names = ("bad-1", "bad-2", "bad-3")
    kept: dict[str, bytes] = {}
    for name in names:
        tenant = await keychain.create_tenant(name)
        async with tenant._office.store.reading(tenant.id) as rows:
            owner = await rows.get(Tenant, ())
        assert owner is not None
        kept[name] = owner.wrapped_secret
    await keychain.rotate_platform_key()
    await damage(keychain, *names)
    assert (await keychain.rewrap_keys()).failed == names
    healthy = (await kinds(acme)).count("key.rewrapped")
    made = (await period(keychain)).created

    async def tried(hours: int) -> Cryptoperiod:
        moment = made + timedelta(hours=hours)
        office = replace(keychain._office, now=lambda: moment)
        return await platform_key.rewrap_behind(office, "default", "schedule", lambda: None)

    async def mend(name: str) -> None:
        async with keychain._office.store.tenant(TenantId(name)) as rows:
            owner = await rows.get(Tenant, ())
            assert owner is not None
            mended = replace(owner, wrapped_secret=kept[name], generation=owner.generation + 1)
            await rows.replace(mended, owner.generation)

    left = await tried(1)
    assert (left.behind, left.again) == (("bad-1", "bad-2"), made + timedelta(hours=2))
    assert (await of_platform(keychain)).count("key.rewrapped") == 1
    await mend("bad-1")
    left = await tried(24)
    assert (left.behind, left.again, left.tried) == (("bad-2",), made + timedelta(hours=48), 2)
    assert (await of_platform(keychain)).count("key.rewrapped") == 2
    await mend("bad-2")
    left = await tried(48)
    assert (left.behind, left.again, left.tried, left.rewrapped) == ((), None, 0, 0)
    assert (await kinds(acme)).count("key.rewrapped") == healthy
    # The third was one too many to be kept: it is found when all are tried again.
    assert (await keychain.rewrap_keys()).failed == ("bad-3",)
    await mend("bad-3")
    assert (await keychain.rewrap_keys()).failed == ()
    now = await period(keychain)
    assert (now.behind, now.again, now.tried, now.rewrapped) == ((), None, 2, 2)


async def test_who_is_behind_is_left_to_a_run_that_came_between(
    keychain: APIKeyChain, acme: TenantAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keychain.rotate_platform_key()
    await damage(keychain, "acme")
    await keychain.rewrap_keys()
    rewrap = keys.rewrap_keys

    async def overtaken(*given: Any) -> int:
        monkeypatch.setattr(platform_key, "rewrap_keys", rewrap)
        await keychain.rotate_platform_key()
        return await rewrap(*given)

    monkeypatch.setattr(platform_key, "rewrap_keys", overtaken)
    left = await platform_key.rewrap_behind(keychain._office, "default", "schedule", lambda: None)
    assert (left.version, left.tried, left.behind) == (3, 2, (acme.id,))
