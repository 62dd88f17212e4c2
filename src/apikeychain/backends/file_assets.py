"""An asset store that is a directory: an object is a file, written whole before it has its name.

::

    <directory>/<tenant>/<project>/<name>            directories 0700, files 0600
    <directory>/<tenant>/<project>/.<16 hex>.new     one that is being put

Below the directory each step is opened by itself from the one above it, and none that is a link: whatever lies there,
no verb leaves the prefix that it was given. Whoever is killed while putting leaves a file without a name; who puts
beside it an hour later or more, when nobody can still be writing it, removes it.

Source: spec 10.2; POSIX.1-2024 openat(), linkat(), fsync().
"""

import contextlib
import errno
import os
import stat
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Self, TypeVar

from apikeychain.backends.asset_objects import MAX_OBJECT_BYTES, is_object, require_body, require_object, require_place
from apikeychain.errors import AlreadyExistsError, BackendUnavailableError, DoesNotExistError
from apikeychain.model.asset import AssetPrefix
from apikeychain.primitives import random_bytes
from apikeychain.threads import ThreadPlaces

T = TypeVar("T")
_SUFFIX = ".new"
# A disk that hangs holds so many threads and no more; the others of the process are for what else waits for one.
_AT_ONCE = 2
# The longest that is put takes seconds, on a disk that is slow a minute.
_LEFT_SECONDS = 3600.0
# NONBLOCK: a pipe must not hold us up.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class FileAssets:
    """See AssetStore. Shared by the processes of one machine, and by several machines where the directory is.

    An async context manager; it needs none of what that does, and may be used in several event loops.

    Args:
        directory: made with the first object, in one that exists, on a file system that knows links.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self._is_made = False
        self._places = ThreadPlaces(_AT_ONCE)

    async def __aenter__(self) -> Self:
        """Nothing: what a verb needs it opens, so that a disk that is away is away for that alone."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing likewise."""

    async def put(self, prefix: AssetPrefix, name: str, body: bytes) -> None:
        """See AssetStore.put."""
        require_body(prefix, name, body)
        await self._deed(lambda: self._put(prefix, name, body))

    async def open(self, prefix: AssetPrefix, name: str) -> bytes:
        """See AssetStore.open."""
        require_object(prefix, name)
        found = await self._deed(lambda: self._open(prefix, name))
        if found is None:
            msg = f"there is no object {name}"
            raise DoesNotExistError(msg)
        return found

    async def delete(self, prefix: AssetPrefix, name: str) -> None:
        """See AssetStore.delete."""
        require_object(prefix, name)
        await self._deed(lambda: self._delete(prefix, name))

    async def list(self, prefix: AssetPrefix, after: str, limit: int) -> Sequence[str]:
        """See AssetStore.list."""
        require_place(prefix, after)
        return await self._deed(lambda: self._list(prefix, after, limit))

    async def _deed(self, deed: Callable[[], T]) -> T:
        try:
            return await self._places.bring(deed)
        except OSError as error:
            msg = (
                f"the directory of assets {self.directory} cannot be used ({error.strerror}): "
                "make room, mount it, or give it to this user"
            )
            raise BackendUnavailableError(msg) from None

    def _put(self, prefix: AssetPrefix, name: str, body: bytes) -> None:
        with self._made(prefix) as folder:
            _sweep(folder)
            fresh = f".{random_bytes(8).hex()}{_SUFFIX}"
            try:
                _write(folder, fresh, body)
                # A link, not a rename: it never takes the name from a file that is there.
                os.link(fresh, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
            except FileExistsError:
                msg = f"there is an object {name}"
                raise AlreadyExistsError(msg) from None
            finally:
                _remove(folder, fresh)
            os.fsync(folder)

    def _open(self, prefix: AssetPrefix, name: str) -> bytes | None:
        with self._found(prefix) as folder, contextlib.suppress(FileNotFoundError):
            return None if folder is None else _read(folder, name)
        return None

    def _delete(self, prefix: AssetPrefix, name: str) -> None:
        with self._found(prefix) as folder, contextlib.suppress(FileNotFoundError):
            if folder is not None:
                os.unlink(name, dir_fd=folder)
                os.fsync(folder)

    def _list(self, prefix: AssetPrefix, after: str, limit: int) -> Sequence[str]:
        with self._found(prefix) as folder:
            names = () if folder is None else _names(folder)
        return sorted(name for name in names if is_object(name) and name > after)[:limit]

    @contextlib.contextmanager
    def _made(self, prefix: AssetPrefix) -> Generator[int]:
        """The folder of a prefix, made where it is missing. The directory is not made anew: its disk may be away."""
        if not self._is_made:
            _make(self.directory)
        with contextlib.ExitStack() as stack:
            folder = self._top(stack)
            for step in prefix:
                _make(step, folder)
                folder = _entered(stack, step, folder)
            yield folder

    @contextlib.contextmanager
    def _found(self, prefix: AssetPrefix) -> Generator[int | None]:
        """The folder of a prefix, or None where nothing was put there yet."""
        with contextlib.ExitStack() as stack:
            folder: int | None = None
            try:
                folder = self._top(stack)
                for step in prefix:
                    folder = _entered(stack, step, folder)
            except FileNotFoundError:
                if folder is None and (self._is_made or not self.directory.parent.is_dir()):
                    raise
                folder = None
            yield folder

    def _top(self, stack: contextlib.ExitStack) -> int:
        folder = os.open(self.directory, _FOLDER)
        stack.callback(os.close, folder)
        self._is_made = True
        return folder


def _entered(stack: contextlib.ExitStack, step: str, folder: int) -> int:
    below = os.open(step, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
    stack.callback(os.close, below)
    return below


def _make(step: str | Path, folder: int | None = None) -> None:
    """Make a folder in another, unless it is there; its name outlives a loss of power."""
    try:
        os.mkdir(step, 0o700, dir_fd=folder)
    except FileExistsError:
        return
    if folder is not None:
        os.fsync(folder)
        return
    above = os.open(Path(step).parent, _FOLDER)
    try:
        os.fsync(above)
    finally:
        os.close(above)


def _write(folder: int, name: str, body: bytes) -> None:
    with os.fdopen(os.open(name, _WRITE, 0o600, dir_fd=folder), "wb") as file:
        # Whatever the umask took away: a file that its owner cannot read is a lost one.
        os.fchmod(file.fileno(), 0o600)
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


def _read(folder: int, name: str) -> bytes:
    with os.fdopen(os.open(name, _READ, dir_fd=folder), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "an object is no regular file")
        # One byte more than an object has: what somebody else put in its place is found to be another, not read whole.
        return file.read(MAX_OBJECT_BYTES + 1)


def _names(folder: int) -> Sequence[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]


def _sweep(folder: int) -> None:
    oldest = time.time() - _LEFT_SECONDS
    for name in _names(folder):
        if name.startswith(".") and name.endswith(_SUFFIX) and _written(folder, name) < oldest:
            _remove(folder, name)


def _written(folder: int, name: str) -> float:
    """When a file was last written; now where it is gone."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime
    except FileNotFoundError:
        return time.time()


def _remove(folder: int, name: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(name, dir_fd=folder)
