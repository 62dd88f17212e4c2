"""Origins: exact, or not at all. The type cannot express a wildcard, ``null`` or a pattern.

Source: contracts 2; RFC 6454, section 6.2 (ASCII serialisation); spec 5.1, 5.2.
"""

import ipaddress
import re
from typing import NewType

from apikeychain.errors import InvalidValueError

Origin = NewType("Origin", str)

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_ORIGIN = re.compile(r"(https?)://(\[[0-9a-f:]+\]|[a-z0-9._-]+)(?::([1-9][0-9]{0,4}))?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})
_DEFAULT_PORT = {"https": 443, "http": 80}
_MAX_PORT = 65535
_MAX_HOST = 253


def parse_origin(text: str, *, development: bool = False) -> Origin:
    """An origin as a browser writes it: ``https://host[:port]``.

    Args:
        text: what the developer gave.
        development: whether ``http://`` is taken for localhost, 127.0.0.1 and [::1].

    Raises:
        InvalidValueError: anything else; the text says what is wrong and what to write.
    """
    match = _ORIGIN.fullmatch(text)
    if not match:
        msg = f"not an origin: {text!r}. Write scheme, host and port only, lower case: https://app.example.com"
        raise InvalidValueError(msg)
    scheme, host, port = match.groups()
    if not is_host(host):
        msg = f"not a host: {host!r} in {text!r}"
        raise InvalidValueError(msg)
    if port and (int(port) > _MAX_PORT or int(port) == _DEFAULT_PORT[scheme]):
        msg = f"browsers do not send the port {port} in {text!r}: leave it out"
        raise InvalidValueError(msg)
    if scheme == "http" and not (development and host in _LOCAL):
        msg = f"http is for localhost, 127.0.0.1 and [::1] in development only: {text!r}"
        raise InvalidValueError(msg)
    return Origin(text)


def is_host(host: str) -> bool:
    """Whether `host` is a lower-case DNS name, an IPv4 address or a bracketed, compressed IPv6 address."""
    if host.startswith("["):
        return _is_compressed_ipv6(host[1:-1])
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):  # WHATWG URL, "ends in a number": resolvers read it as an address
        return _is_ipv4(host)
    return len(host) <= _MAX_HOST and all(_LABEL.fullmatch(label) and _is_idna(label) for label in labels)


def _is_ipv4(host: str) -> bool:
    try:
        return str(ipaddress.IPv4Address(host)) == host
    except ValueError:
        return False


def _is_compressed_ipv6(host: str) -> bool:
    try:
        return str(ipaddress.IPv6Address(host)) == host
    except ValueError:
        return False


def _is_idna(label: str) -> bool:
    """Whether a label that claims to be Punycode is one."""
    if not label.startswith("xn--"):
        return True
    try:
        return not label[4:].encode("ascii").decode("punycode").isascii()
    except UnicodeError:
        return False
