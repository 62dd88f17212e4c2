"""A gate whose provider has a name of a test's own, and a note of all that is dialled; nothing leaves this machine."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from apikeychain import (
    APIKeyChain,
    APIKeyChainMiddleware,
    APIKeyChainSettings,
    HeaderCredential,
    Network,
    Provider,
    ProxyRoute,
    Secret,
)
from apikeychain.egress import Egress
from apikeychain.embedded import UpstreamFactory
from apikeychain.model.headers import Line
from apikeychain.model.provider import Credential
from apikeychain.testing.local_provider import LocalProvider, Visit
from gate import APP, KEY, Answer, Gate, host

HOST = "api.provider.test"
GOOD, OTHER = "93.184.216.34", "93.184.216.35"
LOOPBACK = "127.0.0.1"
BY_HEADER = HeaderCredential("X-Api-Key")
PLENTY = "1000000/minute"


class Names:
    """A resolver that hands out its answers in turn, the last one for ever.

    Attributes:
        asked: host and port of each question.
    """

    def __init__(self, *answers: Sequence[str] | Exception | None) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str] | None:
        self.asked.append((host, port))
        await asyncio.sleep(0)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Detour:
    """A guard that judges as the library's own, and then leads to this machine.

    Attributes:
        handed: the addresses that would have been dialled, in their order.
        leads: what is dialled instead.
    """

    def __init__(self, *answers: Sequence[str] | Exception | None, leads: Sequence[str] = (LOOPBACK,)) -> None:
        self.names, self.clock, self.leads = Names(*answers), Clock(), leads
        self.handed: list[str] = []
        self._door = Egress(resolve=self.names, clock=self.clock)

    async def addresses(self, host: str, port: int, network: Network) -> Sequence[str]:
        """See Guard.addresses."""
        self.handed += await self._door.addresses(host, port, network)
        return self.leads

    def admit(self, host: str, port: int, network: Network) -> None:
        """See Guard.admit."""
        self._door.admit(host, port, network)


@dataclass
class Dialled:
    """What was asked of the system.

    Attributes:
        connects: the addresses of all connections, tried or made.
        lookups: the names that the system was asked for.
    """

    connects: list[Any] = field(default_factory=list[Any])
    lookups: list[str] = field(default_factory=list[str])


_NOTES: list[Dialled] = []


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    for note in _NOTES:
        if event == "socket.connect":
            note.connects.append(arguments[1])
        elif event in {"socket.getaddrinfo", "socket.gethostbyname"}:
            note.lookups.append(arguments[0])


# There is no way to take one out again: it notes nothing while nobody asks.
sys.addaudithook(_note)


@contextmanager
def dialled() -> Generator[Dialled, None, None]:
    """What this process dials and looks up inside."""
    note = Dialled()
    _NOTES.append(note)
    try:
        yield note
    finally:
        _NOTES.remove(note)


@asynccontextmanager
async def open_outward(
    upstream: UpstreamFactory,
    detour: Detour,
    *routes: ProxyRoute,
    bases: Sequence[str] = ("",),
    credential: Credential = BY_HEADER,
    settings: APIKeyChainSettings | None = None,
    network: dict[str, Any] | None = None,
    app: Any = host,
    **local: Any,
) -> AsyncGenerator[Gate, None]:
    """A gate in front of a provider at api.provider.test.

    Args:
        routes: of the providers ``p0``, ``p1``, ..., whose secrets are ``p0``, ``p1``, ...
        bases: the paths of their base URLs.
        network: what of the provider's network is other than a public one that trusts its authority.
        local: of the LocalProvider.
    """
    async with LocalProvider(HOST, **local) as provider:
        base = f"https://{HOST}:{provider.port}"
        allowed = Network(**{"trust": str(provider.ca_pem_path), **(network or {})})
        keychain = APIKeyChain.in_memory(
            settings=settings or APIKeyChainSettings(),
            network={base + path: allowed for path in bases},
            upstream=lambda _guard: upstream(detour),
        )
        async with keychain:
            acme = await keychain.ensure_tenant("acme")
            shop = await acme.ensure_project("shop")
            names = [f"p{number}" for number in range(len(bases))]
            await shop.configure(
                origins=[APP],
                providers=[Provider(name, base + path, credential) for name, path in zip(names, bases, strict=True)],
                secrets=dict.fromkeys(names, Secret(KEY)),
                routes=routes,
                quota=PLENTY,
                address_quota=PLENTY,
                enabled=True,
            )
            await asyncio.sleep(0.02)  # until the news of the change were heard: they drop what is held
            yield Gate(keychain, provider, acme, shop, APIKeyChainMiddleware(app, keychain))


async def get(gate: Gate, *lines: Line) -> Answer:
    """The answer of the route ``r``."""
    return await gate.call(gate.shop.url("r"), headers=[(b"origin", APP.encode()), *lines])


def is_refused(answer: Answer, code: str = "upstream-refused", status: int = 502) -> None:
    """It is ours, whole, and knows no secret."""
    assert (answer.status, answer.code, answer.ended) == (status, code, True)
    assert KEY.encode() not in answer.body + repr(answer.headers.lines).encode()


def writes(*pieces: bytes) -> Callable[[Visit], Awaitable[None]]:
    """A provider that writes these bytes for an answer."""

    async def does(visit: Visit) -> None:
        for piece in pieces:
            await visit.write(piece)

    return does
