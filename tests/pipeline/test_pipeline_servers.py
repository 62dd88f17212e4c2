"""One table of raw requests against each server that hosts use: the provider never sees a request that a strict
reading would not give. That a server itself refuses, or cuts the connection, counts as held.
"""

import asyncio
import contextlib
import itertools
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

import canary
from apikeychain import HeaderCredential, Provider, ProxyRoute, RawBody, Secret
from apikeychain.testing.local_provider import LocalProvider
from apikeychain.testing.servers.ports import free_port
from command import unmeasured
from processes import until_open
from raw_requests import REQUESTS, Desk, Raw, Sent
from served_gate import keychain
from signer import Signer

FOLDER = Path(__file__).parents[1]
SERVERS: Mapping[str, Sequence[str]] = {
    "uvicorn": ("uvicorn", "served_gate:app", "--port", "{port}", "--no-proxy-headers", "--log-level", "critical"),
    "hypercorn": ("hypercorn", "served_gate:app", "--bind", "127.0.0.1:{port}", "--log-level", "critical"),
    "granian": ("granian", "--interface", "asgi", "--http", "1", "--port", "{port}", "--no-log", "served_gate:app"),
}
ROUTE = ProxyRoute(
    "echo",
    provider="weather",
    path="/here",
    tail=True,
    undeclared="forward",
    methods=["GET", "POST"],
    body=RawBody(["application/json"]),
)
# After which whatever a caller left behind has come to its end.
SETTLED = 0.3

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Site:
    """A server process in front of a provider."""

    port: int
    path: str
    signer: Signer
    provider: LocalProvider
    addresses: "itertools.count[int]"

    async def send(self, raw: Raw) -> tuple[int, list[Sent]]:
        """The status of a request (0: none), and the whole requests that the provider saw of it."""
        before = len(self.provider.requests)
        desk = Desk(self.path, self.signer, f"198.18.0.{next(self.addresses)}")
        status = await self._exchange(raw.write(desk), leaves=raw.leaves)
        if raw.leaves:
            await asyncio.sleep(SETTLED)
        seen = [received for received in self.provider.requests[before:] if received.is_whole]
        return status, [(received.method, received.target, bytes(received.body)) for received in seen]

    async def _exchange(self, packets: Sequence[bytes], *, leaves: bool) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        answer = b""
        with contextlib.suppress(ConnectionError, TimeoutError):
            for packet in packets:
                writer.write(packet)
                await writer.drain()
                await asyncio.sleep(0.001)
            async with asyncio.timeout(0 if leaves else 5):
                answer = await reader.read()
        writer.close()
        # A server that finds a body broken may answer 500 for an application that has then said nothing.
        is_ours = b"x-apikeychain-error" in answer.lower()
        status = int(answer[9:12] or 0)
        return 400 if status >= 500 and not is_ours else status


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=SERVERS)
async def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Site, None]:
    data = tmp_path_factory.mktemp("served") / "data"
    async with LocalProvider("weather.localhost") as provider:
        base = f"https://weather.localhost:{provider.port}"
        path, signer = await _declared(data, base, str(provider.ca_pem_path))
        port = free_port()
        command = [part.format(port=port) for part in SERVERS[request.param]]
        environment = {"DATA": str(data), "BASE": base, "CA_FILE": str(provider.ca_pem_path), "PYTHONPATH": str(FOLDER)}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *command, cwd=FOLDER, env=unmeasured() | environment
        )
        try:
            await until_open(port, process)
            yield Site(port, path, signer, provider, itertools.count())
        finally:
            process.terminate()
            await process.wait()


async def _declared(data: Path, base: str, ca_file: str) -> tuple[str, Signer]:
    """The path of the route, and who signs for it."""
    async with keychain(str(data), base, ca_file) as opened:
        shop = await (await opened.ensure_tenant("acme")).ensure_project("shop")
        await shop.configure(
            origins=["https://app.example.com"],
            providers=[Provider("weather", base, HeaderCredential("x-api-key"))],
            secrets={"weather": Secret(canary.secret())},
            routes=[ROUTE],
            quota="100000/minute",
            address_quota="100000/minute",
            enabled=True,
        )
        shown = await shop.add_signing_key()
        return shop.url("echo"), Signer(shown.id, shown.key.reveal(), shop.id)


@pytest.mark.parametrize("raw", REQUESTS, ids=lambda raw: raw.name)
async def test_a_provider_sees_what_a_strict_reading_gives(raw: Raw, site: Site) -> None:
    status, seen = await site.send(raw)
    if raw.reading == "passes":
        assert (status, seen) == (200, [raw.sent])
    elif raw.reading == "refused":
        assert seen == []
        assert status == 0 or 400 <= status < 500
    else:
        assert seen in ([], [raw.sent])
        assert status == 0 or 200 <= status < 500
    # Whatever it was, the next caller is served.
    assert await site.send(REQUESTS[0]) == (200, [REQUESTS[0].sent])
