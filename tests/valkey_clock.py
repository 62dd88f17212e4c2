"""A ValkeyGuard whose server goes by the clock of a test: the script that serves, with another reading of the time."""

import hashlib
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

from apikeychain.backends.valkey.guard import SCRIPT, ValkeyGuard
from apikeychain.model.quota import Balance, Spend
from apikeychain.ports.replay_guard import Claim
from apikeychain.testing.servers.valkey import ValkeyServer

_MARKS = "{apikeychain}:marks"
# What the server expires it does by its own clock. By the turned one nothing may go early, so all gets an hour more.
_HOUR_MS = 3_600_000
_CHANGES = {"redis.call('TIME')": "redis.call('LRANGE', 'clock', 0, 1)", "GRACE_MS = 1000": f"GRACE_MS = {_HOUR_MS}"}
# The first command is one that a full server takes, and lets the others pass.
_TURN = """
redis.call('DEL', 'clock')
redis.call('RPUSH', 'clock', ARGV[1], ARGV[2])
for _, key in ipairs(redis.call('KEYS', '{apikeychain}:claim:*')) do
  local left = redis.call('PTTL', key) - tonumber(ARGV[3])
  redis.call('PEXPIRE', key, string.format('%d', left > tonumber(ARGV[4]) and left or 0))
end
"""


def let_it_have_run(server: ValkeyServer, *, seconds: int = 3600) -> None:
    """Let the server have run for so long, as its marks tell it."""
    server.ask("HINCRBY", _MARKS, "birth", -seconds)


class Turned:
    """See ValkeyGuard. A claim that is over by the clock is gone with the first call that comes then.

    Args:
        clock: unix seconds.
    """

    def __init__(self, server: ValkeyServer, clock: Callable[[], float]) -> None:
        self.server, self._clock, self._shown, self._at = server, clock, clock(), time.monotonic()
        self.guard = ValkeyGuard(server.url)
        script = SCRIPT
        for found, instead in _CHANGES.items():
            assert script.count(found) == 1
            script = script.replace(found, instead)
        self.guard._script = script
        self.guard._digest = hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()

    async def spend(self, spends: Sequence[Spend]) -> tuple[Balance, ...]:
        self.turn()
        return await self.guard.spend(spends)

    async def claim(self, token: bytes, timestamp: int) -> Claim:
        self.turn()
        return await self.guard.claim(token, timestamp)

    def turn(self) -> None:
        """Show the server what the clock says, where that changed."""
        if self._clock() != self._shown:
            self.show()

    def show(self) -> None:
        now, at = self._clock(), time.monotonic()
        passed_ms = round((now - self._shown - (at - self._at)) * 1000)
        self._shown, self._at = now, at
        seconds = int(now)
        self.server.ask("EVAL", _TURN, 0, seconds, round((now - seconds) * 1_000_000), passed_ms, _HOUR_MS)


@asynccontextmanager
async def turned(server: ValkeyServer, clock: Callable[[], float]) -> AsyncGenerator[Turned, None]:
    """An open guard on an emptied server that has run for an hour by that clock."""
    server.ask("FLUSHALL")
    guard = Turned(server, clock)
    guard.show()
    async with guard.guard:
        let_it_have_run(server)
        yield guard
