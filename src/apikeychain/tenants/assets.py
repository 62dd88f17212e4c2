"""The assets of a project: what is told of them, what is served in another version, and what goes.

Source: contracts 9; spec 7; decision 35.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from apikeychain.errors import DoesNotExistError, InvalidValueError
from apikeychain.listing import every
from apikeychain.model.asset import Asset, AssetVersion, LooseObject
from apikeychain.model.ids import ProjectId
from apikeychain.model.ledger import JSON
from apikeychain.model.records import Project
from apikeychain.ports.store import TenantReader
from apikeychain.rules.asset_names import parse_asset_name
from apikeychain.tenants.change import ProjectChange


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetInfo:
    """An asset, and the version of it that is served.

    Attributes:
        path: ``js/<name>`` or ``css/<name>``.
        version: its number.
        bytes: of the body, no coding applied.
        sha256: of that, in lower-case hex.
        created: when the name was first put; `changed`: when another version was last chosen.
    """

    path: str
    version: int
    bytes: int
    sha256: str
    created: datetime
    changed: datetime

    @classmethod
    def of(cls, asset: Asset, version: AssetVersion) -> "AssetInfo":
        """What is told of two records."""
        return cls(
            path=asset.path,
            version=version.number,
            bytes=version.bytes,
            sha256=version.sha256,
            created=asset.created,
            changed=asset.changed,
        )

    @property
    def name(self) -> str:
        """As it was put."""
        return self.path.partition("/")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetVersionInfo:
    """One version of an asset.

    Attributes:
        number: counts the versions of the asset, from 1.
        bytes: of the body, no coding applied.
        sha256: of that, in lower-case hex.
        is_served: whether it is what callers get.
    """

    number: int
    bytes: int
    sha256: str
    created: datetime
    is_served: bool


async def served(rows: TenantReader, project: ProjectId) -> list[tuple[Asset, AssetVersion]]:
    """Each asset with the version that is served, in the order of their paths."""
    versions = {(one.path, one.number): one for one in await every(rows, AssetVersion, project)}
    assets = await every(rows, Asset, project)
    return [(one, versions[one.path, one.number]) for one in assets if (one.path, one.number) in versions]


async def served_at(rows: TenantReader, project: ProjectId, path: str) -> tuple[Asset, AssetVersion] | None:
    """The asset at a path, and its version, or None."""
    asset = await rows.get(Asset, (project, path))
    version = None if asset is None else _of_number(await versions_of(rows, project, path), asset.number)
    return None if asset is None or version is None else (asset, version)


async def versions_of(rows: TenantReader, project: ProjectId, path: str) -> list[AssetVersion]:
    """All versions of an asset, the oldest first."""
    return await every(rows, AssetVersion, project, path)


async def shown(rows: TenantReader, project: ProjectId, name: str) -> list[AssetVersionInfo]:
    """What is told of the versions of an asset, the newest first.

    Raises:
        DoesNotExistError: there is no such asset.
    """
    path = parse_asset_name(name)
    asset = await rows.get(Asset, (project, path))
    if asset is None:
        raise none_of(path)
    return [
        AssetVersionInfo(
            number=one.number,
            bytes=one.bytes,
            sha256=one.sha256,
            created=one.created,
            is_served=one.number == asset.number,
        )
        for one in reversed(await versions_of(rows, project, path))
    ]


async def roll_back(change: ProjectChange, name: str, number: int | None) -> AssetInfo:
    """Serve a version that is kept; the one that is served already changes nothing.

    Args:
        change: the transaction.
        name: of the asset.
        number: of the version; None for the one before the one that is served.

    Raises:
        DoesNotExistError: there is no such asset, or no such version any more.
    """
    path = parse_asset_name(name)
    asset = await _required(change, path)
    kept = await versions_of(change.store, change.project.id, path)
    wanted = max((one.number for one in kept if one.number < asset.number), default=0) if number is None else number
    version = _of_number(kept, wanted)
    if version is None:
        which = f"version {number}" if number is not None else "version before the one that is served"
        msg = f"no {which} is kept of {path}"
        raise DoesNotExistError(msg)
    if wanted != asset.number:
        await change.store_changed(asset, number=wanted, changed=change.moment)
        change.note("asset.reverted", **told(version))
    return AssetInfo.of(await _required(change, path), version)


async def remove(change: ProjectChange, name: str) -> list[str]:
    """Remove an asset with all its versions. Returns the objects that are loose by that.

    Raises:
        DoesNotExistError: there is none.
    """
    path = parse_asset_name(name)
    asset = await _required(change, path)
    versions = await versions_of(change.store, change.project.id, path)
    await loosen(change, versions)
    await change.remove(asset)
    gone = _of_number(versions, asset.number)
    change.note("asset.removed", **(told(gone) if gone else {"path": path}))
    return [one.object for one in versions]


async def loosen(change: ProjectChange, versions: Iterable[AssetVersion]) -> None:
    """Remove versions, whose objects belong to none then."""
    for one in versions:
        await change.remove(one)
        await change.store.insert(loose(change, one.object, one.path))


def loose(change: ProjectChange, name: str, path: str) -> LooseObject:
    """The note of an object that is of no version."""
    return LooseObject(project=change.project.id, object=name, path=path, since=change.moment)


def told(version: AssetVersion) -> dict[str, JSON]:
    """What the ledger says of a version."""
    return {"path": version.path, "number": version.number, "sha256": version.sha256, "bytes": version.bytes}


def require_on(project: Project) -> None:
    """Raise InvalidValueError unless the project publishes assets."""
    if not project.assets:
        which = f"{project.name!r} publishes no assets"
        msg = f"the project {which}: switch that on, assets=True or apikeychain asset enable {project.id}"
        raise InvalidValueError(msg)


def none_of(path: str) -> DoesNotExistError:
    """What is told where there is no asset at a path."""
    return DoesNotExistError(f"there is no asset {path}")


async def _required(change: ProjectChange, path: str) -> Asset:
    found = await change.find(Asset, path)
    if found is None:
        raise none_of(path)
    return found


def _of_number(versions: Sequence[AssetVersion], number: int) -> AssetVersion | None:
    return next((one for one in versions if one.number == number), None)
