"""Plugs that tell whether they are open, and a keychain of them: for tests of its lifecycle."""

import asyncio
from typing import Any, Self

from apikeychain import APIKeyChain, APIKeyChainSettings
from apikeychain.backends.memory_limiter import MemoryRateLimiter
from apikeychain.backends.memory_signals import MemorySignals
from apikeychain.embedded import memory_plugs
from apikeychain.errors import DataDirectoryError

QUICK = APIKeyChainSettings(kdf="pbkdf2-sha512")


class Opened(MemoryRateLimiter):
    """Counts how often it is open now, and can fail to open or to close."""

    def __init__(self, *, error: Exception | None = None, closing: Exception | None = None) -> None:
        super().__init__()
        self.open = self.entered = 0
        self.error, self.closing = error, closing
        self.gate = asyncio.Event()
        self.gate.set()

    async def __aenter__(self) -> Self:
        self.entered += 1
        await self.gate.wait()
        if self.error:
            raise self.error
        self.open += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self.open -= 1
        await asyncio.sleep(0)
        if self.closing:
            raise self.closing


class Serving:
    """A lock that can be held by somebody else."""

    def __init__(self) -> None:
        self.held, self.taken = False, False

    def acquire(self) -> None:
        if self.taken:
            msg = "another process serves"
            raise DataDirectoryError(msg)
        self.held = True

    def release(self) -> None:
        self.held = False


def a_keychain(limiter: Opened | None = None, serving: Serving | None = None, **plugs: Any) -> APIKeyChain:
    instead: Any = {"rate_limiter": limiter, **plugs}
    default = memory_plugs(instead)
    return APIKeyChain(
        store=default.store,
        key_service=default.key_service,
        rate_limiter=default.rate_limiter,
        replay_guard=default.replay_guard,
        signals=default.signals,
        upstream=default.upstream,
        serving=serving,
        settings=QUICK,
    )


class Entered(MemorySignals):
    """Signals that are entered like another plug."""

    def __init__(self, plug: Opened) -> None:
        super().__init__()
        self.plug = plug

    async def __aenter__(self) -> None:
        await self.plug.__aenter__()

    async def __aexit__(self, *_: object) -> None:
        await self.plug.__aexit__()
