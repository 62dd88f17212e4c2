"""A tenant's secret turns: two overlap until every project has a key of the new one."""

from dataclasses import replace
from typing import Any

import pytest

from apikeychain import APIKeyChain, APIKeyChainSettings, Secret
from apikeychain.backends.memory_keys import MemoryKeyService
from apikeychain.doctor.keys import look_deeper
from apikeychain.errors import BackendUnavailableError, ConflictError, DoesNotExistError
from apikeychain.listing import every
from apikeychain.model.ids import ProjectId
from apikeychain.model.records import ProjectKey, RegisteredProvider, SealedSecret, Tenant
from apikeychain.tenants import secrets, tenant_secret
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.tenant import TenantAdmin
from apikeychain.tenants.tenant_secret import turn_tenant_secret
from apikeychain.tenants.turning import TurnedKey, turn_project_key
from management import CANARY, OTHER, WEATHER, data, entries, fill, kinds

QUICK = APIKeyChainSettings(kdf="pbkdf2-sha512")


@pytest.fixture
async def shops(acme: TenantAdmin) -> list[ProjectAdmin]:
    """Three projects with a secret each, in the order of their ids, and one without any."""
    made = [await acme.create_project(name) for name in ("one", "two", "three")]
    for shop in made:
        await fill(shop)
    await acme.create_project("empty")
    return sorted(made, key=lambda shop: shop.id)


async def owner_of(acme: TenantAdmin) -> Tenant:
    async with acme._office.store.reading(acme.id) as rows:
        owner = await rows.get(Tenant, ())
    assert owner
    return owner


async def keys_of(acme: TenantAdmin) -> list[ProjectKey]:
    async with acme._office.store.reading(acme.id) as rows:
        return await every(rows, ProjectKey)


async def require_open(shop: ProjectAdmin, secret: str = CANARY) -> None:
    office = shop._office
    office.vault.forget(None)
    async with office.store.reading(shop.tenant) as rows:
        owner, (sealed,) = await rows.get(Tenant, ()), await every(rows, SealedSecret, shop.id)
        keys = {key.version: key for key in await every(rows, ProjectKey, shop.id)}
        (weather,) = await every(rows, RegisteredProvider, shop.id)
    assert owner
    assert (await office.vault.open_secret(owner, keys, sealed, weather.provider)).matches(Secret(secret))


async def require_derived(acme: TenantAdmin) -> None:
    """The doctor derives every key again, from whichever of the two secrets it is from."""
    owner = await owner_of(acme)
    found = await look_deeper(acme._office.key_services.of(owner), owner, await keys_of(acme))
    assert {finding.state for finding in found} == {"ok"}


async def break_one(shop: ProjectAdmin) -> None:
    await shop.register_provider(replace(WEATHER, base_url="https://other.weather.example"))


async def test_every_project_has_a_key_of_the_new_secret_and_the_old_one_is_gone(
    acme: TenantAdmin, shops: list[ProjectAdmin]
) -> None:
    before = await owner_of(acme)
    told: list[str] = []
    came = await turn_tenant_secret(acme._office, acme.id, "ops", told.append)
    assert [key.project for key in came.turned] == told == [shop.id for shop in shops]
    assert (came.values, came.failed) == (3, ())
    after = await owner_of(acme)
    assert (after.secret_number, after.wrapped_old_secret) == (2, b"")
    assert after.wrapped_secret != before.wrapped_secret
    assert [(key.number, key.secret_number) for key in await keys_of(acme)] == [(2, 2)] * 3
    assert (await kinds(acme))[-5:] == ["tenant.changed", *["key.turned"] * 3, "tenant-secret.turned"]
    assert data((await entries(acme))[-1]) == data((await entries(acme))[-5]) == {"secret_number": 2}
    await require_derived(acme)
    for shop in shops:
        await require_open(shop)
    assert len((await acme.turn_secret()).turned) == 3
    assert (await owner_of(acme)).secret_number == 3
    await require_derived(acme)


