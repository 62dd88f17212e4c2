"""A witness that is a file: each moment is a line behind the others, and nothing that stands there is written again.

Several processes of one machine may share it. Who writes holds a lock, reads first what others have written, and waits
until the disk has its own line. A last line that was not finished, since its writer was killed or the disk was full,
was never acknowledged, and is cut off by the next one who writes. Anything else that is not as it was written is told.

Source: contracts 6; flock(2), fsync(2), O_APPEND in open(2).
"""

import asyncio
import contextlib
import errno
import fcntl
import logging
import math
import os
import stat
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path
from typing import NoReturn, Self, TypeVar

from apikeychain.backends.witness_lines import Place, key_lists_line, moment_line, read_line, read_part
from apikeychain.backends.witnessed import added_key_lists, by_chain, damaged, require_none
from apikeychain.errors import BackendUnavailableError, DamagedDataError
from apikeychain.model.ids import TenantId
from apikeychain.ports.witness import Extension
from apikeychain.proof.checkpoint import Checkpoint
from apikeychain.proof.extension import is_news
from apikeychain.proof.reading import ProofError

T = TypeVar("T")
# Another one that writes holds the lock for as long as its disk takes.
_LOCK_SECONDS = 10.0
_LOOK_SECONDS = 0.02
# Some tenths of a second of reading, for as long as which nobody else can write.
_PART_BYTES = 32 << 20
_BUFFER_BYTES = 1 << 20
_log = logging.getLogger("apikeychain.witness")


