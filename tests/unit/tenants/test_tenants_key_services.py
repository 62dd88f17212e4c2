"""Several key services in one keychain: a tenant is made with one, moved to another, and the platform key turns."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import pytest

from apikeychain import APIKeyChain, APIKeyChainSettings, Secret
from apikeychain.backends.memory_keys import MemoryKeyService
from apikeychain.errors import (
    BackendUnavailableError,
    ConflictError,
    DoesNotExistError,
    InvalidValueError,
    SealedValueError,
)
from apikeychain.ledger.verify import verify
from apikeychain.model.ids import TenantId
from apikeychain.model.keys import KeyContext
from apikeychain.model.records import ProjectKey, Tenant
from apikeychain.rules.chain import PLATFORM
from apikeychain.tenants import keys
from command import ROOT
from gate import open_gate
from management import CANARY, OTHER, WEATHER, fill

QUICK = APIKeyChainSettings(kdf="pbkdf2-sha512")


class Between(MemoryKeyService):
    """Lets something happen when it is asked to wrap."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], Any] | None = None

    async def wrap(self, key: bytes, context: KeyContext) -> bytes:
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        return await super().wrap(key, context)


@asynccontextmanager
async def several(
    folder: Path, kind: str, theirs: MemoryKeyService, ours: MemoryKeyService | None = None
) -> AsyncGenerator[APIKeyChain, None]:
    given: dict[str, Any] = {
        "settings": QUICK,
        "key_services": {"theirs": theirs},
        "key_service": ours or MemoryKeyService(),
    }
    keychain = APIKeyChain.in_memory(**given) if kind == "memory" else APIKeyChain.embedded(folder, **given)
    async with keychain:
        yield keychain


async def platform(keychain: APIKeyChain) -> list[tuple[str, dict[str, Any]]]:
    """What stands in the chain of the platform, which holds."""
    store = keychain._office.store
    await verify(store, PLATFORM, None)
    async with store.reading(PLATFORM) as records:
        return [(entry.kind, json.loads(entry.payload)["data"]) for entry in await records.entries(0, 100)]


async def stored(keychain: APIKeyChain, tenant: str) -> Tenant:
    async with keychain._office.store.reading(TenantId(tenant)) as records:
        found = await records.get(Tenant, ())
    assert found is not None
    return found


async def edit(keychain: APIKeyChain, tenant: str, name: str) -> None:
    """Write another name into a row, past every verb."""
    row = await stored(keychain, tenant)
    async with keychain._office.store.tenant(TenantId(tenant)) as records:
        await records.replace(replace(row, key_service=name, generation=row.generation + 1), row.generation)


@pytest.mark.parametrize("kind", ["memory", "embedded"])
async def test_a_tenant_is_made_with_a_key_service_and_an_unknown_one_is_refused(tmp_path: Path, kind: str) -> None:
    theirs = MemoryKeyService()
    async with several(tmp_path, kind, theirs) as keychain:
        await fill(await (await keychain.create_tenant("acme", key_service="theirs")).create_project("shop"))
        await fill(await (await keychain.create_tenant("other")).create_project("shop"))
        assert [(await stored(keychain, name)).key_service for name in ("acme", "other")] == ["theirs", "default"]
        with pytest.raises(InvalidValueError, match="no key service 'mine': this keychain has default, theirs"):
            await keychain.create_tenant("third", key_service="mine")
        assert await keychain.list_tenants() == ["acme", "other"]
        [made, *_] = await (await keychain.tenant("acme")).entries()
        assert json.loads(made.payload)["data"] == {"key_service": "theirs"}


@pytest.mark.parametrize("kind", ["memory", "embedded"])
async def test_a_tenant_is_moved_in_one_change_and_its_old_key_service_opens_nothing(tmp_path: Path, kind: str) -> None:
    theirs, ours = MemoryKeyService(), MemoryKeyService()
    async with several(tmp_path, kind, theirs, ours) as keychain:
        acme = await keychain.create_tenant("acme")
        shop = await acme.create_project("shop")
        await acme.create_project("empty")
        await fill(shop)
        before = await shop.show()
        assert await acme.move_keys("theirs") == 2
        assert (await stored(keychain, "acme")).key_service == "theirs"
        assert (await shop.show()).generation == before.generation + 1
        last = (await acme.entries())[-1]
        assert (last.kind, json.loads(last.payload)["data"]) == (
            "tenant.changed",
            {"before": "default", "key_service": "theirs", "keys": 2},
        )
        assert (await acme.verify_ledger()).size
        assert await acme.move_keys("theirs") == 0
        ours.reachable = False
        await shop.put_secret("weather", Secret(OTHER), provider=WEATHER.name)
        assert await acme.rewrap_keys() == 2
        await edit(keychain, "acme", "default")
        ours.reachable = True
        with pytest.raises(SealedValueError):
            await acme.rewrap_keys()
        with pytest.raises(InvalidValueError, match="no key service 'mine'"):
            await acme.move_keys("mine")


