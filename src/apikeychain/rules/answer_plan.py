"""What of the answers to a route is passed on, compiled: a list of the allowed, and what no route can put on it.

Source: contracts 4 ("Response headers passed").
"""

from dataclasses import dataclass

from apikeychain.errors import InvalidValueError
from apikeychain.model.headers import Line
from apikeychain.model.network import Network
from apikeychain.model.provider import Provider, QueryCredential
from apikeychain.model.route import ProxyRoute
from apikeychain.rules.answer_transforms import AnswerShape

ALWAYS = frozenset(
    {
        b"content-type",
        b"content-length",
        b"content-language",
        b"content-disposition",
        b"content-range",
        b"accept-ranges",
        b"etag",
        b"last-modified",
        b"retry-after",
        b"x-request-id",
    },
)
_NEVER = frozenset(
    {
        "alt-svc",
        "clear-site-data",
        "content-encoding",
        "content-location",
        "content-security-policy",
        "content-security-policy-report-only",
        "expires",
        "location",
        "edge-control",
        "nel",
        "no-vary-search",
        "origin-agent-cluster",
        "permissions-policy",
        "pragma",
        "proxy-authenticate",
        "referrer-policy",
        "refresh",
        "report-to",
        "reporting-endpoints",
        "service-worker-allowed",
        "set-login",
        "speculation-rules",
        "use-as-dictionary",
        "set-cookie",
        "set-cookie2",
        "sourcemap",
        "strict-transport-security",
        "timing-allow-origin",
        "vary",
        "www-authenticate",
        "x-content-type-options",
        "x-frame-options",
        "x-sourcemap",
    },
)
# The second line: what a server or a cache in front of the host would obey.
_NEVER_BEGIN = (
    *("access-control-", "cross-origin-", "sec-", "x-apikeychain-"),
    *("surrogate-", "x-accel-", "x-lighttpd-", "x-reproxy-", "x-sendfile"),
)
_NEVER_END = "cache-control"
NO_STORE = (b"cache-control", b"no-store")


@dataclass(frozen=True, slots=True)
class AnswerPlan:
    """What passes of the answers to a route, compiled.

    Attributes:
        passed: names of headers.
        cache: the Cache-Control line of a good answer.
        injected: the name in lower case under which a query carries the credential, or None.
        redirect_hosts: hosts that a Location may name.
        shape: what the route's transforms do to a good answer, or None.
    """

    passed: frozenset[bytes]
    cache: Line
    injected: bytes | None
    redirect_hosts: frozenset[bytes]
    shape: AnswerShape | None


def compile_answer(route: ProxyRoute, provider: Provider, network: Network) -> AnswerPlan:
    """The plan of a route's answers.

    Raises:
        InvalidValueError: a header that never passes, a cache time that cannot be, or transforms of what is not read
            whole.
    """
    for name in route.answer_headers:
        lowered = name.lower()
        if lowered in _NEVER or lowered.startswith(_NEVER_BEGIN) or lowered.endswith(_NEVER_END):
            msg = f"the route {route.name!r} cannot pass the answer's header {name!r}"
            raise InvalidValueError(msg)
    seconds = route.cache_seconds
    if seconds is not None and seconds < 0:
        msg = f"the route {route.name!r} cannot be cached for {seconds} seconds"
        raise InvalidValueError(msg)
    if route.answer_transforms and (route.stream or route.ranges):
        msg = f"the route {route.name!r} cannot transform answers that stream or come in parts: no stream, no ranges"
        raise InvalidValueError(msg)
    place = provider.credential
    return AnswerPlan(
        passed=ALWAYS | {name.lower().encode() for name in route.answer_headers},
        cache=NO_STORE if seconds is None else (b"cache-control", b"private, max-age=%d" % seconds),
        injected=place.parameter.lower().encode() if isinstance(place, QueryCredential) else None,
        redirect_hosts=frozenset(host.lower().encode() for host in network.redirect_hosts),
        shape=AnswerShape(route.answer_transforms) if route.answer_transforms else None,
    )
