"""What most requests for assets are, told at a glance: plain ones for what is ready.

A request is plain where nothing in it could change the answer but its path, its hash, its origin, the codings it takes
and the tag it has. Whatever is not, or might be refused, is left to whoever looks at everything: so this is never more
than a shorter way to the same answer.

Source: contracts 1, 2, 9.
"""

from collections.abc import Mapping
from functools import lru_cache

from apikeychain.errors import HeaderLines
from apikeychain.model.asset import AssetVersion
from apikeychain.model.call import MAX_WHOLE_BYTES, Reply
from apikeychain.model.headers import Line
from apikeychain.rules import asset_answer
from apikeychain.rules.asset_answer import IMMUTABLE, REVALIDATED, ReadyAsset
from apikeychain.rules.headers import HSTS, SIGNING, is_public_name
from apikeychain.rules.shelf import Shelf

PROJECT = len("p_") + 20
_HASH = b"sha256="
_NOT_PLAIN = frozenset({b"range", b"service-worker", b"content-length", b"transfer-encoding", *SIGNING})
_DESTINATIONS = frozenset({None, b"script", b"style", b"empty"})
_MODES = frozenset({None, b"no-cors", b"cors", b"same-origin"})
_INDEX = {b"js": b"js/index.js", b"css": b"css/index.css"}
_NOTHING: HeaderLines = ()
# A DNS name with its port; of how many it is remembered whether they are public.
_LONGEST_HOST, _REMEMBERED = 260, 256


def version_of(shelf: Shelf, place: bytes, query: bytes) -> AssetVersion | None:
    """The version that a path behind the prefix and a query name, where they are plain."""
    path = place[PROJECT + 1 :]
    path = _INDEX.get(path, path)
    if not query:
        return shelf.current.get(path)
    return shelf.kept.get((path, query[len(_HASH) :])) if query.startswith(_HASH) else None


def plain(lines: list[Line]) -> Mapping[bytes, bytes] | None:
    """The values of the headers of a plain request by name, or None."""
    first = dict(lines)
    names = b"".join(first)
    is_plain = (
        len(first) == len(lines)
        and b"_" not in names
        and names.islower()
        and _NOT_PLAIN.isdisjoint(first)
        and first.get(b"sec-fetch-dest") in _DESTINATIONS
        and first.get(b"sec-fetch-mode") in _MODES
        and first.get(b"host", b"").strip(b" \t")
    )
    return first if is_plain else None


def answer(
    first: Mapping[bytes, bytes], asset: ReadyAsset, shelf: Shelf, reached: tuple[str, bytes], *, by_hash: bool
) -> Reply | None:
    """The answer to a plain GET, or None where it is none after all.

    Args:
        first: the headers.
        asset: that it asks for.
        shelf: of the asset.
        reached: by which scheme and host, see `caller.reached_by`.
        by_hash: whether the version was named.
    """
    scheme, host = reached
    origin, held = first.get(b"origin"), first.get(b"if-none-match")
    readable = _NOTHING if origin is None else shelf.readable.get(origin)
    if scheme != "https" or readable is None or held == b"*":
        return None
    sent = asset_answer.chosen(asset_answer.accepted(first.get(b"accept-encoding", b"")), asset)
    if held is not None and sent.etag in held:
        return Reply(304, (*sent.unchanged, IMMUTABLE if by_hash else REVALIDATED, *readable, *_hsts(host)))
    if len(sent.body) > MAX_WHOLE_BYTES:
        return None
    return Reply(200, (sent.immutable if by_hash else sent.revalidated) + readable + _hsts(host), sent.body)


def _hsts(host: bytes) -> HeaderLines:
    return _known_hsts(host) if len(host) <= _LONGEST_HOST else ()


@lru_cache(maxsize=_REMEMBERED)
def _known_hsts(host: bytes) -> HeaderLines:
    return (HSTS,) if is_public_name(host.decode("latin-1")) else ()
