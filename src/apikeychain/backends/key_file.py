"""The key file: how it is read, made and replaced.

One line of JSON in ASCII and a line feed, mode 0600, of the user of the process or of root::

    {"format":"apikeychain-key-file","keys":[{"key":"<64 hex>","number":1,"version":"<32 hex>"}, ...],"v":1}

``keys`` holds every version that still unwraps, oldest first, numbers rising. What is in it is not recoverable: with
the file lost, nothing that it wrapped opens again. It is never written in place: a new file is written beside it,
flushed, and takes its name, so that a full disk or a crash leaves the old one whole.

Source: contracts 5; POSIX.1-2024 link(), rename(), fsync(); RFC 8259.
"""

import contextlib
import errno
import fcntl
import json
import os
import re
import stat
from collections.abc import Callable, Generator
from pathlib import Path

from apikeychain.backends.platform_keys import PlatformKey, PlatformKeys
from apikeychain.errors import KeyFileError
from apikeychain.primitives import random_bytes

_FORMAT = "apikeychain-key-file"
_LAYOUT = 1
_MAX_BYTES = 1 << 20
_ROOT = 0
_VERSION, _KEY = re.compile(r"[0-9a-f]{32}"), re.compile(r"[0-9a-f]{64}")
# 32 random bytes have fewer than 16 different ones once in 10**13; what a person types or a zeroed disk holds does.
_MIN_DISTINCT_BYTES = 16


def read(path: Path) -> PlatformKeys:
    """The versions in the file.

    Raises:
        KeyFileError: missing, a link, of another user, readable by others, or not a key file of this layout.
    """
    with _opened(path) as file:
        return _read(file, path)


def create(path: Path) -> None:
    """Make a file with version 1 of a new platform key, unless there is one; two who do it at once get one.

    Raises:
        KeyFileError: it cannot be written.
    """
    if os.path.lexists(path):
        return
    with _written(path, PlatformKeys.generate()) as fresh, contextlib.suppress(FileExistsError):
        # A link, not a rename: it never takes the name from a file that came in the meantime.
        os.link(fresh, path)


def change(path: Path, turn: Callable[[PlatformKeys], PlatformKeys]) -> PlatformKeys:
    """Replace what is in the file by `turn` of it; those who do it at once take turns.

    Raises:
        KeyFileError: it cannot be read or written; the old file is whole.
    """
    with _locked(path) as file:
        keys = turn(_read(file, path))
        with _written(path, keys) as fresh:
            # Before the new name stands: from then on the next one holds the lock and writes a file of its own.
            _sweep(path, fresh)
            fresh.replace(path)
    return keys


def encode(keys: PlatformKeys) -> bytes:
    """The bytes of a file with these versions."""
    lines = [{"key": k.key.hex(), "number": k.number, "version": k.version.hex()} for k in keys.versions]
    document = {"format": _FORMAT, "keys": lines, "v": _LAYOUT}
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def decode(raw: bytes) -> PlatformKeys:
    """The versions in the bytes of a file.

    Raises:
        ValueError: not exactly what `encode` writes, or a key that was not drawn at random.
    """
    document = json.loads(raw.decode("ascii"))
    keys = PlatformKeys(tuple(_version(entry) for entry in document["keys"]))
    numbers = [known.number for known in keys.versions]
    rising = numbers == sorted({number for number in numbers if number > 0})
    distinct = len({known.version for known in keys.versions}) == len(numbers) > 0
    # Written out again and compared: one spelling only, so no field can be missing, unknown or twice.
    if not rising or not distinct or encode(keys) != raw:
        raise ValueError
    return keys


def _version(entry: dict[str, object]) -> PlatformKey:
    number, version, key = entry["number"], str(entry["version"]), bytes.fromhex(str(entry["key"]))
    if type(number) is not int or not _VERSION.fullmatch(version) or not _KEY.fullmatch(key.hex()):
        raise ValueError
    if len(set(key)) < _MIN_DISTINCT_BYTES:
        raise ValueError
    return PlatformKey(number, bytes.fromhex(version), key)


@contextlib.contextmanager
def _opened(path: Path) -> Generator[int]:
    try:
        # NOFOLLOW: a link could lead to a file that others may replace. NONBLOCK: a pipe must not hold us up.
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        msg = f"there is no key file at {path}: restore it from your backup, without it no stored secret opens"
        raise KeyFileError(msg) from None
    except OSError as error:
        why = "it is a symbolic link" if error.errno == errno.ELOOP else error.strerror
        msg = f"the key file {path} cannot be opened ({why}): give the path of a regular file that this user owns"
        raise KeyFileError(msg) from None
    try:
        yield file
    finally:
        os.close(file)


@contextlib.contextmanager
def _locked(path: Path) -> Generator[int]:
    while True:
        with _opened(path) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # Whoever held the lock before us has put another file under this name: then wait for that one.
            if _is_at(file, path):
                yield file
                return


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.lstat())
    except FileNotFoundError:
        return False


def _read(file: int, path: Path) -> PlatformKeys:
    state = os.fstat(file)
    if not stat.S_ISREG(state.st_mode):
        msg = f"the key file {path} is not a regular file: give the path of the file itself"
        raise KeyFileError(msg)
    # The owner may write it and open it to others whatever its mode is; root may do so with any file.
    if state.st_uid not in {os.geteuid(), _ROOT}:
        msg = (
            f"the key file {path} belongs to another user: run chown {os.geteuid()} {path}, and rotate the platform key"
        )
        raise KeyFileError(msg)
    if stat.S_IMODE(state.st_mode) & 0o077:
        msg = f"the key file {path} is open to others: run chmod 600 {path}, and rotate the platform key"
        raise KeyFileError(msg)
    try:
        return decode(os.pread(file, _MAX_BYTES, 0))
    except (ValueError, KeyError, TypeError, RecursionError):
        msg = f"the key file {path} is damaged or not a key file of this version: restore it from your backup"
        raise KeyFileError(msg) from None


@contextlib.contextmanager
def _written(path: Path, keys: PlatformKeys) -> Generator[Path]:
    fresh = path.with_name(f".{path.name}.{random_bytes(8).hex()}.new")
    try:
        _write(fresh, encode(keys))
        yield fresh
        _flush_directory(path.parent)
    except OSError as error:
        msg = f"the key file {path} cannot be written ({error.strerror}): make room or give this user the directory"
        raise KeyFileError(msg) from None
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)


def _write(fresh: Path, raw: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(fresh, flags, 0o600), "wb") as file:
        # Whatever the umask took away: a file that its owner cannot read is a lost one.
        os.fchmod(file.fileno(), 0o600)
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())


def _flush_directory(directory: Path) -> None:
    # Without it the new name itself may be lost with the power.
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sweep(path: Path, fresh: Path) -> None:
    # A crash between writing and renaming leaves a copy of keys behind: it must not outlive their retirement.
    for left in path.parent.iterdir():
        if left.name.startswith(f".{path.name}.") and left.suffix == fresh.suffix and left != fresh:
            left.unlink(missing_ok=True)
