"""A key that was replaced and lives at its provider still does not come back, whichever key a call was sent with."""

import asyncio
from typing import Any

import pytest

import canary
from apikeychain import Secret, pipeline
from apikeychain.model.rotators import HostRotation
from apikeychain.testing.local_provider import Visit
from gate import KEY, open_gate


async def test_the_keys_that_retire_are_redacted_beside_the_one_that_serves() -> None:
    issued = [KEY]

    async def show_keys(visit: Visit) -> None:
        """A provider that shows the keys of an account, and by which of them it was asked."""
        number = issued.index(visit.received.target.rpartition(b"appid=")[2].decode())
        shown = " ".join(issued[: number + 1]).encode()
        await visit.answer(200, body=b"%d: " % number + shown)

    async with open_gate() as gate:
        gate.provider.on("/data/2.5/weather", show_keys)
        await gate.shop.add_rotation("weather", HostRotation(name="own"), key_id="key-1")
        for number in (1, 2):
            issued.append(canary.secret(f"issued-{number}"))
            await gate.shop.put_secret("weather", Secret(issued[-1]), provider="weather")
            body = b""
            async with asyncio.timeout(10):
                while not body.startswith(b"%d: " % number):  # the gate tells nobody what news it heard
                    await asyncio.sleep(0)
                    body = (await gate.get()).body
            for answer in (body, (await gate.get()).body):
                assert answer.count(b"[redacted]") == number + 1
                assert [key for key in issued if key.encode() in answer] == []


async def test_a_project_whose_keys_do_not_turn_has_nothing_more_to_open(monkeypatch: pytest.MonkeyPatch) -> None:
    async def opens(*_: Any) -> list[Secret]:
        raise AssertionError

    monkeypatch.setattr(pipeline, "open_retiring", opens)
    async with open_gate() as gate:
        assert (await gate.get()).status == 200
