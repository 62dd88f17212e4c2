"""Origins: what the parser takes is what a browser writes, and what the gate admits is on the list byte for byte.

Three other readers judge: `urllib`, `ipaddress`, and the WHATWG parser behind pydantic's `Url`.
"""

import ipaddress
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol
from urllib.parse import urlsplit

from pydantic import ValidationError
from pydantic_core import Url

from apikeychain.errors import InvalidValueError, OriginRefusedError
from apikeychain.model.call import Call
from apikeychain.model.origin import Origin, parse_origin
from apikeychain.rules import cors
from apikeychain.rules.caller import Caller
from apikeychain.rules.snapshot import Snapshot
from sample_project import a_call, a_snapshot

Admit = Callable[[Call, Snapshot, Caller], Origin | None]
TOKENS = (
    *(b"https://", b"http://", b"localhost", b"127.0.0.1", b"[::1]", b"xn--", b".", b":", b":443", b":80", b":8443"),
    *(b"/", b"\\", b"@", b"?", b"#", b"*", b"null", b"%", b"_", b"-", b"0x", b"\n", b"\r\n", b"\t", b" ", b"[", b"]"),
    *("\u3002".encode(), "\uff0e".encode(), "\u00df".encode(), b"\xff", b"app.example.com", b"https://app.example.com"),
)
_LISTED = ("https://app.example.com", "https://app.example.com:8443", "https://[2001:db8::1]", "https://192.0.2.1")
_LISTED_BYTES = frozenset(origin.encode() for origin in _LISTED)
_PROJECT = a_snapshot(origins=_LISTED, referer_fallback=True)
_CALLER = Caller("192.0.2.1", "https", "shop.example")
_LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Parse(Protocol):
    """`parse_origin`, or a version of it with a fault."""

    def __call__(self, text: str, *, development: bool = False) -> Origin: ...


def one_input(data: bytes, parse: Parse = parse_origin, admit: Admit = cors.admit) -> None:
    """`data` as an entry of the list, as the Origin of a call and as its Referer."""
    text = data.decode("utf-8", "surrogateescape")
    strict, loose = _parsed(parse, text, development=False), _parsed(parse, text, development=True)
    assert strict in (None, loose)
    if loose is not None:
        _require_canonical(text, strict, loose)
    if strict is not None:
        _require_no_twin(data, admit)
    _require_listed(data, admit)
    _require_listed_referer(data, admit)


def _parsed(parse: Parse, text: str, *, development: bool) -> Origin | None:
    try:
        return parse(text, development=development)
    except InvalidValueError as error:
        assert str(error).isprintable()  # noqa: PT017 - what it says is judged, not that it comes
        return None


def _require_canonical(text: str, strict: str | None, loose: str) -> None:
    parts = urlsplit(text)
    host, port = parts.hostname or "", parts.port
    if ":" in host:
        host = f"[{ipaddress.IPv6Address(host)}]"
    assert loose == text == f"{parts.scheme}://{host}" + (f":{port}" if port else "")
    assert text.isascii()
    assert (parts.path, parts.query, parts.fragment, parts.username, parts.password) == ("", "", "", None, None)
    assert (parts.scheme, port) not in {("https", 443), ("http", 80)}
    assert not host.endswith(".")
    if parts.scheme == "http":
        assert host in _LOCAL
        assert strict is None
    else:
        assert parts.scheme == "https"
        assert strict == text
    _require_as_a_browser_writes_it(text, host)


def _require_as_a_browser_writes_it(text: str, host: str) -> None:
    try:
        url = Url(text)
    except ValidationError:
        # It knows which code points an international name may hold. No browser sends one with others, so that an entry
        # with them admits nobody.
        assert "xn--" in host
        return
    assert str(url) == f"{text}/"


def _require_no_twin(data: bytes, admit: Admit) -> None:
    """With `data` alone on the list, it is admitted and nothing that merely looks like it."""
    project = replace(_PROJECT, origins={data: Origin(data.decode())})
    assert admit(a_call((b"origin", data)), project, _CALLER) == data.decode()
    twins = (data + b".", data + b"/", data + b":443", b" " + data, data + b"\n", data.upper(), data[:-1], b"null", b"")
    for twin in twins:
        assert _admitted(admit, b"origin", twin, project) is False


def _require_listed(data: bytes, admit: Admit) -> None:
    assert _admitted(admit, b"origin", data, _PROJECT) == (data in _LISTED_BYTES)


def _require_listed_referer(data: bytes, admit: Admit) -> None:
    if _admitted(admit, b"referer", data, _PROJECT):
        url = Url(data.decode("latin-1"))
        port = "" if url.port == 443 else f":{url.port}"
        assert f"{url.scheme}://{url.host}{port}" in _LISTED
        assert url.username is None


def _admitted(admit: Admit, name: bytes, value: bytes, project: Snapshot) -> bool:
    try:
        origin = admit(a_call((name, value)), project, _CALLER)
    except OriginRefusedError as error:
        assert error.hint.isascii()  # noqa: PT017 - likewise
        assert error.hint.isprintable()  # noqa: PT017 - likewise
        return False
    assert (origin or "").encode() == (value if name == b"origin" else b"")
    return True
