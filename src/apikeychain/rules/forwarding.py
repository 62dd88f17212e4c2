"""Which request headers go up: a list of the allowed, never a list of the forbidden alone.

Hop-by-hop lines fall first, and with them what ``Connection`` lists; the credential comes last, in `injection`.

Source: contracts 4 ("Request headers forwarded"); RFC 9110, sections 7.6.1 and 14.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from apikeychain.errors import HeaderRefusedError, InvalidValueError, ParameterRefusedError
from apikeychain.model.headers import Headers, Line
from apikeychain.model.provider import Provider
from apikeychain.model.route import ProxyRoute
from apikeychain.rules.headers import SIGNING
from apikeychain.rules.parameters import Declared, self_sent, take

ALWAYS = frozenset(
    {
        b"accept",
        b"accept-language",
        b"last-event-id",
        b"if-match",
        b"if-none-match",
        b"if-modified-since",
    },
)
RANGES = frozenset({b"range", b"if-range"})
USER_AGENT = f"apikeychain/{version('apikeychain')}".encode()
_IDENTITY = (b"accept-encoding", b"identity")
_VALUES = re.compile(rb"[\t\x20-\x7e]*").fullmatch
# What nearly every Connection line lists: where it stays open, or not.
_USUALLY_DROPPED = {name: frozenset({name}) for name in (b"keep-alive", b"close")}
_TEXT = re.compile(r"[\x20-\x7e]*")
_NEVER = frozenset(
    {
        "accept-encoding",
        "authorization",
        "content-encoding",
        "content-md5",
        "content-type",
        "date",
        "dnt",
        "forwarded",
        "http2-settings",
        "if-range",
        "max-forwards",
        "range",
        "referer",
        "service-worker",
        "true-client-ip",
        "user-agent",
        "via",
        "x-http-method",
        "x-http-method-override",
        "x-method-override",
        "x-original-host",
        "x-original-method",
        "x-original-url",
        "x-real-ip",
        "x-rewrite-url",
        *(name.decode() for name in SIGNING),
    },
)
_NEVER_BEGIN = ("access-control-", "proxy-", "sec-", "x-apikeychain-", "x-forwarded-", "x-iso-")


@dataclass(frozen=True, slots=True)
class ForwardPlan:
    """The request headers of a route, compiled.

    Attributes:
        passed: names that go up as they came.
        declared: the header parameters with their names as bytes.
        constant: lines that every call carries.
    """

    passed: frozenset[bytes]
    declared: tuple[tuple[bytes, Declared], ...]
    constant: tuple[Line, ...]


def compile_forwarding(route: ProxyRoute, provider: Provider, declared: Sequence[Declared]) -> ForwardPlan:
    """The plan of a route's request headers.

    Raises:
        InvalidValueError: a header that never goes up, or one that belongs to somebody else already.
    """
    injected = provider.credential.header_names
    constant = _constant_lines(provider, injected)
    own = {name for name, _ in constant}
    for name in (*route.headers, *(d.name for d in declared)):
        require_free(name, injected, route.name)
    passed = {*ALWAYS, *(h.lower().encode() for h in route.headers)}
    if route.ranges:
        passed |= RANGES
    own.update(name.encode() for name in injected)
    named = tuple((d.name.lower().encode(), d) for d in declared)
    return ForwardPlan(frozenset(passed - own - {name for name, _ in named}), named, constant)


def dropped_names(headers: Headers) -> frozenset[bytes]:
    """The names that the ``Connection`` lines list, in lower case."""
    if b"connection" not in headers.first:
        return frozenset()
    listed = b",".join(headers.all(b"connection"))
    return _USUALLY_DROPPED.get(listed) or frozenset([name.strip().lower() for name in listed.split(b",")])


def fill_headers(
    headers: Headers,
    plan: ForwardPlan,
    dropped: frozenset[bytes],
    texts: dict[str, list[str]],
) -> list[Line]:
    """The lines that go up, without Content-Type and the credential.

    Args:
        headers: what the caller sent.
        plan: of the route.
        dropped: the names that `Connection` lists.
        texts: gets the text of each header parameter under its key.

    Raises:
        HeaderRefusedError: a control or non-ASCII byte in a value that would go up.
        ParameterRefusedError: a header parameter that is repeated, fixed or not printable.
    """
    passed = plan.passed
    lines = [line for line in headers.lines if line[0] in passed and line[0] not in dropped]
    if lines and not _VALUES(b" ".join([value for _, value in lines])):
        raise HeaderRefusedError
    for name, declared in plan.declared:
        sent = () if name in dropped else headers.all(name)
        lines.extend(_fill_declared(name, declared, sent, texts))
    return [*lines, *plan.constant]


def _fill_declared(
    name: bytes,
    declared: Declared,
    sent: Sequence[bytes],
    texts: dict[str, list[str]],
) -> list[Line]:
    for value in sent:
        text = value.decode("latin-1").strip(" \t")
        if not _TEXT.fullmatch(text):
            raise ParameterRefusedError(declared.name)
        take(declared, text, texts)
    own = self_sent(declared.parameter)
    if not sent and own is not None:
        return [(name, own.encode())]
    return [(name, text.encode()) for text in texts.get(declared.key, ())]


def _constant_lines(provider: Provider, injected: frozenset[str]) -> tuple[Line, ...]:
    names = [name.lower() for name, _ in provider.headers]
    taken: Mapping[str, str] = {
        **dict.fromkeys(injected, "the credential goes there"),
        "user-agent": "write user_agent=",
        "accept-encoding": "it is always identity",
        "content-type": "it is the body's",
    }
    for name in names:
        if name in taken:
            msg = f"the provider {provider.name!r} cannot set the header {name!r}: {taken[name]}"
            raise InvalidValueError(msg)
    agent = USER_AGENT if provider.user_agent is None else provider.user_agent.encode()
    own = tuple((name.lower().encode(), value.encode()) for name, value in provider.headers)
    return (*own, (b"user-agent", agent), _IDENTITY)


def require_free(name: str, injected: frozenset[str], route: str) -> None:
    """Raise InvalidValueError for a header that never goes to a provider, or that holds the credential."""
    lower = name.lower()
    if lower in injected:
        msg = f"the route {route!r} cannot forward the header {name!r}: the credential goes there"
        raise InvalidValueError(msg)
    if lower in _NEVER or lower.startswith(_NEVER_BEGIN):
        msg = f"the route {route!r} cannot forward the header {name!r}: it never goes to a provider"
        raise InvalidValueError(msg)
