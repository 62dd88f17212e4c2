"""The address of a key service, as the operator says it, and what is refused of it before anything is dialled.

What travels is keys, so it goes over TLS, or to this machine alone.

Source: RFC 6761, 6.3 (localhost).
"""

import ipaddress
import re
from urllib.parse import urlsplit

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")


def parse_address(what: str, address: str, other: str = "") -> tuple[str, str, list[str]]:
    """Its base, which is scheme and authority, its host, and what is wrong with it.

    Args:
        what: names it.
        address: ``https://host[:port]``, or ``http://`` and a loopback host.
        other: how else it may be written.
    """
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    shown = f"[{host}]" if ":" in host else host
    base = f"{parts.scheme}://{shown}" + ("" if port is None else f":{port}")
    problems: list[str] = []
    # Written out again and compared: no user name, path or query hides in it. The text is not told, it may hold one.
    if address.removesuffix("/").lower() != base or not _HOST.fullmatch(shown):
        problems.append(f"{what}: write https://host:port and nothing more{other}")
    elif parts.scheme == "http" and not is_loopback(host):
        problems.append(f"{what}: http is for this machine alone (127.0.0.1, [::1], localhost); write https")
    elif parts.scheme not in {"http", "https"}:
        problems.append(f"{what}: it begins with https://{other}")
    return base, host, problems


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, whatever a resolver says."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
