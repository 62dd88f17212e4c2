"""Looks at the files that were named."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from apikeychain.doctor.verdicts import FileFacts
from apikeychain.embedded import DATABASE
from apikeychain.environment.choices import Choices

_ROOT = 0


def look_at_files(choices: Choices, key_files: Iterable[Path]) -> list[FileFacts]:
    """What there is to say of each.

    Args:
        choices: what was chosen.
        key_files: of platform keys that are in one.
    """
    return [*_of_data(choices), *_of_keys(choices, key_files)]


def lies_in(file: Path, folder: Path) -> bool:
    """Whether a copy of the folder takes the file too, whatever links lead there."""
    return file.resolve().is_relative_to(folder.resolve())


def _of_data(choices: Choices) -> Iterator[FileFacts]:
    if choices.data:
        yield _facts("the data directory", choices.data)
    if choices.data and not choices.database_url:
        yield _facts("the database", choices.data / DATABASE)


def _of_keys(choices: Choices, key_files: Iterable[Path]) -> Iterator[FileFacts]:
    for key_file in key_files:
        yield _facts("the key file", key_file, must_be_closed=True)
    for file in choices.secret_files:
        yield _facts("the file", file)


def _facts(what: str, path: Path, *, must_be_closed: bool = False) -> FileFacts:
    try:
        state = path.stat()
    except OSError:
        return FileFacts(what, path, None, must_be_closed=must_be_closed)
    is_ours = state.st_uid in {os.geteuid(), _ROOT}
    return FileFacts(what, path, state.st_mode, is_ours=is_ours, must_be_closed=must_be_closed)
