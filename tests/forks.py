"""Servers that are begun as often as they are killed: forked off one process that has imported everything.

A script calls `fork_each`; a test starts the script with `forking`.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from apikeychain import APIKeyChain
from apikeychain.ledger.notes import Terms
from apikeychain.residence import Residence
from command import unmeasured

_FOLDER = Path(__file__).parent


class Forks:
    """The process that forks, which is its own session."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def begin(self, port: int) -> int:
        """A server on the port, which may not be open yet; its process id."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(b"%d\n" % port)
        await self.process.stdin.drain()
        return int(await self.process.stdout.readline())


@asynccontextmanager
async def forking(script: str, environment: dict[str, str]) -> AsyncGenerator[Forks, None]:
    """The script runs, in the folder of tests; at the end it and its servers are told to end, and waited for."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(_FOLDER / script),
        cwd=_FOLDER,
        env=unmeasured() | environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield Forks(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        assert process.stdin
        process.stdin.close()
        await process.wait()


def fork_each(serve: Callable[[int], None]) -> None:
    """Serve on each port that is read, each from a process of its own."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            serve(int(line))
            return
        print(child, flush=True)  # noqa: T201  # it is told
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()


def on_terms(keychain: APIKeyChain, app: ASGIApp, terms: Terms) -> ASGIApp:
    """The application, whose keychain keeps its notes on other terms than the default."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            keychain._residence = Residence(
                keychain._plugs, keychain.settings, keychain._networks, sanitizers=keychain._sanitizers, terms=terms
            )
        await app(scope, receive, send)

    return application
