"""A key service that hangs holds up whoever needs it, and nobody else who writes."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from pathlib import Path

import pytest

from apikeychain import APIKeyChain, APIKeyChainSettings, Secret
from apikeychain.backends.memory_keys import MemoryKeyService
from apikeychain.errors import BackendUnavailableError, ConflictError
from apikeychain.model.keys import KeyContext
from apikeychain.tenants import change as changes
from apikeychain.tenants import keys, secrets
from apikeychain.tenants.change import project_change
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.tenant import TenantAdmin
from apikeychain.testing.eventually import until
from management import CANARY, OTHER, WEATHER, fill, kinds, nothing_changes


class HangingKeys(MemoryKeyService):
    """Answers while the door is open."""

    def __init__(self) -> None:
        super().__init__()
        self.door, self.asked = asyncio.Event(), asyncio.Event()
        self.waiting = 0
        self.door.set()

    def hang(self) -> None:
        self.door.clear()
        self.asked.clear()

    async def _answer(self) -> None:
        self.asked.set()
        self.waiting += 1
        await self.door.wait()
        self.waiting -= 1

    async def wrap(self, key: bytes, context: KeyContext) -> bytes:
        await self._answer()
        return await super().wrap(key, context)

    async def unwrap(self, wrapped: bytes, context: KeyContext) -> bytes:
        await self._answer()
        return await super().unwrap(wrapped, context)

    async def rewrap(self, wrapped: bytes, context: KeyContext) -> bytes:
        await self._answer()
        return await super().rewrap(wrapped, context)


@pytest.fixture
def service() -> HangingKeys:
    return HangingKeys()


@pytest.fixture
async def keychain(service: HangingKeys, tmp_path: Path) -> AsyncGenerator[APIKeyChain, None]:
    settings = APIKeyChainSettings(kdf="pbkdf2-sha512")
    async with APIKeyChain.embedded(tmp_path, settings=settings, key_service=service) as keychain:
        yield keychain


async def holds_nobody_up(service: HangingKeys, acme: TenantAdmin, verb: Awaitable[object]) -> None:
    """`verb` waits for the key service while others write, and ends when that answers."""
    acme._office.vault.forget(None)
    service.hang()
    waiting = asyncio.ensure_future(verb)
    await asyncio.wait_for(service.asked.wait(), 5)
    await asyncio.wait_for(acme.create_project(f"other-{len(await acme.list_projects())}"), 5)
    assert not waiting.done()
    service.door.set()
    await waiting


async def test_a_secret_is_put_while_others_write(service: HangingKeys, acme: TenantAdmin, shop: ProjectAdmin) -> None:
    await shop.register_provider(WEATHER)
    for secret in (CANARY, CANARY, OTHER):
        await holds_nobody_up(service, acme, shop.put_secret("main", Secret(secret), provider="weather"))
    await holds_nobody_up(service, acme, shop.configure(secrets={"weather": Secret(CANARY)}))
    assert [told.version for told in await shop.list_secrets()] == [2, 1]


async def test_a_caller_is_suspended_while_others_write(
    service: HangingKeys, acme: TenantAdmin, shop: ProjectAdmin
) -> None:
    await holds_nobody_up(service, acme, shop.suspend("caller", "203.0.113.9", reason="a test"))
    await holds_nobody_up(service, acme, shop.lift("caller", "203.0.113.9"))
    assert await shop.list_suspensions() == []


async def test_keys_are_wrapped_anew_while_others_write(
    service: HangingKeys, acme: TenantAdmin, shop: ProjectAdmin
) -> None:
    await fill(shop)
    await holds_nobody_up(service, acme, acme.rewrap_keys())
    assert (await kinds(acme)).count("key.rewrapped") == 2


async def test_a_tenant_is_made_while_others_write(
    service: HangingKeys, keychain: APIKeyChain, acme: TenantAdmin
) -> None:
    await holds_nobody_up(service, acme, keychain.create_tenant("blog"))


async def test_keys_that_were_closed_again_are_waited_for_two_seconds_and_no_longer(
    service: HangingKeys, acme: TenantAdmin, shop: ProjectAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert changes._KEY_SECONDS == 2
    monkeypatch.setattr(changes, "_KEY_SECONDS", 0.05)
    await fill(shop)
    await asyncio.sleep(0.05)
    for name in ("weather", "another"):
        acme._office.vault.forget(None)
        service.hang()
        async with nothing_changes(acme, shop):
            with pytest.raises(BackendUnavailableError, match=r"^the key service does not answer: nothing was changed"):
                async with project_change(acme._office, acme.id, shop.id, "ops") as change:
                    await secrets.put(change, name, Secret(CANARY), "weather", None)
        service.door.set()


async def test_of_two_who_wrap_keys_anew_at_once_one_is_told_and_nothing_is_wrapped_twice(
    service: HangingKeys, acme: TenantAdmin, shop: ProjectAdmin
) -> None:
    await fill(shop)
    for verb in (
        lambda: keys.rewrap_tenant_keys(acme._office, acme.id, "ops"),
        lambda: keys.rewrap_keys_of(acme._office, acme.id, shop.id, "ops"),
    ):
        before = (await kinds(acme)).count("key.rewrapped")
        service.hang()
        both = asyncio.gather(verb(), verb(), return_exceptions=True)
        await until(lambda: service.waiting == 2)
        service.door.set()
        assert [type(end) for end in await both].count(ConflictError) == 1
        assert (await kinds(acme)).count("key.rewrapped") == before + 1
