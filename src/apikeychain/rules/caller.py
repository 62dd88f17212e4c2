"""Who calls, and by which scheme and host, as far as it can be believed.

A proxy appends to ``X-Forwarded-For`` what it saw, so the list is read from its right end and only as far as trusted
proxies wrote it. ``X-Forwarded-Proto`` and ``-Host`` are taken as the nearest proxy set them: their last value. What is
malformed is ignored and never raised: the peer is then the caller.

Source: contracts 2 ("Own origin"), 6 (country), 7 ("Caller address"); RFC 7239, section 8.1; RFC 4291, section 2.5.5.2
(mapped).
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

from apikeychain.model.call import Call
from apikeychain.model.headers import Headers
from apikeychain.settings import UNIX

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# A path through more proxies than this does not exist; a longer list is somebody's attempt to cost time.
_MAX_HOPS = 32
# 45 characters of IPv6, and a zone as the peer of a link-local connection has one.
_LONGEST_ADDRESS = 64
# Of how many texts it is remembered what they are; callers may send any.
_REMEMBERED = 4096
_BLANKS = b" \t"
_SCHEMES = frozenset({"http", "https"})
_COUNTRY = re.compile("[A-Z]{2}")
_NO_COUNTRIES = frozenset({"XX", "ZZ"})


class Caller(NamedTuple):
    """Who calls.

    Attributes:
        address: an IP address in its canonical text, IPv4-mapped ones as IPv4; else what the server calls the peer.
        scheme: ``"http"`` or ``"https"``, as the caller used it.
        host: host and port as the caller used them, or "".
        country: two capital letters where a trusted proxy says it, else "".
    """

    address: str
    scheme: str
    host: str
    country: str = ""

    @property
    def own_origin(self) -> bytes:
        """The origin of a page that this very host serves, as its browser would write it."""
        return f"{self.scheme}://{self.host}".encode("latin-1")


@dataclass(frozen=True, slots=True, eq=False)
class TrustedProxies:
    """Whose X-Forwarded headers are believed. Each is itself alone, so that what it says of a text can be remembered.

    Attributes:
        networks: of proxies.
        unix: whether a peer behind a Unix socket is one: servers name none there.
        country_header: in which they say where a caller is, lower case; b"" for none.
    """

    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
    unix: bool = False
    country_header: bytes = b""


def parse_trusted(networks: tuple[str, ...], country_header: str = "") -> TrustedProxies:
    """The networks in `networks` and their header, which `APIKeyChainSettings` has accepted."""
    parsed = tuple(ipaddress.ip_network(text) for text in networks if text != UNIX)
    return TrustedProxies(parsed, UNIX in networks, country_header.lower().encode())


def identify(call: Call, trusted: TrustedProxies) -> Caller:
    """The caller behind `call`."""
    headers = call.headers
    address, is_trusted = _hop(call.peer, trusted) if call.peer else (None, trusted.unix)
    host = headers.first.get(b"host", b"").decode("latin-1")
    if not is_trusted:
        return Caller(address or call.peer, call.scheme, host)
    scheme = _nearest(headers, b"x-forwarded-proto").lower()
    return Caller(
        _forwarded_address(headers, trusted) or address or call.peer,
        scheme if scheme in _SCHEMES else call.scheme,
        _nearest(headers, b"x-forwarded-host") or host,
        _country(headers, trusted.country_header),
    )


def https_host(first: Mapping[bytes, bytes], peer: str, scheme: str, trusted: TrustedProxies) -> bytes:
    """The host that `identify` finds where the scheme is https; b"" where it is not, or it takes a closer look.

    Args:
        first: the headers of a call, each of them single.
        peer: see `Call`.
        scheme: likewise.
        trusted: whose X-Forwarded headers are believed.
    """
    host = first.get(b"host", b"")
    if not (_hop(peer, trusted)[1] if peer else trusted.unix):
        return host.strip(_BLANKS) if scheme == "https" else b""
    told = first.get(b"x-forwarded-host", host)
    return told.strip(_BLANKS) if first.get(b"x-forwarded-proto") == b"https" and b"," not in told else b""


@lru_cache(maxsize=_REMEMBERED)
def bucket_address(address: str, bits: int = 64) -> str:
    """The address as it is counted: IPv4 whole, IPv6 by its network, anything else as printable ASCII. Idempotent.

    Args:
        address: as it came, or as it is counted.
        bits: of the network.
    """
    parsed = _parse(address)
    if parsed is None:
        return quote(address, safe=":/%")
    if parsed.version == 4:  # noqa: PLR2004 - the version's own name
        return str(parsed)
    return str(ipaddress.IPv6Network((int(parsed), bits), strict=False))


def _forwarded_address(headers: Headers, trusted: TrustedProxies) -> str | None:
    """The rightmost untrusted entry, or None where there is none or a malformed one comes first."""
    listed = b",".join(headers.all(b"x-forwarded-for")).decode("latin-1")
    for entry in listed.rsplit(",", _MAX_HOPS)[-_MAX_HOPS:][::-1]:
        address, is_trusted = _hop(_without_port(entry.strip(" \t")), trusted)
        if not is_trusted:
            return address
    return None


def _without_port(entry: str) -> str:
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry


def _hop(text: str, trusted: TrustedProxies) -> tuple[str | None, bool]:
    """The canonical text of the address in `text`, or None where it is none; and whether a trusted proxy has it."""
    return _known_hop(text, trusted) if len(text) <= _LONGEST_ADDRESS else (None, False)


@lru_cache(maxsize=_REMEMBERED)
def _known_hop(text: str, trusted: TrustedProxies) -> tuple[str | None, bool]:
    address = _parse(text)
    if address is None:
        return None, False
    return str(address), any(address in network for network in trusted.networks)


def _parse(text: str) -> Address | None:
    """The address in `text`, or None."""
    if len(text) > _LONGEST_ADDRESS:
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _country(headers: Headers, name: bytes) -> str:
    """What the nearest proxy says, where it is a country: some say of what they do not know XX or ZZ."""
    told = _nearest(headers, name).upper() if name else ""
    return told if _COUNTRY.fullmatch(told) and told not in _NO_COUNTRIES else ""


def _nearest(headers: Headers, name: bytes) -> str:
    """The last value of a list that may come in several lines, or "" where there is none."""
    if name not in headers.first:
        return ""
    return headers.all(name)[-1].decode("latin-1").rpartition(",")[2].strip(" \t")
