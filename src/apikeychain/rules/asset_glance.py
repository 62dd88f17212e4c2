"""What most requests for assets are, told at a glance: plain ones for what is ready.

A request is plain where nothing in it could change the answer but its path, its hash, its origin, the codings it takes
and the tag it has. Whatever is not, or might be refused, is left to whoever looks at everything: so this is never more
than a shorter way to the same answer.

Source: contracts 1, 2, 9.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from apikeychain.errors import HeaderLines
from apikeychain.model.asset import AssetVersion
from apikeychain.model.call import MAX_WHOLE_BYTES, Reply
from apikeychain.model.headers import Line
from apikeychain.rules import asset_answer
from apikeychain.rules.asset_answer import IMMUTABLE, REVALIDATED, ReadyAsset
from apikeychain.rules.headers import HSTS, SIGNING, is_public_name
from apikeychain.rules.shelf import Shelf

_HASH = b"sha256="
# What changes an answer, or may have one refused. What browsers and proxies send beside is known for harmless; any
# other name is looked at, since one with an underscore may be a twin.
_NOT_PLAIN = frozenset({b"range", b"service-worker", b"content-length", b"transfer-encoding", *SIGNING})
_HARMLESS = frozenset(
    b"host user-agent accept accept-language accept-encoding referer origin connection cookie if-none-match "
    b"if-modified-since cache-control pragma priority dnt sec-gpc sec-fetch-dest sec-fetch-mode sec-fetch-site "
    b"sec-fetch-user sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform x-forwarded-for x-forwarded-proto x-forwarded-host "
    b"x-forwarded-port x-real-ip x-request-id forwarded via traceparent".split()
)
_DESTINATIONS = frozenset({None, b"script", b"style", b"empty"})
_MODES = frozenset({None, b"no-cors", b"cors", b"same-origin"})
_INDEX = {b"js": b"js/index.js", b"css": b"css/index.css"}
_NOTHING: HeaderLines = ()
# A DNS name with its port, and a prefix with the longest names behind it: so many of each are remembered.
_LONGEST_HOST, _LONGEST_PATH, _REMEMBERED = 260, 512, 2048


class Place(NamedTuple):
    """What a path names."""

    project: str
    path: bytes


def place_of(path: bytes, below: bytes) -> Place | None:
    """What a raw path names, where that can be an asset, whether there is such a one or not; else None.

    Args:
        path: as it was sent.
        below: the prefix and its slash.
    """
    return _known_place(path, below) if len(path) <= _LONGEST_PATH else None


def version_of(shelf: Shelf, path: bytes, query: bytes) -> AssetVersion | None:
    """The version that a request names, where it names one plainly."""
    if not query:
        return shelf.current.get(path)
    return shelf.kept.get((path, query[len(_HASH) :])) if query.startswith(_HASH) else None


def plain(lines: Sequence[Line]) -> Mapping[bytes, bytes] | None:
    """The headers of a plain request, each of them single, or None."""
    first = dict(lines)
    is_plain = (
        len(first) == len(lines)
        and (_HARMLESS.issuperset(first) or _are_plain(first))
        and first.get(b"sec-fetch-dest") in _DESTINATIONS
        and first.get(b"sec-fetch-mode") in _MODES
    )
    return first if is_plain else None


def answer(
    first: Mapping[bytes, bytes], host: bytes, asset: ReadyAsset, shelf: Shelf, *, is_addressed: bool
) -> Reply | None:
    """The answer to a plain GET over https, or None where it takes a closer look.

    Args:
        first: the headers, see `plain`.
        host: that was asked.
        asset: of the version that it names.
        shelf: of that.
        is_addressed: whether it names the version by its hash.
    """
    readable = shelf.readable.get(first[b"origin"]) if b"origin" in first else _NOTHING
    held = first.get(b"if-none-match", b"")
    if readable is None or b"*" in held or len(host) > _LONGEST_HOST:
        return None
    sent = asset_answer.chosen(asset_answer.accepted(first.get(b"accept-encoding", b"")), asset)
    if held and sent.etag in held:
        return Reply(304, (*sent.unchanged, IMMUTABLE if is_addressed else REVALIDATED, *readable, *_hsts(host)))
    if len(sent.body) > MAX_WHOLE_BYTES:
        return None
    return Reply(200, (sent.immutable if is_addressed else sent.revalidated) + readable + _hsts(host), sent.body)


@lru_cache(maxsize=_REMEMBERED)
def _known_place(path: bytes, below: bytes) -> Place | None:
    if not path.startswith(below):
        return None
    project, _, named = path[len(below) :].partition(b"/")
    if named.partition(b"/")[0] not in _INDEX:
        return None
    return Place(project.decode("latin-1"), _INDEX.get(named, named))


def _are_plain(names: Iterable[bytes]) -> bool:
    return _NOT_PLAIN.isdisjoint(names) and all(name.islower() and b"_" not in name for name in names)


@lru_cache(maxsize=_REMEMBERED)
def _hsts(host: bytes) -> HeaderLines:
    return (HSTS,) if is_public_name(host.decode("latin-1")) else ()
