"""Records of assets, in every shape that a store must give back as it was."""

from datetime import datetime

from apikeychain.model.asset import Asset, AssetRecord, AssetTokenKey, AssetVersion, LooseObject
from apikeychain.model.ids import ProjectId


def asset_records(project: ProjectId, moment: datetime) -> tuple[AssetRecord, ...]:
    """One of each kind."""
    return (
        Asset(project=project, path="js/widget.js", number=2, created=moment, changed=moment),
        AssetVersion(
            project=project,
            path="js/widget.js",
            number=2,
            object="0123456789abcdef" * 2,
            sealed=b"\x00AK",
            bytes=5 * 1024 * 1024,
            sha256="a" * 64,
            sha384="b" * 96,
            sha512="c" * 128,
            object_bytes=1,
            object_sha256="d" * 64,
            created=moment,
        ),
        LooseObject(project=project, object="fedcba9876543210" * 2, path="css/index.css", since=moment),
        AssetTokenKey(project=project, version="0123456789abcdef" * 2, sealed=b"AK", until=moment),
    )
