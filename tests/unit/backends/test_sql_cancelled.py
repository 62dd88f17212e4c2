"""A transaction that is cancelled at any moment leaves the database to the next one."""

import asyncio
import random
from pathlib import Path

from apikeychain.backends.sql import SQLStore
from apikeychain.model.records import AllowedOrigin, Project
from apikeychain.testing.records import ACME, SHOP, project, tenant


async def read(store: SQLStore) -> None:
    async with store.tenant(ACME) as acme:
        await acme.get(Project, (SHOP,))
        await acme.list(AllowedOrigin, (SHOP,), 500)


async def test_a_reading_that_is_cancelled_keeps_no_lock(tmp_path: Path) -> None:
    moments = random.Random(5)  # noqa: S311 - moments, not secrets
    ended = 0
    async with SQLStore.sqlite(tmp_path / "store.sqlite3", busy_seconds=1.0) as store:
        async with store.tenant(ACME) as acme:
            await acme.insert(tenant(ACME))
            await acme.insert(project(SHOP))
        for _ in range(300):
            try:
                async with asyncio.timeout(moments.uniform(0, 0.004)):
                    await read(store)
            except TimeoutError:
                ended += 1
            await read(store)
    assert ended > 50
