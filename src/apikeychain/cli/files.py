"""Files that a command is given."""

import os
from collections.abc import Iterable
from pathlib import Path

from apikeychain.errors import InvalidValueError
from apikeychain.proof.note import VerifierKey, parse_keys
from apikeychain.proof.reading import ProofError

_MOST_BYTES = 1 << 24


def unreadable(path: Path, error: OSError) -> InvalidValueError:
    """What is told of a file that the system does not open."""
    return InvalidValueError(f"the file {str(path)!r} cannot be read: {error.strerror}")


def read_text(path: Path) -> str:
    """The text in a file.

    Raises:
        InvalidValueError: it cannot be read, is larger than 16 MiB, or is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise unreadable(path, error) from None
    try:
        if len(raw) <= _MOST_BYTES:
            return raw.decode()
        msg = f"the file {str(path)!r} is larger than 16 MiB"
    except UnicodeDecodeError:
        msg = f"the file {str(path)!r} is not text in UTF-8"
    raise InvalidValueError(msg)


def read_keys(paths: Iterable[Path]) -> list[VerifierKey]:
    """The public keys in files, one on each line.

    Raises:
        InvalidValueError: a file cannot be read, or a line is no key.
    """
    try:
        return [key for path in paths for key in parse_keys(read_text(path))]
    except ProofError as error:
        raise InvalidValueError(str(error)) from None


def write_own(path: Path, text: str) -> None:
    """Write a file that its owner alone can read, over what stood there.

    Raises:
        InvalidValueError: it cannot be written.
    """
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        msg = f"{str(path)!r} cannot be written: {error.strerror}"
        raise InvalidValueError(msg) from None