async def test_a_tenant_whose_keys_changed_meanwhile_is_not_moved(tmp_path: Path) -> None:
    theirs, ours = Between(), MemoryKeyService()
    async with several(tmp_path, "memory", theirs, ours) as keychain:
        acme = await keychain.create_tenant("acme")
        shop = await acme.create_project("shop")
        for meanwhile in (lambda: fill(shop), acme.rewrap_keys):
            theirs.meanwhile = meanwhile
            with pytest.raises(ConflictError, match="changed while they were moved"):
                await acme.move_keys("theirs")
            assert (await stored(keychain, "acme")).key_service == "default"
        theirs.reachable = False
        with pytest.raises(BackendUnavailableError):
            await acme.move_keys("theirs")
        await shop.put_secret("weather", Secret(CANARY), provider=WEATHER.name)


async def test_a_rewrap_into_which_a_move_comes_is_refused(tmp_path: Path) -> None:
    theirs, ours = MemoryKeyService(), Between()
    async with several(tmp_path, "memory", theirs, ours) as keychain:
        acme = await keychain.create_tenant("acme")
        shop = await acme.create_project("shop")
        await fill(shop)
        office = keychain._office
        rewrap = ours.rewrap

        async def moved_first(wrapped: bytes, context: KeyContext) -> bytes:
            ours.rewrap = rewrap  # type: ignore[method-assign]  # the verb of before
            await acme.move_keys("theirs")
            return await rewrap(wrapped, context)

        ours.rewrap = moved_first  # type: ignore[method-assign]  # a move comes between
        with pytest.raises(ConflictError):
            await keys.rewrap_keys_of(office, acme.id, shop.id, "host")
        async with office.store.reading(acme.id) as records:
            [key] = await records.list(ProjectKey, (), 10)
        await office.vault.open_keys(await stored(keychain, "acme"), [key])


async def test_a_first_key_that_was_wrapped_before_a_move_is_not_stored_after_it(tmp_path: Path) -> None:
    ours, theirs = Between(), MemoryKeyService()
    async with several(tmp_path, "memory", theirs, ours) as keychain:
        acme = await keychain.create_tenant("acme")
        shop = await acme.create_project("shop")
        ours.meanwhile = lambda: acme.move_keys("theirs")
        with pytest.raises(SealedValueError):
            await fill(shop)
        async with keychain._office.store.reading(acme.id) as records:
            assert await records.list(ProjectKey, (), 10) == []
        await fill(shop)


async def test_a_tenant_that_is_gone_has_no_keys_to_move() -> None:
    async with open_gate(key_services={"theirs": MemoryKeyService()}) as gate:
        with pytest.raises(DoesNotExistError, match="no tenant 'nobody'"):
            await keys.move_keys(gate.keychain._office, TenantId("nobody"), "theirs", "host")


async def test_one_key_service_that_is_down_or_lost_closes_its_own_tenants_and_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    theirs = MemoryKeyService()
    async with open_gate(key_services={"theirs": theirs}) as gate:
        assert (await gate.get()).status == 200
        await gate.acme.move_keys("theirs")
        other = await gate.keychain.create_tenant("other")
        await fill(await other.create_project("shop"))
        await asyncio.sleep(0.05)
        assert (await gate.get()).status == 200
        theirs.reachable = False
        gate.residence._forget(gate.shop.id)
        answer = await gate.get()
        assert (answer.status, answer.code) == (503, "backend-unavailable")
        await fill(await other.create_project("more"))
        theirs.reachable = True
        assert (await gate.get()).status == 200
        for name, code in (("lost", "backend-unavailable"), ("default", "ledger-unavailable")):
            await edit(gate.keychain, "acme", name)
            gate.residence._forget(gate.shop.id)
            answer = await gate.get()
            assert (answer.status, answer.code) == (503, code)
            await gate.get()
        assert caplog.text.count("key service 'lost' of the tenant acme is not given") == 1
        await edit(gate.keychain, "acme", "theirs")
        gate.residence._forget(gate.shop.id)
        assert (await gate.get()).status == 200


