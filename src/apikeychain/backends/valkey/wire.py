"""One connection to a Valkey or Redis server, and how its faults are told.

The package `redis` gives the connection: address, TLS, login and the protocol. What it would do beyond that is off,
since it would be wrong here: a claim that is sent again after a fault is a replay of itself, and a subscription that is
renewed in silence has missed what was published meanwhile. Its client takes nearly twice the CPU for a call, too.
"""

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast, final
from urllib.parse import SplitResult, unquote, urlsplit

from redis.asyncio import Connection as TCPConnection
from redis.asyncio import SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NotConnectedError
from redis.exceptions import ReadOnlyError, RedisError, ResponseError

from apikeychain.backends.address import is_loopback
from apikeychain.backends.tls import trusting
from apikeychain.errors import BackendUnavailableError, InvalidValueError

_SCHEMES = {"valkey": False, "redis": False, "valkeys": True, "rediss": True}
_PORT = 6379
_FOREIGN = re.compile(r"[?#\s\x00-\x1f\x7f]").search
_DATABASE = re.compile(r"/?|/([0-9]{1,5})").fullmatch


class Connection(Protocol):
    """What is used of a connection of the package `redis`."""

    async def connect(self) -> None:
        """Connect and log in."""
        ...

    async def disconnect(self, nowait: bool = False) -> None:  # noqa: FBT001, FBT002 - the package's own signature
        """Close."""
        ...

    async def send_command(self, *words: str | bytes | int) -> None:
        """Send."""
        ...

    async def read_response(self) -> Any:  # noqa: ANN401 - whatever the server says
        """The next answer; an error of the server is raised."""
        ...


@final
class Server:
    """Where connections go.

    Args:
        url: ``valkeys://[user:password@]host[:port][/database]`` or ``rediss://``, with TLS 1.3, verified;
            ``valkey://`` or ``redis://`` for a loopback host; ``unix://[user:password@]/path`` for a socket.
        trust: a file with the authorities that its certificate may be from; None for those of the system.

    Raises:
        InvalidValueError: no such URL, one that leads to another machine without TLS, or the authorities cannot be
            read. The URL is not shown, since it may hold a password.
    """

    def __init__(self, url: str, trust: Path | str | None = None) -> None:
        parts = _parsed(url)
        _require_safe(parts)
        options: dict[str, Any] = {
            "username": unquote(parts.username) if parts.username else None,
            "password": unquote(parts.password) if parts.password else None,
            "protocol": 2,
            "retry": Retry(NoBackoff(), 0),
            "socket_timeout": None,
            "socket_connect_timeout": None,
        }
        if parts.scheme == "unix":
            self._make: Callable[[], object] = partial(UnixDomainSocketConnection, path=unquote(parts.path), **options)
            return
        options |= {"host": parts.hostname, "port": parts.port or _PORT, "db": int(parts.path.strip("/") or 0)}
        self._make = partial(_over_tls(trust) if _SCHEMES[parts.scheme] else TCPConnection, **options)

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection, None]:
        """A new connection, closed where the block fails: else it is the caller's to close."""
        connection = cast("Connection", self._make())
        try:
            await connection.connect()
            yield connection
        except BaseException:
            await connection.disconnect(nowait=True)
            raise


def _parsed(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_socket = parts.scheme == "unix" and not parts.hostname and parts.path not in {"", "/"}
        is_host = parts.scheme in _SCHEMES and parts.hostname and _DATABASE(parts.path) and parts.port != 0
        # What a query says would be of TLS or of the client, and is decided here.
        if (is_socket or is_host) and not _FOREIGN(url):
            return parts
    except ValueError:
        pass
    msg = "not a URL of Valkey or Redis: write valkey://host:6379/0, or valkeys:// for TLS, without options"
    raise InvalidValueError(msg)


def _require_safe(parts: SplitResult) -> None:
    """Whoever stands between could read the password, and call a claim new that is none."""
    if not (parts.scheme == "unix" or _SCHEMES[parts.scheme] or is_loopback(parts.hostname or "")):
        msg = "Valkey on another machine is reached by TLS 1.3 alone: write valkeys:// or rediss://"
        raise InvalidValueError(msg)


def _over_tls(trust: Path | str | None) -> Callable[..., SSLConnection]:
    context = trusting(trust)

    def made(**options: Any) -> SSLConnection:  # noqa: ANN401 - the package's own
        connection = SSLConnection(**options)
        # The one that it would make itself takes older TLS, and the authorities of the system beside those given.
        connection.ssl_context.context = context
        return connection

    return made


async def ask(connection: Connection, *words: str | bytes | int) -> Any:  # noqa: ANN401 - whatever the server says
    """The answer to a command, on a connection that nobody else uses."""
    await connection.send_command(*words)
    return await connection.read_response()


@contextmanager
def told_as_ours() -> Generator[None, None, None]:
    """Turns whatever goes wrong inside into BackendUnavailableError, without a text that could hold an address."""
    try:
        yield
    except (RedisError, OSError) as fault:
        msg = f"valkey does not answer: {type(fault).__name__}"
        raise BackendUnavailableError(msg) from None


@final
class Wire:
    """A connection on which calls follow each other without waiting; answers come in the order of the calls.

    Attributes:
        is_cut: whether it is of no more use.
    """

    def __init__(self, connection: Connection) -> None:
        self.is_cut = False
        self._fault: Exception = NotConnectedError("the connection was cut")
        self._connection = connection
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._reader = asyncio.get_running_loop().create_task(self._read(), name="apikeychain valkey")

    async def ask(self, *words: str | bytes | int) -> Any:  # noqa: ANN401 - whatever the server says
        """The answer to a command. One that does not come in the caller's time costs the connection."""
        if self.is_cut:
            raise self._fault
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        await self._connection.send_command(*words)
        said = await answer
        if isinstance(said, Exception):
            raise said
        return said

    def cut(self) -> None:
        """Fail whoever still waits."""
        self.is_cut = True
        self._reader.cancel()

    async def close(self) -> None:
        """`cut`, and wait until the connection is closed."""
        self.cut()
        await asyncio.wait([self._reader])

    async def _read(self) -> None:
        try:
            while True:
                said = await self._answer()
                answer = self._waiting.popleft()
                if not answer.done():
                    answer.set_result(said)
                if isinstance(said, ReadOnlyError):
                    # The server became a replica: whoever connects anew finds the one that takes its place.
                    return
        except (RedisError, OSError) as error:
            self._fault = error
        finally:
            self.is_cut = True
            for answer in self._waiting:
                if not answer.done():
                    answer.set_result(self._fault)
            await self._connection.disconnect(nowait=True)

    async def _answer(self) -> Any:  # noqa: ANN401 - whatever the server says
        try:
            return await self._connection.read_response()
        except ResponseError as error:
            return error
