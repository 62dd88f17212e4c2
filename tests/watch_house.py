"""A project that is watched, detectors that find what a test says, workers that look and can be killed.

It stands on a house whose secret turns: the clock is the test's, and the store's leases run by it too.
"""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from apikeychain import agenda
from apikeychain.listing import every
from apikeychain.model.alert import Alert
from apikeychain.model.finding import Finding, Window
from apikeychain.model.ids import ProjectId
from apikeychain.model.records import KINDS, Record
from apikeychain.model.suspension import Scope
from apikeychain.model.tally import Tally
from apikeychain.model.watch import CountedWindow, WatchMemory, WatchPolicy
from apikeychain.ports.detector import Detector
from apikeychain.ports.store import R, Store
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.watch.case import Post
from apikeychain.watch.handover import TOPIC
from apikeychain.watch.watchman import Watchman
from management import APP, ROUTE
from rotation_house import NOON, Fuse, FusedStore, RotationHouse, house_of

CALLER = "ca" * 16
WEEK = timedelta(days=8)


def finding(scope: Scope = "route", value: str = "weather", **rest: Any) -> Finding:
    """One that is blatant, of callers who were admitted; a detector of tests says of which window."""
    usual: dict[str, Any] = {
        "project": ProjectId(""),
        "id": "f_" + "a" * 20,
        "at": NOON,
        "since": NOON,
        "detector": "planned",
        "feature": "rate",
        "expected": 1.5,
        "seen": 100.0,
        "sure": 99,
        "blatant": True,
        "admitted": True,
        "why": "100 calls where at most 1.5 were expected",
    }
    return Finding(scope=scope, value=value, **(usual | rest))


@dataclass
class PlannedDetector:
    """Finds what it is told in each window.

    Attributes:
        windows: that it saw.
        fault: what it raises instead.
    """

    finds: list[Finding] = field(default_factory=list[Finding])
    windows: list[Window] = field(default_factory=list[Window])
    fault: Exception | None = None
    name: str = "planned"

    def observe(self, window: Window, state: str) -> tuple[Sequence[Finding], str]:
        """See Detector.observe."""
        if self.fault is not None:
            raise self.fault
        self.windows.append(window)
        since = window.begin if not state else datetime.fromisoformat(state)
        found = [
            replace(
                one, project=window.project, id=f"f_{window.begin:%Y%m%d%H%M}{order:08}", at=window.begin, since=since
            )
            for order, one in enumerate(self.finds)
        ]
        return found, since.isoformat() if found else ""


@dataclass
class WatchHouse:
    """What all workers share, and the project.

    Attributes:
        told: the projects of which a change was announced.
        watchman: the worker that looks where a test names no other.
    """

    rotation: RotationHouse
    detector: PlannedDetector = field(default_factory=PlannedDetector)
    told: list[ProjectId] = field(default_factory=list[ProjectId])

    def __post_init__(self) -> None:
        self.watchman = self.worker()

    @property
    def shop(self) -> ProjectAdmin:
        """The project."""
        return self.rotation.shop

    @property
    def store(self) -> Store:
        """Of the hands that manage."""
        return self.rotation.store

    def post(self, fuse: Fuse | None = None) -> Post:
        """What a worker works with that has a store of its own."""
        held = fuse or Fuse()
        own: Any = FusedStore(self.rotation.store.sibling(), held)

        async def announce(project: ProjectId) -> None:
            held.pass_by("before the news")
            self.told.append(project)

        def detectors(_: WatchPolicy) -> Sequence[Detector]:
            return [self.detector]

        return Post(store=own, announce=announce, now=self.rotation.clock.now, detectors=detectors)

    def worker(self, fuse: Fuse | None = None) -> Watchman:
        """One more."""
        return Watchman(self.post(fuse), clock=self.rotation.clock.seconds)

    async def counted(self, begin: datetime, worker: str = "w_1", **routes: Tally) -> None:
        """A window of one worker, as it is handed over."""
        name = f"{begin:%Y-%m-%dT%H:%M:%SZ}"
        window = CountedWindow(
            project=self.shop.id, begin=name, worker=worker, routes=routes or {"weather": Tally(calls=1)}
        )
        await agenda.note(self.store, TOPIC, self.shop.tenant, self.shop.id, begin + timedelta(seconds=70))
        async with self.store.tenant(self.shop.tenant) as records:
            await records.insert(window)

    async def minute(self, *finds: Finding, worker: Watchman | None = None) -> None:
        """A minute goes by, in which this can be found; a worker looks at it."""
        clock = self.rotation.clock
        begin = clock.now().replace(second=0)
        self.detector.finds = [*finds]
        await self.counted(begin)
        clock.past = (begin - NOON).total_seconds() + 75
        await (worker or self.watchman).look()

    async def stored(self, kind: type[R]) -> list[R]:
        """Of the project."""
        async with self.store.reading(self.shop.tenant) as reader:
            return await every(reader, kind, self.shop.id)

    async def memory(self) -> WatchMemory:
        """What is remembered of the project."""
        async with self.store.reading(self.shop.tenant) as reader:
            memory = await reader.get(WatchMemory, (self.shop.id,))
        assert memory is not None
        return memory

    async def alerts(self) -> list[Alert]:
        """That were filed, the first first."""
        return sorted(await self.rotation.alerts(), key=lambda alert: alert.at)

    async def entries(self, *kinds: str) -> list[dict[str, Any]]:
        """What stands in the ledger of these kinds, or nouns."""
        found = [json.loads(entry.payload) for entry in await self.rotation.acme.entries(0, 1000)]
        return [told for told in found if {told["kind"], told["kind"].split(".")[0]} & {*kinds}]

    async def configuration(self) -> list[Record]:
        """All of the project that callers or the tenant could see change."""
        kept = {"counted-window", "watch-memory", "finding"}
        kinds = [
            kind for name, kind in KINDS.items() if name not in kept | {"tenant", "project-name", "alert", "errand"}
        ]
        async with self.store.reading(self.shop.tenant) as reader:
            return [
                record for kind in kinds for record in await every(reader, kind) if record.key[:1] == (self.shop.id,)
            ]


@asynccontextmanager
async def watched(monkeypatch: pytest.MonkeyPatch, *, age: timedelta = WEEK) -> AsyncGenerator[WatchHouse, None]:
    """A house whose project is so old."""
    async with house_of(monkeypatch) as rotation:
        await rotation.shop.configure(origins=[APP], routes=[ROUTE])
        rotation.clock.go_on(age.total_seconds())
        yield WatchHouse(rotation)
