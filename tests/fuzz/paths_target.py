"""Paths and queries: whatever a caller sends stays under the provider's base, and means there what it meant here.

An input is the path behind the route's name, a line feed, and the query. It goes through several templates and tails.
"""

import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from pydantic_core import Url

from apikeychain.errors import ParameterRefusedError, PathRefusedError
from apikeychain.model.call import Call
from apikeychain.model.provider import HeaderCredential, Provider
from apikeychain.model.route import PathParameter
from apikeychain.rules import routing
from apikeychain.rules.injection import inject
from apikeychain.rules.routing import CompiledRoute, Target
from apikeychain.secret import Secret
from exchange import BY_HEADER, BY_QUERY, NOW, a_call, a_route

Fill = Callable[[Call, CompiledRoute, bytes | None], Target]
TOKENS = (
    *(b"..", b".", b"/", b"//", b"\\", b"%2e", b"%2E", b"%2f", b"%5c", b"%252e", b"%25", b"%", b"%00", b"%0a", b"%7f"),
    *(b";", b"..;", b".;", b"..;/", b"@", b":", b"?", b"#", b"&", b"=", b"+", b"%2b", b"%26", b"%3d", b"[", b"|", b" "),
    *(b"%c0%ae", b"%ff", b"%u002e", b"\n", b"\r\n", b"\x00", b"\xff", "\u00e9".encode(), b"%C3%A9", b"%c3%a9", b"v1"),
    *(b"appid", b"APPID", b"chat", b"../", b"/..", b"%2e%2e/", b"http://evil.example", b"//evil.example"),
)
_PCHAR = "!$&'()*+,;=:@"
_ROOT = Provider("weather", "https://api.weather.example", HeaderCredential("X-Api-Key"))
_SECRET = Secret("a-made-up-key")


@dataclass(frozen=True)
class Shape:
    """A route, and how its path is spelled by hand.

    Attributes:
        literal: the provider's base path and the template, with ``%b`` for each placeholder.
    """

    route: CompiledRoute
    literal: bytes


def _shape(provider: Provider, literal: bytes, path: str, names: str = "", *, tail: bool | tuple[str, ...]) -> Shape:
    parameters = tuple(PathParameter(name) for name in names.split())
    return Shape(a_route(provider, path=path, parameters=parameters, tail=tail, undeclared="forward"), literal)


SHAPES = (
    _shape(BY_HEADER, b"/v1", "", tail=True),
    _shape(_ROOT, b"", "", tail=True),
    _shape(BY_QUERY, b"/v1/users/%b/posts", "/users/{user}/posts", "user", tail=False),
    _shape(_ROOT, b"/%b", "/{id}", "id", tail=True),
    _shape(_ROOT, b"/.%b", "/.{id}", "id", tail=True),
    _shape(_ROOT, b"/%b%b", "/{a}{b}", "a b", tail=False),
    _shape(BY_QUERY, b"/v1/models/%b:run", "/models/{model}:run", "model", tail=("v1|v2", "[a-z.;]+")),
)


def one_input(data: bytes, fill: Fill = routing.fill) -> None:
    """`data` as the rest of a call's path and its query, on every shape of route."""
    path, _, query = data.partition(b"\n")
    for shape in SHAPES:
        call = a_call(b"weather/" + path if path else b"weather", query)
        try:
            target = fill(call, shape.route, None)
        except (PathRefusedError, ParameterRefusedError):
            continue
        _require_sound(target.path)
        _require_same_path(call, shape, target.path)
        _require_same_query(query, target.query)
        _require_recognised(shape, target, fill)
        url = inject(target, _SECRET, NOW).url
        assert str(Url(url)) == url


def _require_sound(path: bytes) -> None:
    """Nobody who reads `path`, decoded or not, finds a way out of it."""
    assert set(path) <= set(range(0x21, 0x7F)) - set(b'"#?\\<>[]^`{|}')
    assert path.startswith(b"/")
    assert not path.startswith(b"//")
    decoded = unquote_to_bytes(path)
    assert not set(decoded) & {*range(0x20), 0x7F, ord("\\")}
    assert decoded.count(b"/") == path.count(b"/")
    for segment in decoded.split(b"/"):
        assert segment not in {b".", b".."}
        assert not segment.startswith((b".;", b"..;"))
    assert quote(decoded, safe=f"/{_PCHAR}").encode() == path


def _require_same_path(call: Call, shape: Shape, path: bytes) -> None:
    count = shape.literal.count(b"%b")
    given = [unquote_to_bytes(segment) for segment in call.path.split(b"/")[1:]]
    assert len(given) >= count
    meant = shape.literal % tuple(given[:count]) + b"".join(b"/" + segment for segment in given[count:])
    assert unquote_to_bytes(path) == (meant or b"/")
    base = shape.literal.partition(b"%b")[0]
    assert posixpath.normpath(b"/" + meant.lstrip(b"/")).startswith(base.rstrip(b"/"))


def _require_same_query(asked: bytes, sent: bytes) -> None:
    assert set(sent) <= set(range(0x21, 0x7F)) - set(b"\"#'\\<>[]^`{|};")
    assert _pairs(sent) == _pairs(asked)


def _pairs(query: bytes) -> list[list[bytes]]:
    return [[unquote_to_bytes(part) for part in pair.split(b"=", 1)] for pair in query.split(b"&")]


def _require_recognised(shape: Shape, target: Target, fill: Fill) -> None:
    """A caller who follows a redirection to this very path comes to it again."""
    found = shape.route.template.recognise(target.path)
    if found is not None:
        again = fill(a_call(b"/".join((b"weather", *found))), shape.route, None)
        assert again.path == target.path
