"""A worker that turns keys beside others, in a process of its own: for `at_once`."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from apikeychain.backends.local_keys import LocalKeyService
from apikeychain.listing import every
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.rotation_records import ProviderKey
from apikeychain.ports.store import Store
from apikeychain.rotation.engine import Engine
from apikeychain.rotation.page import Workshop
from apikeychain.testing.eventually import until
from apikeychain.vault.key_services import KeyServices
from apikeychain.vault.vault import Vault
from key_api import HTTPKeys

SECRETS = 24
ACME = TenantId("acme")


def now() -> datetime:
    return datetime.now(UTC)


async def _announce(_: ProjectId) -> None:
    """There is nobody to tell."""


async def turn_all(keys: Path, url: str, project: ProjectId, store: Store) -> None:
    """One worker: runs its engine until every secret has its second key."""
    async with LocalKeyService(keys) as service:
        engine = Engine(
            Workshop(
                store=store,
                vault=Vault(KeyServices(service), kdf="pbkdf2-sha512"),
                rotator_of=lambda _: HTTPKeys(url, lambda _: None),
                is_shared=lambda _: False,
                announce=_announce,
                now=now,
                share=lambda: 0.5,
            )
        )
        running = asyncio.create_task(engine.run())
        await until(lambda: _is_done(store, project), 60, every=0.1)
        running.cancel()
        await asyncio.wait([running])


async def _is_done(store: Store, project: ProjectId) -> bool:
    async with store.reading(ACME) as reader:
        keys = await every(reader, ProviderKey, project)
    return sum(key.state == "current" and key.number > 1 for key in keys) == SECRETS
