"""A tenant is erased: what goes, what is left, and what an old copy of the database still opens."""

import asyncio
import contextlib
import logging
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apikeychain import APIKeyChain, Secret
from apikeychain.backends.local_keys import LocalKeyService
from apikeychain.backends.sql import SQLStore
from apikeychain.doctor.stored import look_at_stored
from apikeychain.embedded import DATABASE
from apikeychain.errors import (
    AlreadyExistsError,
    ConflictError,
    DamagedDataError,
    DoesNotExistError,
    InvalidValueError,
    SealedValueError,
    SecretUnavailableError,
)
from apikeychain.listing import every
from apikeychain.model.ids import TenantId
from apikeychain.model.records import CHAIN_KINDS, KINDS, ProjectKey, SealedSecret, Tenant
from apikeychain.model.rotators import ManualRotation
from apikeychain.rules.chain import PLATFORM
from apikeychain.tenants import erasure
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.tenant import TenantAdmin
from apikeychain.testing.chains import chain
from apikeychain.testing.records import ASSET_RECORDS, WATCH_RECORDS
from apikeychain.vault.key_services import KeyServices
from apikeychain.vault.vault import Vault
from gate import open_gate
from management import APP, CANARY, ROUTE, WEATHER, data, fill, kinds

_OF_A_TENANT = [kind for name, kind in KINDS.items() if name != Tenant.kind and name not in CHAIN_KINDS]
_ERASED = r"^the tenant 'acme' was erased: only its ledger is left, and its id is not given out again$"


async def stock(acme: TenantAdmin) -> ProjectAdmin:
    """A tenant with a record of every kind."""
    shop = await acme.ensure_project("shop")
    await fill(shop)
    await shop.add_signing_key()
    await shop.add_rotation("weather", ManualRotation())
    await shop.suspend("caller", "192.0.2.1", reason="a finding")
    async with acme._office.store.tenant(acme.id) as store:
        for record in (*WATCH_RECORDS, *ASSET_RECORDS):
            await store.insert(replace(record, project=shop.id))  # type: ignore[arg-type]  # each is of a project
    await acme.ensure_project("empty")
    return shop


async def records(keychain: APIKeyChain, tenant: str) -> dict[str, int]:
    """How many there are, by kind; those of its chain are left out."""
    async with keychain._office.store.reading(TenantId(tenant)) as store:
        found = {kind.kind: len(await every(store, kind)) for kind in _OF_A_TENANT}
        found[Tenant.kind] = len(await store.list(Tenant, (), 9))
    return {name: count for name, count in found.items() if count}


async def platform(keychain: APIKeyChain) -> list[tuple[str, str, dict[str, Any]]]:
    return [(e.kind, e.actor, data(e)) for e in await chain(keychain._office.store, PLATFORM)]


async def test_everything_goes_and_an_empty_record_and_the_ledger_are_left(keychain: APIKeyChain) -> None:
    acme, other = await keychain.create_tenant("acme"), await keychain.create_tenant("other")
    await stock(acme)
    await stock(other)
    before, others = await records(keychain, "acme"), await records(keychain, "other")
    size = len(await kinds(acme))
    came = await keychain.erase_tenant("acme", actor="ops")
    assert {**came.removed, "tenant": 1} == before
    assert set(came.removed) == {kind.kind for kind in _OF_A_TENANT}
    assert (sorted(came.projects), came.key_service, came.tenant) == (["empty", "shop"], "default", "acme")
    assert await records(keychain, "acme") == {"tenant": 1}
    assert await records(keychain, "other") == others
    async with keychain._office.store.reading(acme.id) as store:
        left = await store.get(Tenant, ())
    assert left is not None
    assert (left.wrapped_secret, left.wrapped_pseudonym_key, left.erased) == (b"", b"", came.erased)
    written = await kinds(acme)
    assert (len(written), written[-1]) == (size + 1, "tenant.erased")
    assert await platform(keychain) == [
        ("tenant.created", "host", {"tenant": "acme"}),
        ("tenant.created", "host", {"tenant": "other"}),
        ("tenant.erased", "ops", {"tenant": "acme"}),
    ]


