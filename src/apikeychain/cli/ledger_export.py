"""Entries in a file, a line each, which a second run goes on with: nothing that stands there is ever overwritten."""

import base64
import fcntl
import json
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from apikeychain.errors import InvalidValueError
from apikeychain.model.ledger import LedgerEntry
from apikeychain.proof.export import MAX_LINE_BYTES


def line_of(entry: LedgerEntry) -> bytes:
    """An entry as it is stored, in one line of JSON.

    The payload is text whose UTF-8 is what the hash is made of; one that is no UTF-8 is in base64 instead.
    """
    line = entry.columns
    try:
        line["payload"] = entry.payload.decode()
    except UnicodeDecodeError:
        line["payload_base64"] = base64.b64encode(entry.payload).decode()
    line["hash"] = entry.hash.hex()
    return json.dumps(line, separators=(",", ":"), default=repr).encode() + b"\n"


class ExportFile:
    """A file that takes lines, of which the first may stand there already.

    A context manager. Nothing is written before what stands there was found to be the same; half a line at its end,
    as a killed run leaves it, is completed.

    Args:
        path: of the file; it is made, for its owner alone, where it is missing.

    Attributes:
        kept: how many lines stood there.
        added: how many were written.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._comparing = path, True
        self.kept = self.added = 0

    def __enter__(self) -> Self:
        """Open it.

        Raises:
            InvalidValueError: it cannot be opened, is no file, or another run writes it.
        """
        with self._told():
            number = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        try:
            self._require_own(number)
        except InvalidValueError:
            os.close(number)
            raise
        self._file: BinaryIO = os.fdopen(number, "r+b")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close it; what was written is whole lines, or half a one at the end."""
        with suppress(OSError):  # a full disk was told already
            self._file.close()

    @property
    def first(self) -> str | None:
        """The first line that stood there, where nothing was put yet; None where there is no whole one."""
        line = self._file.readline(MAX_LINE_BYTES)
        self._file.seek(0)
        return line.decode("utf-8", "replace") if line.endswith(b"\n") else None

    def put(self, line: bytes) -> None:
        """The next line.

        Raises:
            InvalidValueError: another one stands in its place. Nothing is changed then.
        """
        if self._comparing:
            start = self._file.tell()
            stood = self._file.read(len(line))
            if stood == line:
                self.kept += 1
                return
            if len(stood) == len(line) or not line.startswith(stood):
                self._refuse("something else")
            self._file.seek(start)
            self._comparing = False
        with self._told():
            self._file.write(line)
        self.added += 1

    def finish(self) -> None:
        """There are no more lines.

        Raises:
            InvalidValueError: there are more in the file.
        """
        if self._comparing and self._file.read(1):
            self._refuse("more")
        with self._told():
            self._file.flush()
            os.fsync(self._file.fileno())

    @contextmanager
    def _told(self) -> Generator[None, None, None]:
        try:
            yield
        except OSError as error:
            msg = f"{str(self._path)!r} cannot be written to: {error.strerror}"
            raise InvalidValueError(msg) from None

    def _require_own(self, number: int) -> None:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            msg = f"{str(self._path)!r} is no file"
            raise InvalidValueError(msg)
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            msg = f"another export writes to {str(self._path)!r}"
            raise InvalidValueError(msg) from None

    def _refuse(self, what: str) -> None:
        msg = (
            f"{str(self._path)!r} holds {what} behind line {self.kept} than the ledger: "
            "name another file, or look with `ledger verify` what happened to the ledger; nothing was changed"
        )
        raise InvalidValueError(msg)
