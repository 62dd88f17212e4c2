"""Which addresses may be dialled: public ones, and never one that hides another.

``ipaddress.is_global`` changes with the Python version and sees no embedding, so the tables stand here.

Source: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and updates); RFC 4291, 2.5.5 (IPv4-mapped,
IPv4-compatible); RFC 3056 (6to4); RFC 4380 (Teredo); RFC 5214 (ISATAP); RFC 2765 (IPv4-translated); RFC 6052 (NAT64);
contracts 4, "Connection".
"""

from collections.abc import Iterable, Sequence
from enum import IntEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from apikeychain.errors import InvalidValueError, UpstreamRefusedError
from apikeychain.model.network import Network


class Reach(IntEnum):
    """How far an address may be dialled; the worst of several is the largest."""

    PUBLIC = 0
    PRIVATE = 1
    NEVER = 2


_NEVER4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # "this host": Linux connects it to itself
        "169.254.0.0/16",  # link-local, and with it nearly every cloud's metadata
        "100.100.100.200",  # Alibaba's metadata
        "168.63.129.16",  # Azure's wire server, in public space
        "192.0.0.192",  # Oracle's old metadata
        "192.80.8.124",  # Equinix Metal's metadata, in public space
        "224.0.0.0/4",  # multicast
        "255.255.255.255",  # broadcast
    )
)
_PRIVATE4 = tuple(
    IPv4Network(text)
    for text in (
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "240.0.0.0/4",
    )
)
_NEVER6 = tuple(
    IPv6Network(text)
    for text in (
        "::/96",  # the unspecified address and IPv4-compatible ones; ::1 is judged before
        "::ffff:0:0/96",  # IPv4-mapped
        "::ffff:0:0:0/96",  # IPv4-translated
        "64:ff9b::/96",  # NAT64, where it is no prefix of this network
        "64:ff9b:1::/48",
        "2001::/32",  # Teredo
        "2002::/16",  # 6to4
        "fe80::/10",  # link-local
        "ff00::/8",  # multicast
        "fd00:ec2::/32",  # Amazon: metadata, pod identity, DNS, time
        "fd20:ce::254",  # Google's metadata
        "fd00:42::42",  # Scaleway's metadata
        "fd00:c1::a9fe:a9fe",  # Oracle's metadata
    )
)
_UNICAST6 = IPv6Network("2000::/3")
_PRIVATE6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments: ORCHID, benchmarking and the like
        "2001:db8::/32",
        "3fff::/20",
    )
)
_LOOPBACK6 = IPv6Address("::1")
_ISATAP = (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe")
_NAT64_LENGTHS = frozenset({32, 40, 48, 56, 64, 96})


def nat64(texts: Iterable[str]) -> tuple[IPv6Network, ...]:
    """The NAT64 prefixes of this network, from their text.

    Raises:
        InvalidValueError: not an IPv6 prefix of a length that RFC 6052, 2.2 knows.
    """
    prefixes: list[IPv6Network] = []
    for text in texts:
        try:
            prefix = IPv6Network(text)
        except ValueError:
            prefix = None
        if prefix is None or prefix.prefixlen not in _NAT64_LENGTHS:
            msg = f"not a NAT64 prefix: {text!r} (an IPv6 network of /32, /40, /48, /56, /64 or /96)"
            raise InvalidValueError(msg)
        prefixes.append(prefix)
    return tuple(prefixes)


def classify(address: str, nat64_prefixes: Sequence[IPv6Network] = ()) -> Reach:
    """How far `address` may be dialled; one that embeds another is NEVER, whatever stands inside.

    Args:
        address: as a resolver hands it out; what is no address is NEVER.
        nat64_prefixes: see `nat64`; an address below one of them is what it embeds and nothing else.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return Reach.NEVER
    if isinstance(parsed, IPv4Address):
        return _classify4(parsed)
    return _classify6(parsed, nat64_prefixes)


def admit(addresses: Sequence[str], network: Network, nat64_prefixes: Sequence[IPv6Network] = ()) -> None:
    """Let all `addresses` of a host pass, or none.

    Raises:
        UpstreamRefusedError: there is none, or one that may not be dialled; the text names it.
    """
    if not addresses:
        msg = "it has no address"
        raise UpstreamRefusedError(msg)
    furthest = Reach.PRIVATE if network.private else Reach.PUBLIC
    for address in addresses:
        reach = classify(address, nat64_prefixes)
        if reach > furthest:
            msg = f"its address {address} is {'not public' if reach is Reach.PRIVATE else 'never dialled'}"
            raise UpstreamRefusedError(msg)


def _classify4(address: IPv4Address) -> Reach:
    if any(address in network for network in _NEVER4):
        return Reach.NEVER
    return Reach.PRIVATE if any(address in network for network in _PRIVATE4) else Reach.PUBLIC


def _classify6(address: IPv6Address, nat64_prefixes: Sequence[IPv6Network]) -> Reach:
    plain = IPv6Address(int(address))  # without a scope, which no network contains
    for prefix in nat64_prefixes:
        if plain in prefix:
            return _classify4(_beyond(plain, prefix))
    if plain == _LOOPBACK6:
        return Reach.PRIVATE
    if plain.packed[8:12] in _ISATAP or any(plain in network for network in _NEVER6):
        return Reach.NEVER
    if plain not in _UNICAST6 or any(plain in network for network in _PRIVATE6):
        return Reach.PRIVATE
    return Reach.PUBLIC


def _beyond(address: IPv6Address, prefix: IPv6Network) -> IPv4Address:
    """The IPv4 address that follows a NAT64 prefix; octet 8 is always skipped (RFC 6052, 2.2)."""
    octets = [address.packed[index] for index in range(prefix.prefixlen // 8, 16) if index != 8]  # noqa: PLR2004  # octet 8 of RFC 6052
    return IPv4Address(bytes(octets[:4]))