class Absent(MemoryKeyService):
    """Answers from the second time on that somebody enters it."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = self.left = 0
        self.there = asyncio.Event()

    async def __aenter__(self) -> Self:
        self.entered += 1
        if self.entered == 1:
            msg = "it is away"
            raise BackendUnavailableError(msg)
        self.there.set()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.left += 1


async def test_one_that_does_not_answer_at_the_start_is_opened_when_it_does(
    caplog: pytest.LogCaptureFixture,
) -> None:
    theirs = Absent()
    async with APIKeyChain.in_memory(settings=QUICK, key_services={"theirs": theirs}) as keychain:
        await fill(await (await keychain.create_tenant("other")).create_project("shop"))
        with pytest.raises(BackendUnavailableError, match="is not open yet"):
            await keychain.create_tenant("acme", key_service="theirs")
        async with asyncio.timeout(10):
            await theirs.there.wait()
        await asyncio.sleep(0.01)
        await keychain.create_tenant("acme", key_service="theirs")
    assert theirs.left == 1
    assert "the tenants of the key service 'theirs' are closed until it answers: it is away" in caplog.text


@pytest.mark.parametrize("kind", ["memory", "embedded"])
async def test_the_platform_key_turns_for_all_tenants_of_one_key_service(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apikeychain.tenants.platform_key._PAGE", 2)
    theirs, ours = MemoryKeyService(), MemoryKeyService()
    async with several(tmp_path, kind, theirs, ours) as keychain:
        for name in ("a", "b", "c", "d"):
            await keychain.create_tenant(name, key_service="theirs" if name == "b" else "default")
        await fill(await (await keychain.tenant("c")).create_project("shop"))
        assert await keychain.rotate_platform_key() == 2
        told: list[tuple[str, int]] = []
        came = await keychain.rewrap_keys(progress=lambda tenant, done: told.append((tenant, done)))
        assert (came.tenants, came.failed) == (3, ())
        assert told == [("a", 1), ("c", 2), ("d", 3)]
        assert (await keychain.rewrap_keys(after="c")).tenants == 1
        gone = await keychain.retire_platform_key(1)
        assert (datetime.now(UTC) - gone).total_seconds() < 60
        for name in ("a", "b", "c", "d"):
            await (await keychain.tenant(name)).rewrap_keys()
        entries = await platform(keychain)
        assert entries[:4] == [("tenant.created", {"tenant": name}) for name in ("a", "b", "c", "d")]
        del entries[:4]
        assert [kind for kind, _ in entries] == ["key.rotated", "key.rewrapped", "key.rewrapped", "key.retired"]
        assert entries[0][1] == {"key_service": "default", "version": 2}
        assert entries[1][1] == {"failed": 0, "key_service": "default", "tenants": 3}
        assert entries[3][1].keys() == {"gone", "key_service", "version"}
        with pytest.raises(InvalidValueError, match="no key service"):
            await keychain.rewrap_keys(key_service="mine")


async def test_a_tenant_whose_keys_do_not_open_is_named_and_the_others_are_wrapped_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with several(tmp_path, "embedded", MemoryKeyService()) as keychain:
        for name in ("a", "b", "c"):
            await keychain.create_tenant(name)
        row = await stored(keychain, "b")
        async with keychain._office.store.tenant(TenantId("b")) as records:
            await records.replace(replace(row, wrapped_secret=b"other", generation=2), 1)
        came = await keychain.rewrap_keys(key_service="default")
        assert (came.tenants, came.failed) == (2, ("b",))
        assert "the keys of the tenant b are not wrapped anew: SealedValueError" in caplog.text


async def test_what_the_page_says_moves_a_tenant_and_turns_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "how-to" / "use-several-key-services.md").read_text()
    names: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        exec(block, names)  # noqa: S102  # the page is ours, and running it is the test
    keychain: APIKeyChain = names["keychain"]
    async with keychain:
        await names["move"](keychain)
        await names["turn"](keychain)
        assert (await stored(keychain, "acme")).key_service == "default"
    told = capsys.readouterr().out
    assert told.startswith("1 keys are moved\n1 acme\ngone for good from 2")
