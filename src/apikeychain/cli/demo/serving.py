"""Little servers of the demo: sockets that are ours before anything starts, and uvicorn on top of them."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Generator, Sequence
from typing import final

import uvicorn
from starlette.types import ASGIApp

from apikeychain.errors import SetupError

ADDRESS = "127.0.0.1"
SERVERS = 3
_POLL_SECONDS = 0.01


@final
class Server(uvicorn.Server):
    """A server that leaves the signals of the process alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Whoever runs the demo hears Ctrl-C, not each server for itself."""
        yield


@contextlib.contextmanager
def bound(port: int) -> Generator[Sequence[socket.socket], None, None]:
    """Sockets of this machine only: of the host application and of the two pages.

    Args:
        port: of the first, the others are the next ones; 0 for any that are free.

    Raises:
        SetupError: one of them is taken.
    """
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(_bind(port + place if port else 0)) for place in range(SERVERS)]


def _bind(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((ADDRESS, port))
        listener.listen()
    except (OSError, OverflowError) as error:
        listener.close()
        why = getattr(error, "strerror", None) or "there is no such port"
        msg = f"port {port} cannot be used ({why}). The demo needs three in a row: apikeychain demo --port 9000"
        raise SetupError(msg) from None
    return listener


def port_of(listener: socket.socket) -> int:
    """The port it is bound to."""
    return int(listener.getsockname()[1])


@contextlib.asynccontextmanager
async def served(app: ASGIApp, listener: socket.socket) -> AsyncGenerator[None, None]:
    """Serve `app` on `listener` until the end of the block.

    Raises:
        SetupError: it did not start; uvicorn's log says why.
    """
    config = uvicorn.Config(app, log_level="error", access_log=False, timeout_graceful_shutdown=1)
    server = Server(config)
    task = asyncio.create_task(_run(server, listener))
    try:
        while not server.started:
            await asyncio.sleep(_POLL_SECONDS)
            if task.done():
                msg = "a server of the demo did not start"
                raise SetupError(msg)
        yield
    finally:
        server.should_exit = True
        await asyncio.wait([task])


async def _run(server: Server, listener: socket.socket) -> None:
    # A start that fails ends in an exit, which would take the whole loop along.
    with contextlib.suppress(SystemExit):
        await server.serve([listener])
