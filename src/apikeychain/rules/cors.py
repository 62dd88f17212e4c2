"""The origin gate: who may call, and what a browser is told about it.

An origin is admitted by a look-up of the bytes that came: nothing is parsed, so nothing can be parsed in two ways.
That an Origin line is single is `headers.require_single`'s affair, which comes first.

Source: contracts 2; spec 5; Fetch, sections 3.3 and 4.9; Fetch Metadata, section 2.3; RFC 9110, section 5.6.1 (empty
list elements).
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

from apikeychain.errors import HeaderLines, InvalidValueError, OriginRefusedError, PreflightRefusedError
from apikeychain.model.call import Call, Reply
from apikeychain.model.headers import Headers
from apikeychain.model.origin import Origin, parse_origin
from apikeychain.model.records import Project
from apikeychain.rules.caller import Caller
from apikeychain.rules.headers import FETCH_METADATA
from apikeychain.rules.signature import is_signed
from apikeychain.rules.snapshot import Preflight, Snapshot

MAX_AGE_SECONDS = 600
MAX_ASKED_HEADERS = 64
MAX_ASKED_BYTES = 4096
# Recipients take "a reasonable number" of empty list elements (RFC 9110); jub0bs/cors settled on this one.
MAX_EMPTY_ELEMENTS = 16
MAX_TOLERATED = 32
EXPOSED = (b"X-APIKeyChain-Error", b"Retry-After", b"RateLimit", b"RateLimit-Policy")
_EXPOSED_LOWER = frozenset(name.lower() for name in EXPOSED)
_CORS = b"access-control-"
_CORS_LENGTH = len(_CORS)
_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")
_CREDENTIALS = (b"access-control-allow-credentials", b"true")
_MAX_AGE = (b"access-control-max-age", str(MAX_AGE_SECONDS).encode())


class Gated(Protocol):
    """What has a list of origins, and says what a preflight of it may ask for."""

    @property
    def project(self) -> Project:
        """Whose list it is."""
        ...

    @property
    def origins(self) -> Mapping[bytes, Origin]:
        """The allowed ones, by the bytes that browsers send."""
        ...

    @property
    def preflight(self) -> Preflight:
        """What is approved."""
        ...


def preflight(call: Call, project: Gated) -> Reply:
    """The answer to a preflight, which looks at the project only and is never forwarded.

    Raises:
        OriginRefusedError: the origin is not on the list.
        PreflightRefusedError: a method or header was asked for that nothing there takes.
    """
    origin = _listed(call.headers.get(b"origin") or b"", project)
    if call.headers.get(b"access-control-request-method") not in project.preflight.methods:
        raise PreflightRefusedError(hint="Nothing of this project that is enabled has the method.")
    lines = (
        (b"access-control-allow-origin", origin.encode()),
        _CREDENTIALS,
        (b"access-control-allow-methods", project.preflight.allow_methods),
        (b"access-control-allow-headers", _approve(call.headers, project.preflight)),
        _MAX_AGE,
    )
    return Reply(204, lines)


def admit(call: Call, project: Snapshot, caller: Caller) -> Origin | None:
    """The origin that is admitted, or None where the call has none and is admitted all the same.

    A signed call without Origin is admitted as far as its signature holds, which is verified next.

    Without Origin a browser's own word that the page is of this very host counts, if this host is on the list; and for
    old browsers, where the project says so, the page that Referer names.

    Raises:
        OriginRefusedError: neither.
    """
    headers = call.headers
    origin = headers.get(b"origin")
    if origin is not None:
        return _listed(origin, project)
    if is_signed(headers):
        return None
    if headers.get(b"sec-fetch-site") == b"same-origin":
        _listed(caller.own_origin, project)
        return None
    if _falls_back(call, project) and _referrer(headers) in project.origins:
        return None
    raise OriginRefusedError(hint="The call has no Origin header: call it from a page, with fetch().")


def admit_public(call: Call, project: Gated) -> Origin | None:
    """The origin that is admitted to what is public, or None where the call has none, as that of a plain tag.

    Raises:
        OriginRefusedError: it has one that is not on the list.
    """
    origin = call.headers.get(b"origin")
    return None if origin is None else _listed(origin, project)


def page_of(call: Call, project: Snapshot, caller: Caller) -> Origin | None:
    """The origin of the page that calls, one of the list, or None where no browser says that there is one.

    To its own host a page sends no Origin with GET and HEAD, and its browser says so; an old browser says it by
    Referer, where the project believes that.

    Args:
        call: which `admit` has let pass.
        project: that is called.
        caller: whose own host counts.
    """
    headers = call.headers
    origin = headers.get(b"origin")
    if origin is not None:
        return project.origins.get(origin)
    if headers.get(b"sec-fetch-site") == b"same-origin":
        return project.origins.get(caller.own_origin)
    return project.origins.get(_referrer(headers)) if _falls_back(call, project) else None


def expose(lines: HeaderLines, origin: Origin | None) -> HeaderLines:
    """The lines of an answer readable to the page of `origin`; to none where it is None.

    A provider's Access-Control-* never pass.
    """
    own = [line for line in lines if line[0][:_CORS_LENGTH] != _CORS]
    if origin is None:
        return tuple(own)
    return (*own, *readable(origin, [name for name in dict(own) if name not in _EXPOSED_LOWER]))


def readable(origin: Origin, names: Iterable[bytes]) -> HeaderLines:
    """The lines that make an answer with those headers, and our own, readable to the page of `origin`."""
    return (
        (b"access-control-allow-origin", origin.encode()),
        _CREDENTIALS,
        (b"access-control-expose-headers", b", ".join((*names, *EXPOSED))),
    )


def _listed(origin: bytes, project: Gated) -> Origin:
    listed = project.origins.get(origin)
    if listed is not None:
        return listed
    raise OriginRefusedError(hint=_hint(origin.decode("latin-1"), project.project.id))


def _hint(origin: str, project: str) -> str:
    """What to do about a refused origin. The command is shown for true origins only, since it is made to be copied."""
    try:
        parse_origin(origin, development=True)
    except InvalidValueError:
        return f"{origin[:200]!a} cannot be allowed: only https://host[:port] can, and http for localhost."
    option = "" if origin.startswith("https://") else "--development "
    return f"{origin} is not on the list. To allow it: apikeychain {option}origin allow {project} {origin}"


def _falls_back(call: Call, project: Snapshot) -> bool:
    """Whether Referer may stand in for an Origin that is not there: of old browsers, for calls that they send so."""
    return (
        project.project.referer_fallback
        and call.method in {"GET", "HEAD"}
        and not is_signed(call.headers)
        and not any(name.startswith(FETCH_METADATA) for name in call.headers.first)
    )


def _referrer(headers: Headers) -> bytes:
    """The origin of the page that Referer names."""
    return b"/".join((headers.get(b"referer") or b"").split(b"/")[:3])


def _approve(headers: Headers, rules: Preflight) -> bytes:
    """The value of Access-Control-Allow-Headers, with the asked names that only a prefix approves behind the others."""
    lines = headers.all(b"access-control-request-headers")
    elements = [element.strip(b" \t").lower() for line in lines for element in line.split(b",")]
    asked = [element for element in elements if element]
    further = {name for name in asked if name not in rules.names}
    if (
        sum(map(len, lines)) > MAX_ASKED_BYTES
        or len(asked) > MAX_ASKED_HEADERS
        or len(elements) - len(asked) > MAX_EMPTY_ELEMENTS
        or len(further) > MAX_TOLERATED
        or not all(name.startswith(rules.prefixes) and _TOKEN.issuperset(name) for name in further)
    ):
        raise PreflightRefusedError(hint="Nothing of this project that is enabled takes one of the headers asked for.")
    return b", ".join((rules.allow_headers, *sorted(further)))