async def test_while_one_project_fails_both_secrets_are_kept_and_the_next_run_ends_it(
    acme: TenantAdmin, shops: list[ProjectAdmin]
) -> None:
    await break_one(shops[1])
    came = await acme.turn_secret()
    assert ([key.project for key in came.turned], came.failed) == ([shops[0].id, shops[2].id], (shops[1].id,))
    half = await owner_of(acme)
    assert half.secret_number == 2
    assert half.wrapped_old_secret
    assert sorted(key.secret_number for key in await keys_of(acme)) == [1, 2, 2]
    assert "tenant-secret.turned" not in await kinds(acme)
    await require_derived(acme)
    assert await acme.rewrap_keys() == 4
    assert (await owner_of(acme)).wrapped_old_secret not in {b"", half.wrapped_old_secret}
    await require_derived(acme)
    await shops[1].register_provider(WEATHER)
    came = await acme.turn_secret()
    assert ([key.project for key in came.turned], came.failed) == ([shops[1].id], ())
    assert [key.number for key in await keys_of(acme)] == [2, 2, 2]
    ended = await owner_of(acme)
    assert (ended.secret_number, ended.wrapped_old_secret) == (2, b"")
    assert (await kinds(acme)).count("tenant.changed") == (await kinds(acme)).count("tenant-secret.turned") == 1
    await require_derived(acme)


