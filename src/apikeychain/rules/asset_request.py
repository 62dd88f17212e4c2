"""What is asked of an asset, and whether it is asked as it may be.

Source: contracts 1, 2, 9; Fetch Metadata, section 2; Service Workers, "Service-Worker".
"""

import re
from types import MappingProxyType
from typing import NamedTuple

from apikeychain.errors import (
    DestinationRefusedError,
    MethodRefusedError,
    NotFoundError,
    ParameterRefusedError,
    SignatureRefusedError,
    TokenRefusedError,
)
from apikeychain.model.call import Call
from apikeychain.model.headers import Headers, Line
from apikeychain.rules.asset_names import MANIFEST
from apikeychain.rules.signature import is_signed

# The areas of a path; what is served at those of assets where no name follows.
_INDEX = MappingProxyType({"js": b"js/index.js", "css": b"css/index.css", MANIFEST: MANIFEST.encode()})
AREAS = frozenset(_INDEX)
_METHODS = frozenset({"GET", "HEAD"})
_DESTINATIONS = frozenset({None, b"script", b"style", b"empty"})
_MANIFEST_DESTINATIONS = frozenset({None, b"empty", b"json"})
_ALLOW: Line = (b"allow", b"GET, HEAD")
_SHA256 = re.compile(rb"[0-9a-f]{64}")
_SHOWN = 64


class AssetQuery(NamedTuple):
    """What stands behind the path.

    Attributes:
        token: as it came, or b"".
        sha256: of the version that is meant, in lower-case hex, or b"" for the one that is served.
    """

    token: bytes
    sha256: bytes


NO_QUERY = AssetQuery(b"", b"")


def path_of(call: Call) -> bytes:
    """The path of what is asked for: ``js/<name>``, ``css/<name>`` or ``assets.json``, as it was sent.

    It is looked up as it is, and nothing is decoded: whatever is no name is the name of nothing.

    Raises:
        NotFoundError: a slash without a name behind it, or anything behind the manifest.
    """
    if not call.slash:
        return _INDEX[call.area]
    if not call.path or call.area == MANIFEST:
        raise NotFoundError
    return b"%s/%s" % (call.area.encode(), call.path)


def require_plain(headers: Headers) -> None:
    """Raise SignatureRefusedError where a call is signed: nothing here would verify that."""
    if is_signed(headers):
        raise SignatureRefusedError(hint="Assets are not signed: ask for them without the signing headers.")


def require_method(method: str) -> None:
    """Raise MethodRefusedError unless it is GET or HEAD."""
    if method not in _METHODS:
        raise MethodRefusedError(headers=(_ALLOW,))


def require_destination(headers: Headers, *, is_manifest: bool) -> None:
    """Refuse what would become a document or a worker.

    Raises:
        DestinationRefusedError: by Sec-Fetch-Dest, Sec-Fetch-Mode or Service-Worker.
    """
    first = headers.first
    if (
        first.get(b"sec-fetch-dest") not in (_MANIFEST_DESTINATIONS if is_manifest else _DESTINATIONS)
        or first.get(b"sec-fetch-mode") == b"navigate"
        or b"service-worker" in first
    ):
        raise DestinationRefusedError(hint="Load it by a script or link tag, or with fetch().")


def read_query(query: bytes, *, is_manifest: bool) -> AssetQuery:
    """What a raw query says; its names are those, byte for byte.

    Raises:
        ParameterRefusedError: another one than `token` and `sha256`, that one twice or not 64 digits, or of the
            manifest, which has no versions.
        TokenRefusedError: two tokens.
    """
    if not query:
        return NO_QUERY
    found: dict[bytes, bytes] = {}
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        if name == b"token" and name in found:
            raise TokenRefusedError
        is_hash = name == b"sha256" and not is_manifest and _SHA256.fullmatch(value)
        if (name != b"token" and not is_hash) or name in found:
            raise ParameterRefusedError(name[:_SHOWN].decode("latin-1"), hint="An asset takes token and sha256.")
        found[name] = value
    return AssetQuery(found.get(b"token", b""), found.get(b"sha256", b""))
