"""What a test of an Upstream stands on: a guard that does what it is told, and bodies that flow, fail or never end."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from apikeychain.errors import UpstreamRefusedError
from apikeychain.model.call import ByteStream, UpstreamReply, UpstreamRequest
from apikeychain.model.network import Network
from apikeychain.model.route import Timeouts
from apikeychain.ports.upstream import Guard, Upstream
from apikeychain.rules.filtered import WholeStream
from apikeychain.testing.eventually import until
from apikeychain.testing.local_provider import LocalProvider, Visit

HOST = "api.provider.test"
CANARY = "canary-5d1f0c"

Where = tuple[str, int, Network]


@dataclass
class LocalGuard:
    """A Guard that hands out what it is told to, and remembers who asked.

    Attributes:
        answers: the addresses; with none it refuses the host.
        refuses: whether the standing verdict on every host is bad.
        delay: seconds that an answer takes.
    """

    answers: Sequence[str] = ("127.0.0.1",)
    refuses: bool = False
    delay: float = 0.0
    asked: list[Where] = field(default_factory=list[Where])
    admitted: list[Where] = field(default_factory=list[Where])

    async def addresses(self, host: str, port: int, network: Network) -> Sequence[str]:
        """See Guard.addresses."""
        self.asked.append((host, port, network))
        await asyncio.sleep(self.delay)
        if not self.answers:
            raise UpstreamRefusedError(host)
        return self.answers

    def admit(self, host: str, port: int, network: Network) -> None:
        """See Guard.admit."""
        self.admitted.append((host, port, network))
        if self.refuses:
            raise UpstreamRefusedError(host)


@dataclass
class Scene:
    """A provider, a client for it, and the guard between them."""

    provider: LocalProvider
    upstream: Upstream
    guard: LocalGuard

    def request(
        self,
        target: bytes = b"/",
        method: str = "GET",
        *,
        body: bytes | AsyncGenerator[bytes, None] | None = None,
        content_length: int | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        timeouts: Timeouts | None = None,
    ) -> UpstreamRequest:
        """A request to the provider."""
        return UpstreamRequest(
            method=method,
            scheme="https",
            host=HOST,
            port=self.provider.port,
            target=target,
            headers=headers,
            body=body,
            content_length=content_length,
            timeouts=timeouts or Timeouts(),
            network=self.provider.network,
        )

    async def call(self, target: bytes = b"/", method: str = "GET", **more: object) -> tuple[UpstreamReply, bytes]:
        """Send a request and read the answer to its end."""
        reply = await self.upstream.send(replace(self.request(target, method), **more))  # type: ignore[arg-type]  # fields by name
        return reply, b"".join([chunk async for chunk in chunks(reply)])


class Stage(ABC):
    """Where a client under test is put on."""

    @abstractmethod
    def make(self, guard: Guard) -> AbstractAsyncContextManager[Upstream]:
        """The client under test."""

    @asynccontextmanager
    async def scene(self, guard: LocalGuard | None = None, **provider: object) -> AsyncGenerator[Scene, None]:
        """A running provider and a client for it."""
        guard = guard or LocalGuard()
        async with LocalProvider(HOST, **provider) as local, self.make(guard) as upstream:  # type: ignore[arg-type]  # passed on
            yield Scene(local, upstream, guard)


def chunks(reply: UpstreamReply) -> ByteStream:
    """The body of an answer as chunks, also where the client had all of it at once."""
    return WholeStream(reply.body) if isinstance(reply.body, bytes) else reply.body


async def stream(*pieces: bytes, then: Exception | None = None) -> AsyncGenerator[bytes, None]:
    """A body of `pieces` that then ends, or raises."""
    for piece in pieces:
        yield piece
    if then is not None:
        raise then


async def endless() -> AsyncGenerator[bytes, None]:
    """A body without an end."""
    while True:
        await asyncio.sleep(0)
        yield b"u" * 65_536


async def together(scene: Scene, calls: int) -> None:
    """Make so many calls, none of which is answered before all of them are there."""
    missing = calls

    async def waits(visit: Visit) -> None:
        nonlocal missing
        missing -= 1
        await until(lambda: not missing)
        await visit.answer()

    scene.provider.on("/together", waits)
    await asyncio.gather(*(scene.call(b"/together") for _ in range(calls)))


def peak_resident(*, reset: bool = False) -> int:
    """The most bytes of memory that this process held, since the last reset (Linux only)."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (peak,) = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(peak) * 1024
