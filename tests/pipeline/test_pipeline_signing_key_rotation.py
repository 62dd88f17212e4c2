"""A signing key that another one replaces is good until the grace is over, and not a moment longer."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from apikeychain import residence
from apikeychain.backends.memory_replay_guard import MemoryReplayGuard
from apikeychain.tenants.old_signing_keys import OldSigningKeys
from apikeychain.tenants.signing_keys import ShownKey
from gate import Answer, Gate, open_gate
from management import data, entries, kinds
from signer import Signer
from still_clock import StillClock


@dataclass
class Site:
    """A gate whose clock stands still."""

    gate: Gate
    clock: StillClock

    async def send(self, shown: ShownKey, user: str = "") -> Answer:
        """A call that is signed with a key."""
        signer, path = Signer(shown.id, shown.key.reveal(), self.gate.shop.id), self.gate.shop.url("weather")
        lines = ((b"x-iso-user", user.encode()),) if user else ()
        signing = signer.sign(path, b"q=Paris", lines=lines, at=self.clock.seconds())
        return await self.gate.call(path, b"q=Paris", headers=[*lines, *signing])

    async def replaced(self, grace: timedelta) -> tuple[ShownKey, ShownKey]:
        """A key, and the one that has replaced it."""
        old = await self.gate.shop.add_signing_key()
        self.clock.go_on(1)
        new = await self.gate.shop.rotate_signing_key(grace=grace)
        await asyncio.sleep(0.02)  # until the change was heard
        return old, new


@pytest.fixture
async def site(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Site, None]:
    clock = StillClock()
    monkeypatch.setattr(residence, "_now", clock.now)
    async with open_gate(replay_guard=MemoryReplayGuard(now=clock.seconds)) as gate:
        yield Site(gate, clock)


async def test_both_keys_are_good_for_the_grace_and_the_old_one_not_a_moment_longer(site: Site) -> None:
    old, new = await site.replaced(timedelta(minutes=5))
    assert [(await site.send(key)).status for key in (old, new)] == [200, 200]
    site.clock.go_on(299)
    assert [(await site.send(key)).status for key in (old, new)] == [200, 200]
    site.clock.go_on(1)
    refused = await site.send(old)
    assert (refused.status, refused.code) == (401, "signature-refused")
    assert (await site.send(new)).status == 200


async def test_a_key_that_has_ended_is_refused_as_one_that_never_was(site: Site) -> None:
    old, _ = await site.replaced(timedelta(seconds=1))
    site.clock.go_on(1)
    ended = await site.send(old)
    unknown = await site.send(ShownKey("k_unknown", old.key))
    assert (ended.status, ended.body) == (unknown.status, unknown.body) == (401, unknown.body)


async def test_a_session_key_ends_with_the_key_that_it_was_made_of(site: Site) -> None:
    shop = site.gate.shop
    old = await shop.add_signing_key()
    session = await shop.session_key(user="alice")
    site.clock.go_on(1)
    new = await shop.rotate_signing_key(grace=timedelta(minutes=5))
    await asyncio.sleep(0.02)  # until the change was heard
    fresh = await shop.session_key(user="alice")
    assert [key.id.split(".")[1] for key in (session, fresh)] == [old.id, new.id]
    assert [(await site.send(key, "alice")).status for key in (session, fresh)] == [200, 200]
    site.clock.go_on(300)
    assert [(await site.send(key, "alice")).status for key in (session, fresh)] == [401, 200]


async def test_the_old_key_is_removed_when_its_time_is_over(site: Site) -> None:
    gate = site.gate
    old, new = await site.replaced(timedelta(minutes=5))
    worker = OldSigningKeys(gate.shop._office)
    site.clock.go_on(299)
    await worker.look()
    assert [key.id for key in await gate.shop.list_signing_keys()] == [old.id, new.id]
    site.clock.go_on(1)
    assert [key.id for key in await gate.shop.list_signing_keys()] == [new.id]
    await worker.look()
    assert (await kinds(gate.acme))[-2:] == ["signing-key.replaced", "signing-key.retired"]
    last = (await entries(gate.acme))[-1]
    assert (last.actor, data(last)) == ("gate", {"key": old.id})
    assert (await site.send(new)).status == 200
