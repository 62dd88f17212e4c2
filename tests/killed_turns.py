"""Workers that turn keys and kill themselves at a place that is chosen: see `forks`.

Each is told the number of the place: before and after each write of the store and each question to the provider.
"""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from apikeychain.backends.local_keys import LocalKeyService
from apikeychain.backends.sql import SQLStore
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.rotation import engine as engines
from apikeychain.rotation.engine import Engine
from apikeychain.rotation.page import Workshop
from apikeychain.rotation.scene import scene_of
from apikeychain.rules import rotation as rules
from apikeychain.vault.key_services import KeyServices
from apikeychain.vault.vault import Vault
from forks import fork_each
from key_api import HTTPKeys
from rotation_house import NOON, SECRET, Fuse, FusedStore, attend

# So that a worker that died is not waited for.
LEASE_SECONDS = 0.2


class DeadlyFuse(Fuse):
    """Ends the process as nothing can be caught."""

    def pass_by(self, place: str) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                os.kill(os.getpid(), signal.SIGKILL)


def clock_of(data: Path) -> datetime:
    """What the test says that it is."""
    return NOON + timedelta(seconds=float((data / "clock").read_text()))


@asynccontextmanager
async def workshop(data: Path, url: str, fuse: Fuse) -> AsyncGenerator[Workshop, None]:
    """What a worker works with."""

    async def announce(_: ProjectId) -> None:
        fuse.pass_by("before the news")

    async with LocalKeyService(data / "keys") as keys, SQLStore.sqlite(data / "store.db") as store:
        fused: Any = FusedStore(store, fuse)
        rotator = HTTPKeys(url, fuse.pass_by)
        yield Workshop(
            store=fused,
            vault=Vault(KeyServices(keys), kdf="pbkdf2-sha512"),
            rotator_of=lambda _: rotator,
            is_shared=lambda _: False,
            announce=announce,
            now=lambda: clock_of(data),
            share=lambda: 0.5,
        )


async def turn(place: int) -> None:
    """Do what is due, whoever died with a lease."""
    engines.LEASE_SECONDS = LEASE_SECONDS
    data, project = Path(os.environ["TURN_DATA"]), ProjectId(os.environ["TURN_PROJECT"])
    async with workshop(data, os.environ["TURN_URL"], DeadlyFuse(place)) as working:
        engine, is_calm = Engine(working), False
        while not is_calm:
            await attend(engine, TenantId("acme"), project, SECRET)
            async with working.store.reading(TenantId("acme")) as reader:
                scene = await scene_of(reader, project, SECRET)
            assert scene is not None
            step = rules.next_step(scene.rotation, scene.keys, scene.sealed)
            is_calm = step is None or step.at > working.now()
            await asyncio.sleep(0 if is_calm else 0.05)


def work(place: int) -> None:
    """One worker."""
    asyncio.run(turn(place))


if __name__ == "__main__":
    fork_each(work)
