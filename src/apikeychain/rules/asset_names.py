"""Names of assets: of which kind one is, and what it is served as, says its extension and nothing else.

Source: contracts 1 (names), 9; WHATWG HTML, "Scripting" (text/javascript); ECMA-426 (source maps).
"""

from types import MappingProxyType

from apikeychain.errors import InvalidValueError
from apikeychain.model.asset import AssetKind
from apikeychain.model.ids import parse_name

MANIFEST = "assets.json"
_SCRIPT, _STYLE, _MAP = b"text/javascript; charset=utf-8", b"text/css; charset=utf-8", b"application/json"
# The longest that fits counts.
_EXTENSIONS: MappingProxyType[str, tuple[AssetKind, bytes]] = MappingProxyType(
    {
        ".js": ("js", _SCRIPT),
        ".mjs": ("js", _SCRIPT),
        ".js.map": ("js", _MAP),
        ".mjs.map": ("js", _MAP),
        ".css": ("css", _STYLE),
        ".css.map": ("css", _MAP),
    }
)


def parse_asset_name(text: str) -> str:
    """The path of the asset of that name: ``js/<name>`` or ``css/<name>``.

    Raises:
        InvalidValueError: not a name, or without one of the extensions.
    """
    name = parse_name(text, "file")
    kind, _ = _served_as(name)
    return f"{kind}/{name}"


def content_type(path: str) -> bytes:
    """The Content-Type of the asset at a path that `parse_asset_name` has made."""
    return _served_as(path.partition("/")[2])[1]


def _served_as(name: str) -> tuple[AssetKind, bytes]:
    for extension, served in _EXTENSIONS.items():
        if name.endswith(extension) and len(name) > len(extension):
            return served
    msg = f"not an asset's name: {name!r} (it ends in {', '.join(_EXTENSIONS)})"
    raise InvalidValueError(msg)
