"""The assets of a project, compiled: everything that is the same for all who ask is decided once.

Source: contracts 2 (preflights, http origins), 9.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from apikeychain.errors import HeaderLines
from apikeychain.model.asset import Asset, AssetTokenKey, AssetVersion
from apikeychain.model.ledger import canonical_json
from apikeychain.model.origin import Origin
from apikeychain.model.records import AllowedOrigin, Project, ProjectKey, Tenant
from apikeychain.rules import asset_answer, cors
from apikeychain.rules.asset_answer import ReadyAsset
from apikeychain.rules.asset_manifest import manifest
from apikeychain.rules.snapshot import Preflight

PREFLIGHT = Preflight(
    allow_methods=b"GET, HEAD, OPTIONS",
    allow_headers=b"Range",
    methods=frozenset({b"GET", b"HEAD", b"OPTIONS"}),
    names=frozenset({b"range"}),
    prefixes=(),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """The assets of a project as those meet them who ask for one.

    Attributes:
        origins: the allowed origins, by the bytes that browsers send.
        readable: the lines that make an answer readable, by the same.
        current: the version that is served, by its path as it is sent.
        kept: every version that is kept, by path and SHA-256 in lower-case hex.
        keys: the versions of the project's key, by version.
        token_key: the version from which its asset tokens are made, or None.
        old_token_keys: those before it; past ones too, the moment decides.
        manifest: ready to be served.
    """

    tenant: Tenant
    project: Project
    origins: Mapping[bytes, Origin]
    readable: Mapping[bytes, HeaderLines]
    current: Mapping[bytes, AssetVersion]
    kept: Mapping[tuple[bytes, bytes], AssetVersion]
    keys: Mapping[str, ProjectKey] = field(repr=False)
    token_key: ProjectKey | None = field(repr=False)
    old_token_keys: Sequence[AssetTokenKey] = field(repr=False)
    manifest: ReadyAsset

    @property
    def preflight(self) -> Preflight:
        """What a preflight may ask for: the same of every project."""
        return PREFLIGHT

    def find(self, path: bytes, sha256: bytes) -> AssetVersion | None:
        """The version at a path, or None.

        Args:
            path: ``js/<name>`` or ``css/<name>``, as it was sent.
            sha256: of the version that is meant, or b"" for the one that is served.
        """
        return self.kept.get((path, sha256)) if sha256 else self.current.get(path)


def compile_shelf(
    tenant: Tenant,
    project: Project,
    *,
    origins: Iterable[AllowedOrigin],
    assets: Iterable[Asset],
    versions: Iterable[AssetVersion],
    keys: Iterable[ProjectKey],
    token_keys: Iterable[AssetTokenKey],
    prefix: str,
    development: bool = False,
) -> Shelf:
    """The assets of a project, compiled from its records.

    Args:
        tenant: the project's.
        project: the record.
        origins: and all that follow, of this project.
        assets: put.
        versions: kept, in the order of their numbers.
        keys: every version that may have sealed something.
        token_keys: of versions that are gone.
        prefix: of the settings.
        development: whether http origins count; they stay on the list without it and are not served.
    """
    kept = {(version.path, version.number): version for version in versions}
    served = [(asset, kept[asset.path, asset.number]) for asset in assets if (asset.path, asset.number) in kept]
    known_keys = {key.version: key for key in keys}
    listed = {
        record.origin.encode(): record.origin
        for record in origins
        if development or record.origin.startswith("https://")
    }
    return Shelf(
        tenant=tenant,
        project=project,
        origins=MappingProxyType(listed),
        readable=MappingProxyType(
            {sent: cors.readable(origin, asset_answer.EXPOSED) for sent, origin in listed.items()}
        ),
        current=MappingProxyType({asset.path.encode(): version for asset, version in served}),
        # Of two versions with the same body the newest serves both.
        kept=MappingProxyType({(one.path.encode(), one.sha256.encode()): one for one in kept.values()}),
        keys=MappingProxyType(known_keys),
        token_key=max(known_keys.values(), key=lambda key: key.number, default=None),
        old_token_keys=tuple(token_keys),
        manifest=_manifest(canonical_json(manifest(project.id, prefix, served))),
    )


def _manifest(body: bytes) -> ReadyAsset:
    sha256 = hashlib.sha256(body).hexdigest()
    return asset_answer.ready(b"application/json", sha256, {asset_answer.IDENTITY: body})
