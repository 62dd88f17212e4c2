"""One serving process on one data directory.

Source: contracts 10; flock(2): the kernel frees the lock when its holder dies, however it dies.
"""

import fcntl
import os
from pathlib import Path

from apikeychain.errors import DataDirectoryError


class ServingLock:
    """An exclusive lock on a data directory, held while a process serves calls from it.

    Args:
        directory: exists when the lock is acquired.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / "serving.lock"
        self._file: int | None = None

    def acquire(self) -> None:
        """Take the lock; a lock that is held already is kept.

        Raises:
            DataDirectoryError: another process serves from the directory, or it cannot be written to.
        """
        if self._file is not None:
            return
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            msg = f"the data directory {self._path.parent} cannot be written to: {error.strerror}"
            raise DataDirectoryError(msg) from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            msg = (
                f"another process serves from {self._path.parent}: the embedded default is for one process. "
                "Run one worker, or wire shared backends (a PostgreSQL store and a shared limiter) for more"
            )
            raise DataDirectoryError(msg) from None
        self._file = file

    def release(self) -> None:
        """Let the lock go."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