async def test_a_key_that_is_made_meanwhile_is_of_the_new_secret(
    acme: TenantAdmin, shops: list[ProjectAdmin], monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = await acme.project("empty")
    await empty.register_provider(WEATHER)
    late = await secrets.first_key(acme._office, acme.id, empty.id)

    async def nobody(*_: object) -> tenant_secret.TurnedProjects:
        # One of the old secret, made before it turned, comes too late.
        with pytest.raises(ConflictError, match="the secret of the tenant 'acme' turned meanwhile: do it again"):
            async with empty._change() as change:
                await secrets.put(change, "weather", Secret(CANARY), "weather", late)
        await empty.put_secret("weather", Secret(OTHER), provider="weather")
        return tenant_secret.TurnedProjects(turned=(), failed=(empty.id,))

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(tenant_secret, "turn_projects", nobody)
        await acme.turn_secret()
    assert {key.project: key.secret_number for key in await keys_of(acme)} == {
        **dict.fromkeys((shop.id for shop in shops), 1),
        empty.id: 2,
    }
    assert [key.project for key in (await acme.turn_secret()).turned] == [shop.id for shop in shops]
    await require_open(empty, OTHER)
    await require_derived(acme)


async def test_the_old_secret_is_kept_while_any_key_is_of_it(
    acme: TenantAdmin, shops: list[ProjectAdmin], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forgotten(*_: object) -> tenant_secret.TurnedProjects:
        return tenant_secret.TurnedProjects(turned=(), failed=())

    monkeypatch.setattr(tenant_secret, "turn_projects", forgotten)
    with pytest.raises(ConflictError, match="there are keys of the old secret of the tenant 'acme'"):
        await acme.turn_secret()
    assert (await owner_of(acme)).wrapped_old_secret


async def test_of_two_runs_each_finds_what_the_other_left(acme: TenantAdmin, shops: list[ProjectAdmin]) -> None:
    await break_one(shops[0])
    await acme.turn_secret()
    await shops[0].register_provider(WEATHER)
    assert (await acme.turn_secret()).failed == ()
    await tenant_secret._end(acme._office, acme.id, "another run, which came late")
    assert (await kinds(acme)).count("tenant-secret.turned") == 1


async def test_a_fault_of_any_kind_keeps_no_other_project_and_no_other_tenant_waiting(
    keychain: APIKeyChain,
    acme: TenantAdmin,
    shops: list[ProjectAdmin],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    turn = turn_project_key
    other = await (await keychain.create_tenant("other")).create_project("shop")
    await fill(other)

    async def broken(office: Any, tenant: str, project: str, actor: str) -> TurnedKey | None:
        if project == shops[0].id:
            raise ZeroDivisionError
        return await turn(office, acme.id if tenant == acme.id else other.tenant, ProjectId(project), actor)

    async def broken_too(office: Any, tenant: str, *given: Any) -> tenant_secret.TurnedProjects:
        if tenant == acme.id:
            raise ZeroDivisionError
        return await turn_tenant_secret(office, other.tenant, *given)

    monkeypatch.setattr(tenant_secret, "turn_project_key", broken)
    came = await keychain.turn_keys()
    assert (came.tenants, came.projects, came.failed) == (2, 3, (f"acme/{shops[0].id}",))
    monkeypatch.setattr("apikeychain.tenants.key_run.turn_tenant_secret", broken_too)
    came = await keychain.turn_keys(secrets=True)
    assert (came.tenants, came.projects, came.failed) == (1, 1, ("acme",))
    assert f"the key of the project acme/{shops[0].id} is not turned: " in caplog.text
    assert "the keys of the tenant acme are not turned: " in caplog.text
    assert caplog.text.count("\nZeroDivisionError\n") == 2


async def test_a_project_that_is_removed_meanwhile_keeps_nothing_waiting(
    acme: TenantAdmin, shops: list[ProjectAdmin]
) -> None:
    gone = (await shops[0].show()).name
    await acme.remove_project(gone)
    came = await tenant_secret.turn_projects(acme._office, acme.id, [shop.id for shop in shops], "ops")
    assert ([key.project for key in came.turned], came.failed) == ([shops[1].id, shops[2].id], ())


async def test_the_two_move_to_another_key_service_and_are_erased_with_the_tenant() -> None:
    theirs = MemoryKeyService()
    async with APIKeyChain.in_memory(settings=QUICK, key_services={"theirs": theirs}) as keychain:
        acme = await keychain.create_tenant("acme")
        shop = await acme.create_project("shop")
        await fill(shop)
        await break_one(shop)
        await acme.turn_secret()
        assert await acme.move_keys("theirs") == 2
        await require_derived(acme)
        await shop.register_provider(WEATHER)
        assert (await acme.turn_secret()).failed == ()
        await require_open(shop)
        await break_one(shop)
        await acme.turn_secret()
        await keychain.erase_tenant("acme")
        gone = await owner_of(acme)
        assert (gone.wrapped_secret, gone.wrapped_old_secret, gone.wrapped_pseudonym_key) == (b"", b"", b"")
        with pytest.raises(DoesNotExistError, match="was erased"):
            await acme.turn_secret()


async def test_a_key_service_that_is_down_begins_nothing() -> None:
    service = MemoryKeyService()
    async with APIKeyChain.in_memory(settings=QUICK, key_service=service) as keychain:
        acme = await keychain.create_tenant("acme")
        await fill(await acme.create_project("shop"))
        before = await owner_of(acme)
        service.reachable = False
        with pytest.raises(BackendUnavailableError):
            await acme.turn_secret()
        assert await owner_of(acme) == before
        service.reachable = True
        assert (await acme.turn_secret()).failed == ()


@pytest.mark.parametrize("turned", [0, 1], ids=["the first secret", "a later one"])
async def test_an_old_secret_that_is_none_is_not_taken_for_a_run_that_broke(
    acme: TenantAdmin, shops: list[ProjectAdmin], turned: int
) -> None:
    for _ in range(turned):
        await acme.turn_secret()
    before = await owner_of(acme)
    async with acme._office.store.tenant(acme.id) as store:
        forged = replace(before, wrapped_old_secret=before.wrapped_secret, generation=before.generation + 1)
        await store.replace(forged, before.generation)
    assert len((await acme.turn_secret()).turned) == len(shops)
    after = await owner_of(acme)
    assert (after.secret_number, after.wrapped_old_secret) == (before.secret_number + 1, b"")
    assert after.wrapped_secret != before.wrapped_secret
    await require_derived(acme)
