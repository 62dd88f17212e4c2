"""What a page is told of assets."""

import base64
import hashlib
from dataclasses import replace

import pytest

from apikeychain.model.asset import Asset, AssetVersion
from apikeychain.model.ledger import JSON
from apikeychain.rules.asset_manifest import INTEGRITIES, asset_url, integrity, manifest, tag
from apikeychain.rules.asset_names import MANIFEST
from sample_project import NOW, PROJECT

BODY = b"document.title = 1"
PREFIX = "/api/apikeychain"
VERSION = AssetVersion(
    project=PROJECT,
    path="js/widget.js",
    number=3,
    object="ab" * 16,
    sealed=b"sealed",
    bytes=len(BODY),
    sha256=hashlib.sha256(BODY).hexdigest(),
    sha384=hashlib.sha384(BODY).hexdigest(),
    sha512=hashlib.sha512(BODY).hexdigest(),
    object_bytes=99,
    object_sha256="cd" * 32,
    created=NOW,
)
ASSET = Asset(project=PROJECT, path=VERSION.path, number=3, created=NOW, changed=NOW)


@pytest.mark.parametrize("algorithm", INTEGRITIES)
def test_an_integrity_is_the_standard_base64_of_the_digest(algorithm: str) -> None:
    digest = hashlib.new(algorithm, BODY).digest()
    assert integrity(VERSION, algorithm) == f"{algorithm}-{base64.b64encode(digest).decode()}"


def test_a_url_names_what_is_served_or_one_version_for_good_and_bears_a_token() -> None:
    bare = f"{PREFIX}/{PROJECT}/js/widget.js"
    assert asset_url(PREFIX, PROJECT, VERSION.path) == bare
    assert asset_url(PREFIX, PROJECT, VERSION.path, sha256="ab" * 32) == f"{bare}?sha256={'ab' * 32}"
    assert asset_url(PREFIX, PROJECT, VERSION.path, token="v1.2.x") == f"{bare}?token=v1.2.x"
    both = asset_url(PREFIX, PROJECT, VERSION.path, sha256="ab" * 32, token="v1.2.x")
    assert both == f"{bare}?sha256={'ab' * 32}&token=v1.2.x"
    assert asset_url(PREFIX, PROJECT, MANIFEST) == f"{PREFIX}/{PROJECT}/assets.json"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("js/a.js", '<script src="/x?a=1&amp;b=&quot;" integrity="I" crossorigin="anonymous"></script>'),
        ("js/a.mjs", '<script type="module" src="/x?a=1&amp;b=&quot;" integrity="I" crossorigin="anonymous"></script>'),
        ("css/a.css", '<link rel="stylesheet" href="/x?a=1&amp;b=&quot;" integrity="I" crossorigin="anonymous">'),
        ("js/a.js.map", ""),
        ("css/a.css.map", ""),
    ],
)
def test_a_tag_is_a_line_of_html_that_loads_that_version_only(path: str, expected: str) -> None:
    made = tag(replace(VERSION, path=path), '/x?a=1&b="')
    assert made == expected.replace("I", integrity(VERSION, "sha384"), 1) if expected else made == ""


def test_the_manifest_tells_each_asset_once_in_order() -> None:
    style = replace(VERSION, path="css/page.css")
    told = manifest(PROJECT, PREFIX, [(ASSET, VERSION), (replace(ASSET, path=style.path), style)])
    assert told == {
        "project": PROJECT,
        "url": f"{PREFIX}/{PROJECT}/assets.json",
        "assets": {"css/page.css": _entry("css", style), "js/widget.js": _entry("js", VERSION)},
    }
    assets = told["assets"]
    assert isinstance(assets, dict)
    assert list(assets) == ["css/page.css", "js/widget.js"]


def _entry(kind: str, version: AssetVersion) -> dict[str, JSON]:
    immutable = f"{PREFIX}/{PROJECT}/{version.path}?sha256={version.sha256}"
    return {
        "kind": kind,
        "bytes": len(BODY),
        "version": 3,
        "content_sha256": version.sha256,
        "integrity": {algorithm: integrity(version, algorithm) for algorithm in INTEGRITIES},
        "url": f"{PREFIX}/{PROJECT}/{version.path}",
        "immutable_url": immutable,
        "tag": tag(version, immutable),
    }
