"""`apikeychain asset put`: files, or all scripts and styles in a folder."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

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
        files: to publish, each under its own name; of a folder what stands right in it.
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


@dataclass(slots=True)
class _Came:
    """What came of each file."""

    put: list[AssetInfo] = field(default_factory=list[AssetInfo])
    refused: list[tuple[Path, str]] = field(default_factory=list[tuple[Path, str]])

    async def put_all(
        self, project: ProjectAdmin, files: Sequence[tuple[str, Path]], bar: Callable[[int], None]
    ) -> None:
        """Put one after the other; once nothing answers, no further one is tried."""
        for done, (name, path) in enumerate(files):
            try:
                self.put.append(await project.assets.put(name, path))
            except (InvalidValueError, ConflictError) as error:
                self.refused.append((path, str(error)))
            except BackendUnavailableError:
                self.refused += [(left, _SILENT) for _, left in files[done:]]
                return
            bar(done + 1)


def _named(files: Sequence[Path], name: str | None) -> list[tuple[str, Path]]:
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
    twice = [one for one, times in Counter(path.name for path in found).items() if times > 1]
    if twice:
        msg = f"two files are named {twice[0]!r}"
        raise InvalidValueError(msg)
    return [(name or path.name, path) for path in found]


def _within(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    try:
        return sorted(one for one in path.iterdir() if _is_asset(one) and one.is_file())
    except OSError as error:
        raise unreadable(path, error) from None


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