async def test_every_verb_says_that_it_was_erased(keychain: APIKeyChain) -> None:
    acme = await keychain.create_tenant("acme")
    shop = await stock(acme)
    await keychain.erase_tenant("acme")
    found = await keychain.tenant("acme")
    verbs: list[Callable[[], Awaitable[Any]]] = [
        lambda: keychain.ensure_tenant("acme"),
        lambda: found.create_project("more"),
        lambda: found.ensure_project("shop"),
        lambda: found.project("shop"),
        found.list_projects,
        lambda: found.remove_project("shop"),
        found.rewrap_keys,
        lambda: found.move_keys("default"),
        shop.show,
        lambda: shop.configure(enabled=True),
        lambda: shop.configure(secrets={"weather": Secret(CANARY)}),
        shop.enable,
        shop.disable,
        lambda: shop.allow_origin(APP),
        lambda: shop.remove_origin(APP),
        shop.list_origins,
        lambda: shop.register_provider(WEATHER),
        lambda: shop.remove_provider("weather"),
        shop.list_providers,
        lambda: shop.add_route(ROUTE),
        lambda: shop.enable_route("weather"),
        lambda: shop.disable_route("weather"),
        lambda: shop.remove_route("weather"),
        shop.list_routes,
        lambda: shop.put_secret("weather", Secret(CANARY), provider="weather"),
        lambda: shop.remove_secret("weather"),
        shop.list_secrets,
        lambda: shop.add_rotation("weather", ManualRotation()),
        lambda: shop.rotate("weather"),
        lambda: shop.pause_rotation("weather"),
        lambda: shop.resume_rotation("weather"),
        lambda: shop.remove_rotation("weather"),
        shop.rotations,
        lambda: shop.suspend(reason="more"),
        lambda: shop.suspend("caller", "192.0.2.1", reason="more"),
        shop.lift,
        shop.list_suspensions,
        shop.add_signing_key,
        lambda: shop.retire_signing_key("k_abcdefghij"),
        shop.list_signing_keys,
        lambda: shop.session_key(user="u_1"),
        shop.rotate_signing_key,
        shop.turn_key,
        shop.watch,
        shop.set_watch,
        shop.findings,
        lambda: shop.assets.list(),
        found.turn_secret,
    ]
    names = {name for one in (TenantAdmin, ProjectAdmin) for name in dir(one) if not name.startswith("_")}
    of_ledger = {
        "entries",
        "verify_ledger",
        "examine_ledger",
        "retain_ledger",
        "prove",
        "prover",
        "erased",
        "url",
        "tenant",
    }
    called = {name for verb in verbs for name in (*verb.__code__.co_names, verb.__name__)}
    assert names - of_ledger - {"erased", "url", "tenant", "turn_here"} <= called
    before = await kinds(acme)
    for verb in verbs:
        with pytest.raises(DoesNotExistError, match=_ERASED):
            await verb()
    with pytest.raises(AlreadyExistsError, match=_ERASED):
        await keychain.create_tenant("acme")
    with pytest.raises(DoesNotExistError, match="there is no project"):
        await keychain.project(shop.id)
    assert await kinds(acme) == before
    assert await keychain.list_tenants() == ["acme"]


async def test_its_ledger_is_read_verified_and_retained(keychain: APIKeyChain) -> None:
    acme = await keychain.create_tenant("acme")
    assert await acme.erased() is None
    await stock(acme)
    head = (await acme.examine_ledger()).head
    came = await keychain.erase_tenant("acme")
    found = await keychain.tenant("acme")
    assert await found.erased() == came.erased
    assert (await found.examine_ledger(head)).anchored
    size = (await found.verify_ledger()).size
    assert len(await found.entries(0, 1000)) == size
    await keychain.checkpoint()
    assert (await found.retain_ledger(keychain._office.now())).dropped == size
    with pytest.raises(InvalidValueError, match="needs a time zone"):
        await found.retain_ledger(keychain._office.now().replace(tzinfo=None))


async def test_a_dry_run_tells_what_would_go_and_changes_nothing(keychain: APIKeyChain) -> None:
    acme = await keychain.create_tenant("acme")
    await stock(acme)
    before, written = await records(keychain, "acme"), await kinds(acme)
    would = await keychain.erase_tenant("acme", dry_run=True)
    assert ({**would.removed, "tenant": 1}, sorted(would.projects)) == (before, ["empty", "shop"])
    assert (await records(keychain, "acme"), await kinds(acme)) == (before, written)
    assert [kind for kind, _, _ in await platform(keychain)] == ["tenant.created"]
    assert await acme.erased() is None


async def test_erasing_again_changes_nothing(keychain: APIKeyChain) -> None:
    acme = await keychain.create_tenant("acme")
    await stock(acme)
    first = await keychain.erase_tenant("acme")
    written, told = await kinds(acme), await platform(keychain)
    for dry_run in (False, True):
        again = await keychain.erase_tenant("acme", dry_run=dry_run)
        assert (again.erased, again.projects, again.removed) == (first.erased, [], {})
    assert (await kinds(acme), await platform(keychain)) == (written, told)


