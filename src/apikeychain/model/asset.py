"""Scripts and styles that a tenant publishes: what is stored of them beside their bodies, which are in an AssetStore.

Every object in an AssetStore is either of a version or loose. It is noted as loose before it is put, and again before
it is deleted: whatever a process leaves behind that dies on the way is found by that.

Source: contracts 9; spec 7, 10.2; decision 35.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Literal, NamedTuple

from apikeychain.model.ids import ProjectId, TenantId

# As the area of a path names it.
AssetKind = Literal["js", "css"]
MIB = 1024 * 1024
MAX_ASSET_BYTES = 5 * MIB
MAX_ASSETS = 1_000
# Of one asset, the newest.
MAX_VERSIONS = 10


class AssetPrefix(NamedTuple):
    """Under which all objects of one project are kept, and none of any other. Source: spec 10.2."""

    tenant: TenantId
    project: ProjectId

    @property
    def path(self) -> str:
        """``<tenant>/<project>/``."""
        return f"{self.tenant}/{self.project}/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A script, a style or the source map of one.

    Attributes:
        path: ``js/<name>`` or ``css/<name>``.
        number: of the version that is served.
        created: when the name was first put; `changed`: when another version was last chosen.
    """

    kind: ClassVar[str] = "asset"
    project: ProjectId
    path: str
    number: int
    created: datetime
    changed: datetime
    generation: int = 1

    @property
    def key(self) -> tuple[str, ...]:
        """Project and path."""
        return (self.project, self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetVersion:
    """One version of an asset.

    Attributes:
        number: counts the versions of the path, from 1; an asset that was removed and put again counts anew.
        object: 32 hex digits: the name of the object in the AssetStore, and what its sealed value names as its key.
        sealed: the 64 hex digits of the object's own key, as a sealed value of contracts 5.
        bytes: of the body itself, no coding applied.
        sha256: of that, in lower-case hex; `sha384` and `sha512` likewise.
        object_bytes: of the object as it is kept.
        object_sha256: of that, in lower-case hex.
    """

    kind: ClassVar[str] = "asset-version"
    project: ProjectId
    path: str
    number: int
    object: str
    sealed: bytes = field(repr=False)
    bytes: int
    sha256: str
    sha384: str
    sha512: str
    object_bytes: int
    object_sha256: str
    created: datetime
    generation: int = 1

    @property
    def key(self) -> tuple[str, ...]:
        """Project, path and number, in the order of numbers."""
        return (self.project, self.path, f"{self.number:09}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LooseObject:
    """An object that is about to be put, or to be deleted, and belongs to no version.

    Attributes:
        object: its name, see `AssetVersion`.
        path: of the asset that it was, or will be, of.
        since: when it was noted.
    """

    kind: ClassVar[str] = "loose-object"
    project: ProjectId
    object: str
    path: str
    since: datetime
    generation: int = 1

    @property
    def key(self) -> tuple[str, ...]:
        """Project and object."""
        return (self.project, self.object)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetTokenKey:
    """The key of a project's asset tokens under a version of its key that is gone.

    Attributes:
        version: of the project's key from which it came, 32 hex digits.
        sealed: its 64 hex digits, as a sealed value of contracts 5.
        until: from then on no token that it made is accepted.
    """

    kind: ClassVar[str] = "asset-token-key"
    project: ProjectId
    version: str
    sealed: bytes = field(repr=False)
    until: datetime
    generation: int = 1

    @property
    def key(self) -> tuple[str, ...]:
        """Project and version."""
        return (self.project, self.version)


AssetRecord = Asset | AssetVersion | LooseObject | AssetTokenKey
