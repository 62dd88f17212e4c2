"""What a page has to know of the assets of a project: their addresses, their hashes, and the tags that load them.

A tag names one version for good, by its content-addressed URL: its ``integrity`` would keep a page from loading the
next one. It loads without cookies (``crossorigin="anonymous"``), without which a browser verifies nothing.

Source: contracts 9; spec 7; W3C Subresource Integrity, 3.1 to 3.3; HTML, "CORS settings attributes".
"""

import base64
from collections.abc import Sequence
from html import escape

from apikeychain.model.asset import Asset, AssetKind, AssetVersion
from apikeychain.model.ids import ProjectId
from apikeychain.model.ledger import JSON
from apikeychain.rules.asset_names import MANIFEST

INTEGRITIES = ("sha256", "sha384", "sha512")
# That of the tags.
_STRONG_ENOUGH = "sha384"


def asset_url(prefix: str, project: ProjectId, path: str, *, sha256: str = "", token: str = "") -> str:
    """The address of an asset below a host.

    Args:
        prefix: of the settings.
        project: whose it is.
        path: ``js/<name>``, ``css/<name>`` or ``assets.json``; none of its characters needs an escape.
        sha256: of the version that it shall name for good, 64 hex digits; what is served at the moment without.
        token: see `apikeychain.rules.asset_tokens`.
    """
    query = [f"{name}={value}" for name, value in (("sha256", sha256), ("token", token)) if value]
    return f"{prefix}/{project}/{path}" + ("?" + "&".join(query) if query else "")


def integrity(version: AssetVersion, algorithm: str) -> str:
    """``sha384-...`` and the like, as the ``integrity`` of a tag says it."""
    digest: str = getattr(version, algorithm)
    return f"{algorithm}-{base64.b64encode(bytes.fromhex(digest)).decode()}"


def tag(version: AssetVersion, url: str) -> str:
    """One line of HTML that loads a version, and nothing else in its place; "" for a source map, which none loads.

    Args:
        version: what is to be loaded.
        url: its address, absolute or below the host of the page.
    """
    if version.path.endswith(".map"):
        return ""
    address = escape(url)
    rest = f'integrity="{integrity(version, _STRONG_ENOUGH)}" crossorigin="anonymous"'
    if _kind(version.path) == "css":
        return f'<link rel="stylesheet" href="{address}" {rest}>'
    module = ' type="module"' if version.path.endswith(".mjs") else ""
    return f'<script{module} src="{address}" {rest}></script>'


def manifest(project: ProjectId, prefix: str, assets: Sequence[tuple[Asset, AssetVersion]]) -> dict[str, JSON]:
    """What ``assets.json`` says: each asset by its path, in order.

    Args:
        project: whose assets they are.
        prefix: of the settings, below which all addresses stand.
        assets: each with the version that is served.
    """
    listed = sorted(assets, key=lambda one: one[0].path)
    return {
        "project": project,
        "url": asset_url(prefix, project, MANIFEST),
        "assets": {asset.path: _entry(project, prefix, version) for asset, version in listed},
    }


def _entry(project: ProjectId, prefix: str, version: AssetVersion) -> dict[str, JSON]:
    immutable = asset_url(prefix, project, version.path, sha256=version.sha256)
    return {
        "kind": _kind(version.path),
        "bytes": version.bytes,
        "version": version.number,
        "content_sha256": version.sha256,
        "integrity": {algorithm: integrity(version, algorithm) for algorithm in INTEGRITIES},
        "url": asset_url(prefix, project, version.path),
        "immutable_url": immutable,
        "tag": tag(version, immutable),
    }


def _kind(path: str) -> AssetKind:
    return "css" if path.startswith("css/") else "js"
