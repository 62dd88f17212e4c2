"""`apikeychain asset put`: files, or all scripts and styles in a folder."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, NamedTuple

from cyclopts import Parameter

from apikeychain.cli import output
from apikeychain.cli.files import unreadable
from apikeychain.cli.invocation import Call, Invocation
from apikeychain.cli.progress import progress
from apikeychain.client import BROWSER_SCRIPT
from apikeychain.errors import BackendUnavailableError, ConflictError, InvalidValueError
from apikeychain.tenants.assets import AssetInfo
from apikeychain.tenants.project import ProjectAdmin

# Of a folder only these are tried: it may hold pages and pictures too.
_SUFFIXES = frozenset({".js", ".mjs", ".css", ".map"})
_SILENT = "not put: a store or the key service does not answer"
_Client = Annotated[bool, Parameter(negative="", show_default=False)]
_COLUMNS = ["name", "version", "bytes"]


async def put(project: str, /, *files: Path, name: str | None = None, client: _Client = False, call: Call) -> int:
    """Publish files, or all scripts, styles and source maps in a folder; what is served already changes nothing.

    One that is refused keeps no other from being put: it is named, and the exit code is 1 then.

    Args:
        project: its id p_..., or TENANT/NAME.
        files: to publish, each under its own name; of a folder what stands right in it, but no link that leads out of
            it.
        name: publish the only file under this name.
        client: publish the module that comes with this package, with which a page calls the project's routes.
    """
    found = _named((*files, BROWSER_SCRIPT) if client else files, name)
    async with call.project(project) as admin:
        came = _Came()
        with progress("putting", len(found)) as bar:
            await came.put_all(admin, found, bar)
    _tell(call, admin, came)
    return 1 if came.refused else 0


class _File(NamedTuple):
    name: str
    path: Path
    is_of_folder: bool


@dataclass(slots=True)
class _Came:
    """What came of each file."""

    put: list[AssetInfo] = field(default_factory=list[AssetInfo])
    refused: list[tuple[Path, str]] = field(default_factory=list[tuple[Path, str]])

    async def put_all(self, project: ProjectAdmin, files: Sequence[_File], bar: Callable[[int], None]) -> None:
        """Put one after the other; once nothing answers, no further one is tried."""
        for done, file in enumerate(files):
            try:
                _require_within(file)
                self.put.append(await project.assets.put(file.name, file.path))
            except (InvalidValueError, ConflictError) as error:
                self.refused.append((file.path, str(error)))
            except BackendUnavailableError:
                self.refused += [(left.path, _SILENT) for left in files[done:]]
                return
            bar(done + 1)


def _named(files: Sequence[Path], name: str | None) -> list[_File]:
    """Each file with the name that it is published under.

    Raises:
        InvalidValueError: there is none, two of one name, or a name for several.
    """
    found = [one for path in files for one in _within(path)]
    if not found:
        msg = f"no file to put: say FILE, or a folder with {', '.join(sorted(_SUFFIXES))} right in it"
        raise InvalidValueError(msg)
    if name is not None and len(found) > 1:
        msg = "--name is for one file"
        raise InvalidValueError(msg)
    twice = [one for one, times in Counter(path.name for path, _ in found).items() if times > 1]
    if twice:
        msg = f"two files are named {twice[0]!r}"
        raise InvalidValueError(msg)
    return [_File(name or path.name, path, is_of_folder) for path, is_of_folder in found]


def _within(path: Path) -> list[tuple[Path, bool]]:
    """Each file, and whether it is one of a folder."""
    if not path.is_dir():
        return [(path, False)]
    try:
        return [(one, True) for one in sorted(path.iterdir()) if _is_asset(one) and one.is_file()]
    except OSError as error:
        raise unreadable(path, error) from None


def _require_within(file: _File) -> None:
    """Raise InvalidValueError for a link out of its folder: who made that may have meant to have another file read."""
    path = file.path
    if file.is_of_folder and path.is_symlink() and not path.resolve().is_relative_to(path.parent.resolve()):
        msg = "it is a link that leads out of its folder: to publish what it leads to, name it by itself"
        raise InvalidValueError(msg)


def _is_asset(path: Path) -> bool:
    """Whether it is tried; a name that only its case keeps from being one is refused then, and not passed over."""
    return path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")


def _tell(call: Invocation, project: ProjectAdmin, came: _Came) -> None:
    rows = [{"name": one.name, "path": one.path, "version": one.version, "bytes": one.bytes} for one in came.put]
    if call.json:
        refused = [{"file": str(path), "reason": reason} for path, reason in came.refused]
        output.document({"project": project.id, "put": rows, "refused": refused})
        return
    if rows:
        output.table(rows, _COLUMNS)
    for path, reason in came.refused:
        output.complain(f"{path}: {reason}")
