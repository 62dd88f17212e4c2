"""Servers on a core of their own: started, waited for, and ended with all that they started."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_START_SECONDS = 60.0
_STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Running:
    """A process that listens."""

    pid: int


class NotStartedError(Exception):
    """A server did not begin to listen; the text has the end of its log."""


@contextmanager
def running(
    command: Sequence[str],
    *,
    core: int,
    port: int,
    log: Path,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Generator[Running]:
    """The process, pinned to `core`, once somebody listens on `port`.

    Raises:
        NotStartedError: nobody does within a minute.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - our own commands
            ["taskset", "-c", str(core), *command],  # noqa: S607 - of the system, as nginx and wrk are
            env={**_unmeasured(), **(environment or {})},
            cwd=folder,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait(process, port, log)
        yield Running(process.pid)
    finally:
        _end(process)


def free_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _unmeasured() -> dict[str, str]:
    """Without what would have a test run measure which lines the process reaches."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "COV_", "PYTEST_"))}


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    ends = time.monotonic() + _START_SECONDS
    while time.monotonic() < ends and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    msg = f"{process.args!r} does not listen:\n{log.read_text(encoding='utf-8', errors='replace')[-2000:]}"
    raise NotStartedError(msg)


def _end(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        sys.stderr.write(f"process {process.pid} did not end by itself\n")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
