"""An address in one form, for whoever looks it up."""

import ipaddress

# 45 characters of IPv6, and a zone.
_LONGEST = 64


def plain_address(text: str) -> str:
    """The canonical text of the address in `text`, of one that is mapped into IPv6 that of IPv4; "" where it is none.

    An address with a zone is one of a link, which is nowhere.
    """
    if len(text) > _LONGEST or "%" in text:
        return ""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ""
    return str(getattr(address, "ipv4_mapped", None) or address)
