"""A host application with the gate in front of it and a real provider behind it, driven by raw ASGI messages."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from starlette.types import Message, Receive, Scope, Send

import canary
from apikeychain import (
    APIKeyChain,
    APIKeyChainMiddleware,
    APIKeyChainSettings,
    Network,
    Provider,
    ProxyRoute,
    QueryCredential,
    QueryParameter,
    Secret,
)
from apikeychain.backends.memory_store import MemoryStore
from apikeychain.model.headers import Headers, Line
from apikeychain.ports.store import Store
from apikeychain.residence import Residence
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.tenant import TenantAdmin
from apikeychain.testing.eventually import until
from apikeychain.testing.local_provider import Certificate, LocalProvider, Visit

KEY = canary.secret()
APP = "https://app.example.com"
WEATHER = ProxyRoute(
    "weather",
    provider="weather",
    path="/data/2.5/weather",
    parameters=[QueryParameter("q", pattern="[A-Za-z ,]{1,64}", required=True)],
)


@dataclass
class Answer:
    """What came back over ASGI.

    Attributes:
        ended: whether the answer had a clean end.
    """

    status: int = 0
    headers: Headers = field(default_factory=Headers)
    chunks: list[bytes] = field(default_factory=list)
    ended: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def code(self) -> str:
        return (self.headers.get(b"x-apikeychain-error") or b"").decode()

    @property
    def problem(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


@dataclass
class Gate:
    """One open gate."""

    keychain: APIKeyChain
    provider: LocalProvider
    acme: TenantAdmin
    shop: ProjectAdmin
    app: APIKeyChainMiddleware

    @property
    def residence(self) -> Residence:
        """What is open."""
        assert self.keychain._residence is not None
        return self.keychain._residence

    async def until_written(self) -> None:
        """Until every entry stands in the ledger. Refusals come later, when their ten seconds are over."""
        await until(lambda: not self.residence._ledger.unwritten)

    async def told(self, *kinds: str) -> list[dict[str, Any]]:
        """The data of the entries of these kinds, once all are written."""
        await self.until_written()
        entries = await self.acme.entries(0, 10_000)
        return [json.loads(entry.payload)["data"] for entry in entries if entry.kind in kinds]

    async def get(self, query: bytes = b"q=Paris", *, origin: str = APP, **more: Any) -> Answer:
        headers = [(b"origin", origin.encode())] if origin else []
        return await self.call(self.shop.url("weather"), query, headers=[*headers, *more.pop("headers", [])], **more)

    async def call(
        self,
        path: str,
        query: bytes = b"",
        *,
        method: str = "GET",
        headers: Sequence[Line] = (),
        body: Sequence[bytes] = (),
        leave_after: float | None = None,
        cut_body: bool = False,
        scope: dict[str, Any] | None = None,
    ) -> Answer:
        """One call.

        Args:
            leave_after: seconds after the last body message at which the caller leaves.
            cut_body: whether the caller leaves before the end of the body.
        """
        answer = Answer()
        messages = _messages(body, cut=cut_body)
        left = asyncio.Event()

        async def receive() -> Message:
            if messages:
                return messages.pop(0)
            if leave_after is None:
                await left.wait()
            else:
                await asyncio.sleep(leave_after)
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status, answer.headers = message["status"], Headers(message["headers"])
            else:
                answer.chunks.append(message["body"])
                answer.ended = not message.get("more_body", False)

        await self.app(scope_of(path, query, method=method, headers=headers) | (scope or {}), receive, send)
        canary.hear("an answer", *(b"%s: %s" % line for line in answer.headers), answer.body)
        return answer


def scope_of(path: str, query: bytes = b"", *, method: str = "GET", headers: Sequence[Line] = ()) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "root_path": "",
        "headers": [(b"host", b"host.example"), *headers],
        "client": ("203.0.113.9", 4711),
        "server": ("host.example", 443),
    }


def _messages(body: Sequence[bytes], *, cut: bool) -> list[Message]:
    pieces = list(body) or [b""]
    messages: list[Message] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    if cut:
        return [*messages, {"type": "http.disconnect"}]
    messages[-1]["more_body"] = False
    return messages


async def host(scope: Scope, receive: Receive, send: Send) -> None:
    """The host's own application."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-host", b"yes")]})
    await send({"type": "http.response.body", "body": b"the host"})


async def echo_key(visit: Visit) -> None:
    """A provider that answers only to the right key, and sends it back."""
    key = visit.received.target.rpartition(b"appid=")[2]
    if key != KEY.encode():
        await visit.answer(401, body=b"who are you, " + key)
        return
    await visit.answer(200, [(b"content-type", b"application/json")], b'{"temp": 21, "echo": "' + key + b'"}')


async def weather_shop(
    acme: TenantAdmin,
    base: str,
    name: str = "shop",
    *,
    routes: Sequence[ProxyRoute] = (WEATHER,),
    provider: Provider | None = None,
    **more: Any,
) -> ProjectAdmin:
    """A project of the tenant, in front of the provider at `base`; `more` is configured as it is."""
    shop = await acme.ensure_project(name)
    given = provider or Provider("weather", base, QueryCredential("appid"))
    await shop.configure(
        origins=[APP],
        providers=[replace(given, base_url=base)],
        secrets={"weather": Secret(KEY)},
        routes=routes,
        enabled=True,
        **more,
    )
    return shop


@asynccontextmanager
async def open_gate(
    *,
    settings: APIKeyChainSettings | None = None,
    keychain: APIKeyChain | None = None,
    routes: Sequence[ProxyRoute] = (WEATHER,),
    provider: Provider | None = None,
    network: Network | None = None,
    certificate: Certificate = "good",
    clock: Callable[[], float] = time.monotonic,
    **plugs: Any,
) -> AsyncGenerator[Gate, None]:
    """A gate in memory with one project, in front of a provider at weather.localhost.

    Args:
        clock: by which whatever is held or waited for grows old.
    """
    async with LocalProvider("weather.localhost", certificate=certificate) as local:
        local.on("/data/2.5/weather", echo_key)
        base = f"https://weather.localhost:{local.port}"
        keychain = keychain or APIKeyChain.in_memory(
            settings=settings or APIKeyChainSettings(), network={base: network or local.network}, **plugs
        )
        keychain._residence = Residence(
            keychain._plugs, keychain.settings, keychain._networks, sanitizers=keychain._sanitizers, clock=clock
        )
        async with keychain:
            acme = await keychain.ensure_tenant("acme")
            shop = await weather_shop(acme, base, routes=routes, provider=provider)
            await asyncio.sleep(0.02)  # until the news of the change were heard: they drop what is held
            yield Gate(keychain, local, acme, shop, APIKeyChainMiddleware(host, keychain))
        _hear_what_is_stored(keychain._plugs.store)


def _hear_what_is_stored(store: Store) -> None:
    for room in store._house.rooms.values() if isinstance(store, MemoryStore) else ():
        canary.hear("a ledger entry", *(entry.payload for entry in room.entries))
        canary.hear("a stored record", *(repr(asdict(record)) for record in room.records.values()))
