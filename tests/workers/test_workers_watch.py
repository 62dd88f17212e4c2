"""An attack on one worker of four: its key is replaced, all refuse the project within a second, and it comes back."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
import pytest_asyncio

from apikeychain import HeaderCredential, Provider, Secret
from apikeychain.testing.eventually import until
from apikeychain.testing.local_provider import LocalProvider, Visit
from apikeychain.testing.servers.openbao import OpenBaoServer
from apikeychain.testing.servers.valkey import ValkeyServer
from described_api import PLAIN_ROTATION
from fleet import WORKERS, Fleet, Workers, opened, running
from gate import KEY
from receiver import SECRET, Receiver
from served_postgres import Database

pytestmark = pytest.mark.asyncio(loop_scope="module")
ADMIN = "a-made-up-key-of-the-administrator"
HOW = replace(PLAIN_ROTATION, provider="keys", credential="admin")


class KeyAPI:
    """The provider's keys by id, with their labels; those that are not there are not taken."""

    def __init__(self, local: LocalProvider) -> None:
        self.keys: dict[str, tuple[str, str]] = {"k0": ("first", KEY)}
        self.used: Counter[str] = Counter()
        local.on("/data/2.5/weather", self._weather)
        local.on("/me", self._weather)
        local.on("/keys", self._manage)

    async def _weather(self, visit: Visit) -> None:
        key = visit.received.target.decode().rpartition("appid=")[2]
        known = [id_ for id_, (_, value) in self.keys.items() if value == key]
        self.used.update(known)
        await visit.answer(200 if known else 401, body=b"{}")

    async def _manage(self, visit: Visit) -> None:
        await visit.read_all()
        if visit.received.method == "GET":
            listed = [{"id": id_, "name": label} for id_, (label, _) in self.keys.items()]
            await visit.answer(200, body=json.dumps(listed).encode())
            return
        label, id_ = json.loads(visit.received.body)["name"], f"k{len(self.keys)}"
        self.keys[id_] = (label, f"a-made-up-key-{len(self.keys):08}-Ab")
        await visit.answer(201, body=json.dumps({"id": id_, "secret": self.keys[id_][1]}).encode())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def receiver() -> AsyncGenerator[Receiver, None]:
    async with LocalProvider("localhost") as local:
        yield Receiver(local)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def workers(
    database: Database, valkey: ValkeyServer, openbao: OpenBaoServer, provider: LocalProvider, receiver: Receiver
) -> AsyncGenerator[Workers, None]:
    """Four that are watched, see `watched_fleet`."""
    told = {"HOOK": receiver.url, "HOOK_SECRET": SECRET, "HOOK_CA": str(receiver.provider.ca_pem_path)}
    async with running(
        database, valkey, openbao, provider, news="postgres", mode="buffered", script="watched_fleet.py", told=told
    ) as running_workers:
        yield running_workers


async def _attack(fleet: Fleet, is_noticed: Callable[[], object]) -> None:
    """Until it is noticed: whoever goes on is limited for its refusals."""
    code = ""
    while not is_noticed() and code != "suspended":
        answered, _ = await asyncio.gather(fleet.call(0), asyncio.sleep(0.02))
        code = answered.code


async def test_an_attack_on_one_worker_is_answered_by_all(
    workers: Workers, provider: LocalProvider, receiver: Receiver
) -> None:
    keys = KeyAPI(provider)
    fleet = await opened(workers, "attacked")
    shop = fleet.shop
    await shop.register_provider(Provider("keys", workers.shared.provider, HeaderCredential("X-Admin")))
    await shop.put_secret("admin", Secret(ADMIN), provider="keys")
    await shop.add_rotation("weather", HOW, key_id="k0")
    await shop.set_watch(mode="act", answers=["alert", "tighten", "suspend", "rotate"])

    answers: list[tuple[int, float, float, int, str]] = []
    refused, back = set[int](), set[int]()

    async def look(worker: int) -> None:
        """A caller of another page of the project, now and then."""
        while worker not in back:
            began = time.time()
            answered = await fleet.call(worker)
            answers.append((worker, began, time.time(), answered.status, answered.code))
            if answered.code == "suspended":
                refused.add(worker)
            elif answered.status == 200 and worker in refused:
                back.add(worker)
            # Slowly enough that not too many refusals keep it out once the suspension is over.
            await asyncio.sleep(0.2)

    async with asyncio.timeout(90), asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(_attack(fleet, lambda: refused))
        for worker in range(WORKERS):
            group.create_task(look(worker))

    told = await fleet.written()
    (suspended,) = [one for one in told if one["kind"] == "suspension.created"]
    at = datetime.fromisoformat(suspended["at"]).timestamp()
    end = datetime.fromisoformat(suspended["data"]["until"]).timestamp()
    assert suspended["actor"] == "watch"
    # From a second after the deed to its end every worker refuses, and a second later none does.
    held = [one for one in answers if at + 1.0 <= one[1] and one[2] <= end]
    assert {(worker, code) for worker, _, _, _, code in held} == {(worker, "suspended") for worker in range(WORKERS)}
    assert {code for _, began, _, _, code in answers if began >= end + 1.0} <= {""}

    # The key was replaced once, and calls succeed with the new one.
    await until(lambda: len(keys.keys) == 2, 40)
    before = keys.used["k1"]
    assert {answered.status for answered in await fleet.one_each()} == {200}
    assert keys.used["k1"] > before

    # Each alert came once.
    await until(lambda: {"watch.suspended", "watch.rotated"} <= {one["type"] for one in receiver.verified}, 40)
    assert set(Counter(receiver.ids).values()) == {1}
    kinds = Counter(one["type"] for one in receiver.verified)
    assert (kinds["watch.suspended"], kinds["watch.rotated"]) == (1, 1)

    # The ledger tells the story in order.
    story = [_told(one) for one in told if one["kind"].split(".")[0] in {"watch", "suspension", "rotation"}]
    first = {step: story.index(step) for step in reversed(story)}
    assert first["watch.changed"] < first["watch.noticed"] < first["watch.tightened"] < first["suspension.created"]
    assert first["watch.noticed"] < first["rotation.ordered by watch"] < first["rotation.created"]
    assert first["rotation.created"] < first["rotation.switched"]
    await workers.acme.verify_ledger()
    assert (await shop.watch()).mode == "act"
    assert {one.detector for one in await shop.findings()} == {"flood"}


def _told(entry: dict[str, Any]) -> str:
    return f"{entry['kind']} by {entry['actor']}" if entry["kind"] == "rotation.ordered" else entry["kind"]
