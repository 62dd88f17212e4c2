"""Request headers that close the gate, and the lines that every answer under the prefix carries.

Source: contracts 1 (single headers), 2 (destination, https, HSTS, answer lines), 3 (signing headers); RFC 9112,
sections 3.2 (Host), 6.1 to 6.3 (framing); Fetch, sections 2.2.2 and 3.4; Fetch Metadata, section 2; RFC 6797, sections
7.2 and 8.1.1 (no HSTS for IP hosts).
"""

import re

from apikeychain.errors import (
    DestinationRefusedError,
    HeaderLines,
    HeaderRefusedError,
    HTTPSRequiredError,
)
from apikeychain.model.call import Call
from apikeychain.model.headers import Headers
from apikeychain.rules.caller import Caller

SIGNING = (b"x-key-id", b"x-timestamp", b"x-nonce", b"x-content-sha256", b"x-signature")
SINGLE = frozenset(
    {
        b"origin",
        b"host",
        b"content-type",
        b"content-length",
        b"content-encoding",
        b"transfer-encoding",
        b"authorization",
        *SIGNING,
        b"x-iso-user",
        b"access-control-request-method",
    },
)
_LENGTH = re.compile(rb"[0-9]{1,18}")
FETCH_METADATA = b"sec-fetch-"
DESTINATIONS = frozenset({b"empty", b"image", b"audio", b"video", b"track", b"font"})

# No answer of a provider is ever a document, script or style of the host's origin.
ANSWER_LINES: HeaderLines = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; sandbox"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
CORP_SAME_ORIGIN = (b"cross-origin-resource-policy", b"same-origin")
CORP_CROSS_ORIGIN = (b"cross-origin-resource-policy", b"cross-origin")
HSTS = (b"strict-transport-security", b"max-age=31536000")
_REPLACED = frozenset({name for name, _ in ANSWER_LINES} | {CORP_SAME_ORIGIN[0], HSTS[0], b"vary"})


def require_single(headers: Headers) -> None:
    """Refuse what two readers could read in two ways.

    Raises:
        HeaderRefusedError: a header that must be single came twice, or with underscores in place of hyphens.
    """
    if headers.are_unique and b"_" not in b"".join(headers.first):
        return
    seen: set[bytes] = set()
    for name, _ in headers.lines:
        if _is_single(name):
            if name in seen:
                raise HeaderRefusedError(hint=_names(name))
            seen.add(name)
        elif b"_" in name and _is_single(name.replace(b"_", b"-")):
            raise HeaderRefusedError(hint=_names(name))


def require_framing(headers: Headers) -> None:
    """Refuse a call that names no host, or whose body two readers could see end in two places.

    Args:
        headers: which `require_single` has admitted.

    Raises:
        HeaderRefusedError: no Host; a length that is no number, or beside a transfer coding; a coding other than
            chunked.
    """
    get = headers.get
    length, coding = get(b"content-length"), get(b"transfer-encoding")
    if not get(b"host"):
        raise HeaderRefusedError(hint="Send a Host.")
    if length is not None and (coding is not None or not _LENGTH.fullmatch(length)):
        raise HeaderRefusedError(hint="Send one Content-Length, a number, or Transfer-Encoding: chunked.")
    if coding is not None and coding.lower() != b"chunked":
        raise HeaderRefusedError(hint="The one transfer coding that is taken is chunked.")


def require_destination(headers: Headers) -> None:
    """Refuse a call whose answer the browser would run, show as a page or keep as a worker.

    Raises:
        DestinationRefusedError: by Sec-Fetch-Dest, Sec-Fetch-Mode or Service-Worker.
    """
    destination = headers.get(b"sec-fetch-dest")
    if (
        (destination is not None and destination not in DESTINATIONS)
        or headers.get(b"sec-fetch-mode") == b"navigate"
        or b"service-worker" in headers.first
    ):
        raise DestinationRefusedError(hint="Call it with fetch(), or as an image, audio, video, track or font.")


def require_https(caller: Caller, *, development: bool) -> None:
    """Refuse plain http; it is never redirected, since what came with it has been seen already.

    Raises:
        HTTPSRequiredError: outside development.
    """
    if caller.scheme != "https" and not development:
        raise HTTPSRequiredError(hint="Where a proxy ends TLS, name its address in Settings.trusted_proxies.")


def secure(lines: HeaderLines, call: Call, caller: Caller, *, development: bool, public: bool = False) -> HeaderLines:
    """The lines of an answer with those that every one under the prefix carries, in place of any that it had.

    Args:
        lines: with lower-case names.
        call: what it answers.
        caller: whose scheme and host decide on HSTS.
        development: no HSTS then.
        public: whether any page may embed it, also one that sends no Origin.
    """
    kept = [line for line in lines if line[0] not in _REPLACED]
    is_kept_whole = len(kept) == len(lines)
    return (
        *kept,
        *ANSWER_LINES,
        CORP_CROSS_ORIGIN if public or b"origin" in call.headers.first else CORP_SAME_ORIGIN,
        (b"vary", b"Origin" if is_kept_whole else _vary(lines)),
        *hsts(caller, development=development),
    )


def hsts(caller: Caller, *, development: bool) -> HeaderLines:
    """The line that keeps a browser on https; none over http, in development, for localhost or for an IP host."""
    return (HSTS,) if caller.scheme == "https" and not development and is_public_name(caller.host) else ()


def _is_single(name: bytes) -> bool:
    return name in SINGLE or name.startswith(FETCH_METADATA)


def _names(name: bytes) -> str:
    known = name.replace(b"_", b"-")
    return f"Send {known.decode()} once." if known in SINGLE else "Send each Sec-Fetch header once."


def _vary(lines: HeaderLines) -> bytes:
    fields = [part.strip() for name, value in lines if name == b"vary" for part in value.split(b",")]
    return b", ".join([*[field for field in fields if field and field.lower() != b"origin"], b"Origin"])


def is_public_name(host: str) -> bool:
    """Whether `host` (with or without a port) is a DNS name beyond this machine."""
    name = host.partition(":")[0].lower()
    last = name.rpartition(".")[2]
    return bool(last) and last != "localhost" and not last.isdigit() and not host.startswith("[")
