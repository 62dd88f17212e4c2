"""A project's key turns: whole or not at all, and calls are served meanwhile."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apikeychain import APIKeyChain, APIKeyChainSettings, ProviderSecret, Secret
from apikeychain.backends.memory_keys import MemoryKeyService
from apikeychain.backends.sql import SQLStore
from apikeychain.errors import BackendUnavailableError, ConflictError, DoesNotExistError, SealedValueError
from apikeychain.listing import every
from apikeychain.model.ids import ProjectId
from apikeychain.model.keys import KeyContext
from apikeychain.model.records import ProjectKey, Record, SealedSecret, SigningKey, Tenant
from apikeychain.model.rotation_records import ProviderKey
from apikeychain.tenants import keys, turning
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.tenant import TenantAdmin
from apikeychain.tenants.turning import TurnedKey, turn_project_key
from apikeychain.vault.resealing import SEALED
from apikeychain.vault.turn import rewrap_project_key
from gate import KEY, Gate, open_gate
from management import CANARY, OTHER, WEATHER, data, entries, fill, kinds, nothing_changes, one_change

QUICK = APIKeyChainSettings(kdf="pbkdf2-sha512")


async def stored(acme: TenantAdmin) -> dict[type[Record], list[Any]]:
    """Everything that has to do with keys."""
    async with acme._office.store.reading(acme.id) as rows:
        found: dict[type[Record], list[Any]] = {kind: await every(rows, kind) for kind in (ProjectKey, *SEALED)}
        return {**found, Tenant: [await rows.get(Tenant, ())]}


async def stock(shop: ProjectAdmin) -> None:
    """Of each kind of sealed value one, and a key at the provider without one."""
    await fill(shop)
    await shop.put_secret("weather", Secret(OTHER), provider="weather")
    await shop.add_signing_key()
    office, now = shop._office, shop._office.now()
    async with office.store.tenant(shop.tenant) as store:
        owner, (key,) = await store.get(Tenant, ()), await every(store, ProjectKey)
        (secret,) = await every(store, SealedSecret)
        assert owner
        sealed, mark = await office.vault.seal_secret(owner, key, WEATHER, "weather", 3, Secret(CANARY))
        current = ProviderKey(
            project=shop.id,
            secret="weather",
            number=1,
            state="current",
            reason="schedule",
            label="apikeychain-1",
            created=now,
            after=now,
            fingerprint=secret.fingerprint,
        )
        made = replace(current, number=2, state="created", label="apikeychain-2", sealed=sealed, version=3)
        await store.insert(current)
        await store.insert(replace(made, fingerprint=mark))


async def test_every_value_comes_under_the_new_key_and_the_old_one_is_gone(
    acme: TenantAdmin, shop: ProjectAdmin
) -> None:
    await stock(shop)
    before = await stored(acme)
    async with one_change(acme, shop, "key.turned"):
        assert await shop.turn_key() == TurnedKey(project=shop.id, number=2, values=3)
    after = await stored(acme)
    (old,), (new,) = before[ProjectKey], after[ProjectKey]
    assert (new.number, new.uses, new.secret_number) == (2, 3, 1)
    assert new.version != old.version
    assert data((await entries(acme))[-1]) == {"version": new.version, "number": 2, "values": 3}
    vault, by_version = acme._office.vault, {new.version: new}
    owner, (secret,), (signer,) = after[Tenant][0], after[SealedSecret], after[SigningKey]
    assert (await vault.open_secret(owner, by_version, secret, WEATHER)).matches(Secret(OTHER))
    assert len(await vault.open_signing_key(owner, by_version, signer)) == 47
    current, made = after[ProviderKey]
    as_put = replace(secret, sealed=made.sealed, version=3)
    assert (await vault.open_secret(owner, by_version, as_put, WEATHER)).matches(Secret(CANARY))
    assert (current.fingerprint, current.generation) == (secret.fingerprint, 2)
    assert secret.fingerprint == await vault.fingerprint(owner, new, Secret(OTHER))
    assert made.fingerprint == await vault.fingerprint(owner, new, Secret(CANARY))
    assert await shop.turn_key() == TurnedKey(project=shop.id, number=3, values=3)


async def test_what_is_put_after_a_turn_is_under_the_new_key_and_counted(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    await fill(shop)
    (key,) = (await stored(acme))[ProjectKey]
    assert key.uses == 1
    await shop.put_secret("weather", Secret(CANARY), provider="weather")
    assert (await stored(acme))[ProjectKey] == [key]
    await shop.turn_key()
    await shop.put_secret("more", Secret(OTHER), provider="weather")
    await shop.add_signing_key()
    (key,) = (await stored(acme))[ProjectKey]
    assert (key.number, key.uses) == (2, 3)
    await shop.configure(secrets={"more": ProviderSecret(Secret(CANARY), "weather"), "weather": Secret(OTHER)})
    (key,) = (await stored(acme))[ProjectKey]
    assert key.uses == 5


async def test_a_project_without_keys_has_nothing_to_turn(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    async with nothing_changes(acme, shop):
        assert await shop.turn_key() is None
    for nobody in (ProjectId("p_" + "z" * 20), ProjectId("")):
        with pytest.raises(DoesNotExistError, match="has no project"):
            await turn_project_key(acme._office, acme.id, nobody, "ops")


async def test_a_value_that_does_not_open_keeps_the_old_key_for_all(
    acme: TenantAdmin, shop: ProjectAdmin, caplog: pytest.LogCaptureFixture
) -> None:
    await stock(shop)
    await shop.register_provider(replace(WEATHER, base_url="https://other.weather.example"))
    before = await stored(acme)
    async with nothing_changes(acme, shop):
        with pytest.raises(SealedValueError):
            await shop.turn_key()
    assert await stored(acme) == before
    assert f"the secret 'weather' of the project {shop.id} does not open" in caplog.text
    await shop.register_provider(WEATHER)
    assert await shop.turn_key() is not None


async def test_a_turn_that_is_overtaken_is_done_again(
    acme: TenantAdmin, shop: ProjectAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(shop)
    puts = iter([CANARY, OTHER, CANARY])

    async def overtaken(*args: Any) -> None:
        if (secret := next(puts, None)) is not None:
            await shop.put_secret("other", Secret(secret), provider="weather")

    monkeypatch.setattr(turning, "appoint", overtaken)
    assert await shop.turn_key() == TurnedKey(project=shop.id, number=2, values=2)
    assert (await kinds(acme)).count("key.turned") == 1
    assert [(told.name, told.version) for told in await shop.list_secrets()] == [("other", 3), ("weather", 1)]


async def overtaken_by(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[], Coroutine[Any, Any, object]]
) -> list[None]:
    """Before each transaction of a turn the change comes; each time is noted."""
    times: list[None] = []
    is_ours = True

    async def overtaken(*_: Any) -> None:
        nonlocal is_ours
        if is_ours:
            times.append(None)
            is_ours = False
            await change()
            is_ours = True

    monkeypatch.setattr(turning, "appoint", overtaken)
    return times


@pytest.mark.parametrize("what", ["a secret", "the key", "wrapped keys", "the tenant", "a provider"])
async def test_whatever_a_turn_hangs_on_is_compared_with_what_was_read(
    acme: TenantAdmin, shop: ProjectAdmin, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    await fill(shop)
    changes: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
        "a secret": lambda: shop.put_secret("weather", Secret(OTHER), provider="weather"),
        "the key": shop.turn_key,
        "wrapped keys": lambda: keys.rewrap_keys_of(acme._office, acme.id, shop.id, "ops"),
        "the tenant": lambda: keys.rewrap_tenant_keys(acme._office, acme.id, "ops"),
        "a provider": lambda: shop.register_provider(replace(WEATHER, user_agent="agent/2")),
    }
    monkeypatch.setattr(turning, "_ATTEMPTS", 1)
    await overtaken_by(monkeypatch, changes[what])
    with pytest.raises(ConflictError, match="the project 'shop' changed while its key turned: do it again"):
        await shop.turn_key()
    assert {key.number for key in (await stored(acme))[ProjectKey]} == {2 if what == "the key" else 1}


async def test_a_turn_that_is_overtaken_again_and_again_gives_up_and_changes_nothing(
    acme: TenantAdmin, shop: ProjectAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(shop)
    secrets = iter([CANARY, OTHER] * 5)
    times = await overtaken_by(monkeypatch, lambda: shop.put_secret("other", Secret(next(secrets)), provider="weather"))
    with pytest.raises(ConflictError):
        await shop.turn_key()
    assert len(times) == 5
    assert [key.number for key in (await stored(acme))[ProjectKey]] == [1]


async def test_keys_that_seal_meanwhile_are_wrapped_anew_all_the_same(
    acme: TenantAdmin, shop: ProjectAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(shop)
    wrap = rewrap_project_key

    async def overtaken(*given: Any) -> ProjectKey:
        await shop.put_secret(f"made-{len(await shop.list_secrets())}", Secret(OTHER), provider="weather")
        return await wrap(*given)

    monkeypatch.setattr(keys, "rewrap_project_key", overtaken)
    (old,) = (await stored(acme))[ProjectKey]
    assert await keys.rewrap_keys_of(acme._office, acme.id, shop.id, "ops") == 1
    (key,) = (await stored(acme))[ProjectKey]
    assert (key.uses, key.generation) == (2, old.generation + 2)
    assert key.wrapped_derived != old.wrapped_derived


async def test_many_turn_one_project_at_once_and_each_turn_is_whole(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    await stock(shop)
    came = await asyncio.gather(*(shop.turn_key() for _ in range(3)), return_exceptions=True)
    turned = [one for one in came if isinstance(one, TurnedKey)]
    assert turned
    after = await stored(acme)
    (key,) = after[ProjectKey]
    assert key.number == 1 + len(turned) == 1 + (await kinds(acme)).count("key.turned")
    assert (
        await acme._office.vault.open_secret(after[Tenant][0], {key.version: key}, after[SealedSecret][0], WEATHER)
    ).matches(Secret(OTHER))


class FailingKeys(MemoryKeyService):
    """Answers so often, and then no more."""

    def __init__(self) -> None:
        super().__init__()
        self.left = 1_000_000

    def _answer(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise BackendUnavailableError

    async def wrap(self, key: bytes, context: KeyContext) -> bytes:
        self._answer()
        return await super().wrap(key, context)

    async def unwrap(self, wrapped: bytes, context: KeyContext) -> bytes:
        self._answer()
        return await super().unwrap(wrapped, context)


async def test_a_key_service_that_fails_anywhere_changes_nothing(tmp_path: Path) -> None:
    service = FailingKeys()
    async with APIKeyChain.embedded(tmp_path, settings=QUICK, key_service=service) as keychain:
        acme = await keychain.create_tenant("acme")
        shop = await acme.create_project("shop")
        await stock(shop)
        before, trips = await stored(acme), 0
        while True:
            service.left = trips
            with contextlib.suppress(BackendUnavailableError):
                await shop.turn_key()
                break
            service.left = 1_000_000
            assert await stored(acme) == before
            trips += 1
    # The tenant secret, three to wrap, two of each key to open.
    assert trips == 8


async def calls_until(gate: Gate, done: asyncio.Event) -> int:
    """Calls flow, and none of them is refused; how many it were."""
    number = 0
    while not done.is_set():
        answer = await gate.get()
        assert (answer.status, answer.code) == (200, "")
        number += 1
    return number


@asynccontextmanager
async def a_gate(folder: Path, plug: str) -> AsyncGenerator[Gate, None]:
    async with contextlib.AsyncExitStack() as stack:
        plugs: dict[str, Any] = {}
        if plug == "embedded":
            plugs["store"] = await stack.enter_async_context(SQLStore.sqlite(folder / "database.sqlite3"))
        async with open_gate(**plugs) as gate:
            await gate.shop.configure(quota="1000000/minute", address_quota="1000000/minute")
            yield gate


@pytest.mark.parametrize("plug", ["memory", "embedded"])
async def test_calls_flow_while_keys_turn(tmp_path: Path, plug: str) -> None:
    async with a_gate(tmp_path, plug) as gate:
        for number in range(40):
            await gate.shop.put_secret(f"made-{number}", Secret(f"{KEY}{number}"), provider="weather")
        done = asyncio.Event()
        callers = [asyncio.create_task(calls_until(gate, done)) for _ in range(4)]
        for number in range(2, 8):
            assert await gate.shop.turn_key() == TurnedKey(project=gate.shop.id, number=number, values=41)
            gate.keychain._office.vault.forget(None)
        done.set()
        assert all(await asyncio.gather(*callers))
