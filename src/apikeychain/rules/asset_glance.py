"""What most requests for assets are, told at a glance: plain ones for what is ready.

A request is plain where nothing in it could change the answer but its path, its hash, its origin, the codings it takes
and the tag it has. Whatever is not, or might be refused, is left to whoever looks at everything: so this is never more
than a shorter way to the same answer.

Source: contracts 1, 2, 9.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from apikeychain.errors import HeaderLines
from apikeychain.model.asset import AssetVersion
from apikeychain.model.call import MAX_WHOLE_BYTES, Glance, Reply
from apikeychain.model.headers import Line
from apikeychain.rules import asset_answer
from apikeychain.rules.asset_answer import IMMUTABLE, REVALIDATED, ReadyAsset
from apikeychain.rules.caller import TrustedProxies, reached_by
from apikeychain.rules.headers import HSTS, SIGNING, is_public_name
from apikeychain.rules.shelf import Shelf

PROJECT = len("p_") + 20
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
# A DNS name with its port, and none that is longer; of how many it is remembered whether they are public.
_LONGEST_HOST, _REMEMBERED = 260, 256


def version_of(shelf: Shelf, glance: Glance) -> AssetVersion | None:
    """The version that a request names, where it names one plainly."""
    slash, path, query = glance.place[PROJECT : PROJECT + 1], glance.place[PROJECT + 1 :], glance.query
    path = _INDEX.get(path, path)
    if slash != b"/":
        return None
    if not query:
        return shelf.current.get(path)
    return shelf.kept.get((path, query[len(_HASH) :])) if query.startswith(_HASH) else None


def answer(glance: Glance, asset: ReadyAsset, shelf: Shelf, trusted: TrustedProxies) -> Reply | None:
    """The answer to a plain GET over https, or None where it is none.

    Args:
        glance: the request.
        asset: of the version that it names.
        shelf: of that.
        trusted: whose X-Forwarded headers are believed.
    """
    first = _plain(glance.lines)
    scheme, host = ("", b"") if first is None else reached_by(first, glance.peer, glance.scheme, trusted)
    if first is None or scheme != "https" or not 0 < len(host) <= _LONGEST_HOST:
        return None
    origin, held = first.get(b"origin"), first.get(b"if-none-match")
    readable = _NOTHING if origin is None else shelf.readable.get(origin)
    if readable is None or (held is not None and b"*" in held):
        return None
    sent = asset_answer.chosen(asset_answer.accepted(first.get(b"accept-encoding", b"")), asset)
    if held is not None and sent.etag in held:
        return Reply(304, (*sent.unchanged, IMMUTABLE if glance.query else REVALIDATED, *readable, *_hsts(host)))
    if len(sent.body) > MAX_WHOLE_BYTES:
        return None
    return Reply(200, (sent.immutable if glance.query else sent.revalidated) + readable + _hsts(host), sent.body)


def _plain(lines: Sequence[Line]) -> Mapping[bytes, bytes] | None:
    """The values of the headers of a plain request by name, or None."""
    first = dict(lines)
    is_plain = (
        len(first) == len(lines)
        and (_HARMLESS.issuperset(first) or _are_plain(first))
        and first.get(b"sec-fetch-dest") in _DESTINATIONS
        and first.get(b"sec-fetch-mode") in _MODES
    )
    return first if is_plain else None


def _are_plain(names: Iterable[bytes]) -> bool:
    return _NOT_PLAIN.isdisjoint(names) and all(name.islower() and b"_" not in name for name in names)


@lru_cache(maxsize=_REMEMBERED)
def _hsts(host: bytes) -> HeaderLines:
    return (HSTS,) if is_public_name(host.decode("latin-1")) else ()
