"""Tells of a damaged object: an entry in its tenant's ledger, a critical alert and a line in the log.

Nobody's answer waits for that. Of one asset it is told once an hour, whichever worker finds it: a lease in the tenant's
store sees to it, and what this worker told is remembered here.

Source: contracts 9; spec 7; decision 35.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import final

from apikeychain.alerts import outbox
from apikeychain.frames import told_of
from apikeychain.model.alert import Alert
from apikeychain.model.asset import AssetVersion
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.ledger import JSON
from apikeychain.ports.store import Store
from apikeychain.rules import chain
from apikeychain.rules.shelf import Shelf

TOPIC = "asset.damaged"
EVERY_SECONDS = 3600.0
# Assets that this worker remembers; beyond it the lease alone keeps another worker from telling it again.
MAX_TOLD = 10_000
_log = logging.getLogger("apikeychain")


@final
class Damages:
    """What was found damaged.

    Args:
        store: of the tenants' records.
        now: the wall clock, UTC.
        clock: monotonic seconds.
    """

    def __init__(
        self, store: Store, *, now: Callable[[], datetime], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store, self._now, self._clock = store, now, clock
        self._told: dict[tuple[ProjectId, str], float] = {}
        self._telling: set[asyncio.Task[None]] = set()

    def tell(self, shelf: Shelf, version: AssetVersion) -> None:
        """Tell of a version whose object is not there or not what was put, unless that was told within the hour."""
        asset, now = (version.project, version.path), self._clock()
        if now < self._told.get(asset, 0.0):
            return
        self._told.pop(asset, None)
        self._told[asset] = now + EVERY_SECONDS
        if len(self._told) > MAX_TOLD:
            del self._told[next(iter(self._told))]
        task = asyncio.get_running_loop().create_task(self._tell(shelf.tenant.id, version))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def close(self) -> None:
        """Wait for what is being told."""
        if self._telling:
            await asyncio.wait(self._telling)

    async def _tell(self, tenant: TenantId, version: AssetVersion) -> None:
        try:
            is_told = await self._write_down(tenant, version)
        except Exception as error:  # noqa: BLE001 - whatever keeps it from being written down, it is tried again
            _log.error("a damaged asset of the project %s is not told of: %s", version.project, told_of(error))
            is_told = False
        if not is_told:
            self._told.pop((version.project, version.path), None)

    async def _write_down(self, tenant: TenantId, version: AssetVersion) -> bool:
        """Whether it is told of, by us or by another worker; it is not where the version is another one by now."""
        now = self._now()
        await outbox.announce(self._store, tenant, now)
        async with self._store.tenant(tenant) as records:
            if await records.get(AssetVersion, version.key) != version:
                return False
            if not await records.lease(f"{TOPIC}:{version.project}:{version.path}", EVERY_SECONDS):
                return True
            data: dict[str, JSON] = {"path": version.path, "version": version.number, "content_sha256": version.sha256}
            entry = chain.admin(TOPIC, at=now, actor="gate", project=version.project, data=data)
            await records.append([entry])
            await outbox.file(records, _alert(tenant, version, now))
        _log.error("the asset %s of the project %s is damaged and not served", version.path, version.project)
        return True


def _alert(tenant: TenantId, version: AssetVersion, now: datetime) -> Alert:
    return Alert(
        id=outbox.new_id(),
        at=now,
        tenant=tenant,
        project=version.project,
        topic=TOPIC,
        severity="critical",
        what=f"The asset {version.path}, version {version.number}, is damaged.",
        why="Its object in the asset store is missing, or is not what was put there.",
        done="It is not served: whoever asks for it gets 503.",
        todo="Put the asset again, or restore the object, and find out who can write to the asset store.",
    )