class FileWitness:
    """See Witness. An async context manager, which may be entered in several event loops.

    It holds where the last checkpoint of each chain stands, and reads the whole file once for that, when it is first
    asked: 100 MB and more in a second. Others can write meanwhile.

    Args:
        path: of the file, which is made (mode 0600) with the first checkpoint, in a directory that exists. Put it on
            another disk or host than the ledger: who can change both is not witnessed by it.

    Attributes:
        patience: see Witness: as long as an old and long file takes.
    """

    patience = 600.0

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._one = threading.Lock()
        self._identity: tuple[int, int] | None = None
        self._end = 0
        self._places: dict[str, Place] = {}
        self._key_lists: list[str] = []

    async def __aenter__(self) -> Self:
        """Nothing yet: what it needs is opened for each deed, so that a disk that is away is away for that alone."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let a writing that was begun end."""
        await asyncio.to_thread(self._one.acquire)
        self._one.release()

    async def latest(self, tenant: TenantId) -> Checkpoint | None:
        """See Witness.latest."""
        return await self._deed(lambda: self._latest(tenant))

    async def publish(self, extensions: Sequence[Extension]) -> None:
        """See Witness.publish."""
        if extensions:
            await self._deed(lambda: self._publish(extensions))

    async def vouch(self, key_lists: Sequence[str]) -> None:
        """See Witness.vouch."""
        await self._deed(lambda: self._vouch(key_lists))

    async def key_lists(self) -> Sequence[str]:
        """See Witness.key_lists."""
        return await self._deed(self._kept_key_lists)

    async def _deed(self, deed: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(deed)
        except OSError as error:
            msg = f"the witness file {self.path} cannot be reached: {error.strerror}"
            raise BackendUnavailableError(msg) from None

    def _latest(self, tenant: TenantId) -> Checkpoint | None:
        with self._reading() as file:
            return None if file is None else self._last(file, tenant)

    def _kept_key_lists(self) -> Sequence[str]:
        with self._reading():
            return tuple(self._key_lists)

    def _publish(self, extensions: Sequence[Extension]) -> None:
        given = by_chain(extensions)
        refused = dict(given.refused)
        with self._writing() as file:
            news: dict[str, list[Checkpoint]] = {}
            for tenant, extension in given.chains.items():
                later = extension.checkpoint
                try:
                    if is_news(self._last(file, tenant), later, since=extension.since, path=extension.path):
                        news.setdefault(later.note, []).append(later)
                except (ProofError, DamagedDataError) as error:
                    refused[tenant] = str(error)
            self._append(file, (moment_line(note, checkpoints) for note, checkpoints in news.items()))
        require_none(refused)

    def _vouch(self, key_lists: Sequence[str]) -> None:
        with self._writing() as file:
            added = added_key_lists(self._key_lists, key_lists)
            self._append(file, [key_lists_line(added)] if added else ())

    @contextlib.contextmanager
    def _reading(self) -> Generator[int | None]:
        """The file, read as far as it goes; None where it was not yet made."""
        with self._one:
            try:
                file = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except FileNotFoundError:
                if self._identity or not self.path.parent.is_dir():
                    raise
                yield None
                return
            with _closing(file):
                self._approach(file)
                with _locked(file, fcntl.LOCK_SH):
                    self._catch_up(file)
                    yield file

    @contextlib.contextmanager
    def _writing(self) -> Generator[int]:
        """The file, of which nobody else knows more, and which ends with a whole line."""
        made = os.O_CREAT if self._identity is None else 0
        with self._one:
            file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC | made, 0o600)
            with _closing(file):
                self._approach(file)
                with _locked(file, fcntl.LOCK_EX):
                    self._catch_up(file)
                    if os.fstat(file).st_size > self._end:
                        _log.warning("%s ended in the middle of a line, which was never acknowledged", self.path)
                        os.ftruncate(file, self._end)
                    yield file

    def _approach(self, file: int) -> None:
        """Read all but the last of a long file, with the lock for a part of it at a time."""
        before = -1
        while self._end > before and os.fstat(file).st_size > self._end + _PART_BYTES:
            before = self._end
            with _locked(file, fcntl.LOCK_SH):
                self._catch_up(file, self._end + _PART_BYTES)

    def _catch_up(self, file: int, until: float = math.inf) -> None:
        """Read what was written since, no further than the first line that ends behind `until`."""
        state = os.fstat(file)
        identity = (state.st_dev, state.st_ino)
        if not stat.S_ISREG(state.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        if self._identity not in {None, identity} or state.st_size < self._end:
            self._refuse("it was cut, or another one took its place")
        self._identity = identity
        with open(file, "rb", _BUFFER_BYTES, closefd=False) as lines:
            lines.seek(self._end)
            for line in lines:
                if not line.endswith(b"\n") or self._end > until:
                    break
                self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            found = read_line(line[:-1], self._end)
        except ProofError as error:
            self._refuse(f"at byte {self._end}: {error}")
        for tenant, place in found.places:
            last = self._places.get(tenant)
            if last is not None and place.entries < last.entries:
                self._refuse(f"at byte {self._end}: the chain goes back", tenant)
            self._places[tenant] = place
        self._key_lists += found.key_lists
        self._end += len(line)

    def _last(self, file: int, tenant: str) -> Checkpoint | None:
        place = self._places.get(tenant)
        if place is None:
            return None
        try:
            return read_part(_at(file, place.start, place.size), _at(file, *place.note))
        except ProofError as error:
            self._refuse(str(error), tenant)

    def _refuse(self, why: str, tenant: str = "") -> NoReturn:
        what = f"the witness file {self.path}"
        raise damaged(what, why, tenant) from None

    def _append(self, file: int, lines: Iterable[bytes]) -> None:
        """Write whole lines, and wait until the disk has them; or nothing of them."""
        written = b"".join(lines)
        if not written:
            return
        try:
            _write(file, written)
            os.fsync(file)
            if not self._end:
                _flush_directory(self.path.parent)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(file, self._end)
            raise
        self._catch_up(file)


@contextlib.contextmanager
def _closing(file: int) -> Generator[None]:
    try:
        yield
    finally:
        os.close(file)


@contextlib.contextmanager
def _locked(file: int, kind: int) -> Generator[None]:
    """The lock on a file."""
    ends = time.monotonic() + _LOCK_SECONDS
    while not _has_lock(file, kind):
        if time.monotonic() > ends:
            raise OSError(errno.EBUSY, f"another process has written for {_LOCK_SECONDS:g} s")
        time.sleep(_LOOK_SECONDS)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def _has_lock(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _at(file: int, start: int, size: int) -> bytes:
    return os.pread(file, size, start)


def _write(file: int, raw: bytes) -> None:
    left = memoryview(raw)
    while left:
        left = left[os.write(file, left) :]


def _flush_directory(directory: Path) -> None:
    folder = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
