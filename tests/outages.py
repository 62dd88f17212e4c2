"""What is asked of every key service that is another machine's, while that is away."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Protocol

import pytest

from apikeychain.errors import BackendUnavailableError
from apikeychain.model.keys import KeyContext
from apikeychain.ports.key_service import KeyService

KEY = bytes(range(7, 39))
KEY_IN_BASE64 = "BwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSY="
CONTEXT = KeyContext(tenant="acme", project="p_aaaaaaaaaaaaaaaaaaaa", purpose="derived", version="00" * 16)
# How long a key service that was refused refuses by itself, at most.
SHUT = 1.05


class Hanging(Protocol):
    """A server that can be hung."""

    def hang(self) -> None: ...

    def resume(self) -> None: ...


async def require_closed(service: KeyService, wrapped: bytes, reason: str) -> None:
    with pytest.raises(BackendUnavailableError, match=reason):
        await service.unwrap(wrapped, CONTEXT)


async def require_open(service: KeyService, wrapped: bytes) -> None:
    assert await service.unwrap(wrapped, CONTEXT) == KEY


async def require_refused(service: KeyService, told: str) -> None:
    """It tells why, and nothing that its server said."""
    with pytest.raises(BackendUnavailableError, match=told) as refused:
        await service.wrap(KEY, CONTEXT)
    assert "a-text-of-the-server" not in str(refused.value)
    assert (refused.value.__cause__, refused.value.__context__) == (None, None)


async def require_patience(server: Hanging, service: KeyService) -> None:
    """One that hangs is waited for once, by all together, and refused at once after that."""
    wrapped = await service.wrap(KEY, CONTEXT)
    server.hang()
    began = time.monotonic()
    await asyncio.gather(*(require_closed(service, wrapped, "it does not answer") for _ in range(40)))
    assert 4.5 < time.monotonic() - began < 6
    began = time.monotonic()
    await require_closed(service, wrapped, "it does not answer")
    assert time.monotonic() - began < 2
    server.resume()
    await asyncio.sleep(SHUT)
    await require_open(service, wrapped)


@asynccontextmanager
async def all_heard(caplog: pytest.LogCaptureFixture) -> AsyncGenerator[list[str], None]:
    """Everything that any logger says, also the client's, and asyncio in debug mode."""
    asyncio.get_running_loop().set_debug(True)
    asyncio.get_running_loop().slow_callback_duration = 0
    caplog.set_level(logging.DEBUG)
    heard: list[str] = []
    yield heard
    heard.append(caplog.text)
    heard.extend(repr(record.__dict__) for record in caplog.records)
