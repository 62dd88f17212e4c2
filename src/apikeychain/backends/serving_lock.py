"""The data directory, and one serving process on it.

Source: contracts 10; flock(2): the kernel frees the lock when its holder dies, however it dies.
"""

import asyncio
import fcntl
import os
from pathlib import Path
from typing import Self

from apikeychain.errors import DataDirectoryError


class ServingLock:
    """An exclusive lock on a data directory, held while a process serves calls from it.

    An async context manager: entering it makes the directory (mode 0700) where it is missing, leaving it releases.

    Args:
        directory: exists when the lock is acquired.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / "serving.lock"
        self._file: int | None = None
        self._process = 0

    async def __aenter__(self) -> Self:
        """Make the directory.

        Raises:
            DataDirectoryError: it cannot be made, or is no directory.
        """
        try:
            await asyncio.to_thread(self._path.parent.mkdir, mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            msg = f"the data directory {self._path.parent} cannot be made: {error.strerror}"
            raise DataDirectoryError(msg) from None
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let the lock go."""
        self.release()

    def acquire(self) -> None:
        """Take the lock; a lock that is held already is kept.

        Raises:
            DataDirectoryError: another process serves from the directory, or it cannot be written to; or this one was
                forked off one that serves, whose lock it shares.
        """
        if self._file is not None:
            if self._process == os.getpid():
                return
            raise DataDirectoryError(self._taken())
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            msg = f"the data directory {self._path.parent} cannot be written to: {error.strerror}"
            raise DataDirectoryError(msg) from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            raise DataDirectoryError(self._taken()) from None
        self._file, self._process = file, os.getpid()

    def release(self) -> None:
        """Let the lock go."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _taken(self) -> str:
        return (
            f"another process serves from {self._path.parent}: the embedded default is for one process. "
            "Run one worker, or wire backends that all workers share (store, limiter, replay guard, signals)"
        )