async def test_what_a_killed_run_left_undone_is_done(keychain: APIKeyChain, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the two transactions: the tenant is erased, and the platform does not say so."""
    monkeypatch.setattr(erasure, "_PAGE", 2)
    for name in ("acme", "other", "third"):
        await keychain.create_tenant(name)
    await keychain.erase_tenant("other")

    async def killed(*_: object, **__: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(erasure, "_tell", killed)
        with pytest.raises(RuntimeError):
            await keychain.erase_tenant("acme")
    assert len(await platform(keychain)) == 4
    for _ in range(2):
        await keychain.erase_tenant("acme")
        assert [found["tenant"] for kind, _, found in await platform(keychain) if kind == "tenant.erased"] == [
            "other",
            "acme",
        ]


async def test_what_is_no_tenant_and_no_actor_is_refused(keychain: APIKeyChain) -> None:
    with pytest.raises(DoesNotExistError, match="there is no tenant 'acme'"):
        await keychain.erase_tenant("acme")
    with pytest.raises(InvalidValueError, match="tenant id"):
        await keychain.erase_tenant("a b")
    acme = await keychain.create_tenant("acme")
    with pytest.raises(InvalidValueError, match="opaque label"):
        await keychain.erase_tenant("acme", actor="ann@example.com")
    assert await acme.erased() is None


async def test_others_turn_the_platform_key_and_open_without_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keychain = APIKeyChain.embedded(tmp_path)
    async with keychain:
        for name in ("acme", "other"):
            await keychain.create_tenant(name)
        await keychain.erase_tenant("acme")
        await keychain.rotate_platform_key()
        came = await keychain.rewrap_keys()
        assert (came.tenants, came.failed) == (1, ())
        await keychain.retire_platform_key(1)
        office = keychain._office
        found = await look_at_stored(office.store, {"default": office.key_services.named("default")}, deep=True)
        assert all(finding.state == "ok" for finding in found)
        await keychain.erase_tenant("other")
    async with keychain:
        assert await keychain.list_tenants() == ["acme", "other"]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_who_wraps_its_keys_anew_meanwhile_does_not_bring_them_back(keychain: APIKeyChain) -> None:
    acme = await keychain.create_tenant("acme")
    wrap = type(keychain._plugs.key_service).rewrap

    async def slow(*given: Any) -> bytes:
        await keychain.erase_tenant("acme")
        return await wrap(keychain._plugs.key_service, *given)

    keychain._plugs.key_service.rewrap = slow  # type: ignore[method-assign, assignment]  # as long as an erasure
    with pytest.raises(ConflictError):
        await acme.rewrap_keys()
    assert await records(keychain, "acme") == {"tenant": 1}


async def test_what_cannot_be_read_keeps_the_whole_tenant(tmp_path: Path) -> None:
    async with APIKeyChain.embedded(tmp_path) as keychain:
        acme = await keychain.create_tenant("acme")
        await stock(acme)
        before = await kinds(acme)
        with contextlib.closing(sqlite3.connect(tmp_path / DATABASE)) as database, database:
            database.execute("UPDATE secrets SET body = '{}'")
        with pytest.raises(DamagedDataError, match="the stored secret"):
            await keychain.erase_tenant("acme")
        assert (await acme.erased(), await kinds(acme)) == (None, before)


async def test_calls_are_404_at_once_and_nothing_is_open_any_more() -> None:
    async with open_gate() as gate:
        assert (await gate.get()).status == 200
        await gate.keychain.erase_tenant("acme")
        await asyncio.sleep(0.02)  # until the news were heard
        answer = await gate.get()
        assert (answer.status, answer.code) == (404, "not-found")
        vault = gate.keychain._office.vault
        assert (len(vault._keys), len(vault._secrets)) == (0, 0)
        await asyncio.sleep(0.3)
        assert (await gate.acme.examine_ledger()).holds


async def test_an_old_copy_opens_until_the_version_that_wrapped_it_is_retired(tmp_path: Path) -> None:
    here, old, key_file = tmp_path / "here", tmp_path / "old", tmp_path / "key"
    async with APIKeyChain.embedded(here, key_file=key_file) as keychain:
        await stock(await keychain.create_tenant("acme"))
        await keychain.create_tenant("other")
    shutil.copytree(here, old)

    async def opened(what: str) -> str | bytes:
        """What whoever has the old copy and the key file of today gets out of it."""
        vault = Vault(KeyServices(LocalKeyService(key_file)), kdf="argon2id")
        async with SQLStore.sqlite(old / DATABASE) as store, store.reading(TenantId("acme")) as rows:
            (secret,), keys = await every(rows, SealedSecret), await every(rows, ProjectKey)
            tenant = await rows.get(Tenant, ())
        assert tenant is not None
        if what == "pseudonym key":
            return await vault.pseudonym_key(tenant)
        return (await vault.open_secret(tenant, {key.version: key for key in keys}, secret, WEATHER)).reveal().decode()

    async with APIKeyChain.embedded(here, key_file=key_file) as keychain:
        await keychain.erase_tenant("acme")
        assert await opened("secret") == CANARY
        await keychain.rotate_platform_key()
        assert (await keychain.rewrap_keys()).failed == ()
        assert await opened("secret") == CANARY
        assert len(await opened("pseudonym key")) == 32
        await keychain.retire_platform_key(1)
        assert await (await keychain.tenant("other")).rewrap_keys() == 1
    with pytest.raises(SecretUnavailableError):
        await opened("secret")
    with pytest.raises(SealedValueError):
        await opened("pseudonym key")
