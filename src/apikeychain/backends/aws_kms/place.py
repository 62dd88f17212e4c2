"""Where an AWS KMS is, as the operator says it, and what is refused of it before anything is dialled.

TLS 1.2 is the least here, and not 1.3 as elsewhere: AWS promises no more for every endpoint of every region.

Source: AWS KMS Developer Guide, "Connect to AWS KMS" (endpoints, TLS); RFC 9325, 3.1.1.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from apikeychain.backends.address import is_loopback, parse_address
from apikeychain.model.network import Network

_REGION = re.compile(r"[a-z]{2,8}(?:-[a-z]{2,16}){1,3}-[0-9]{1,2}")
_NAMED = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}")


@dataclass(frozen=True, slots=True)
class Place:
    """One AWS KMS.

    Attributes:
        region: of AWS.
        base: scheme and authority of every request; None for the region's own.
        network: what may be dialled: private addresses too, for an endpoint inside a VPC, and never those of metadata.
    """

    region: str
    base: str | None
    network: Network


def parse_place(region: str, *, endpoint_url: str | None, ca_file: Path | None) -> tuple[Place, list[str]]:
    """The place, and what is wrong with it.

    Args:
        region: of AWS.
        endpoint_url: ``https://name[:port]``, or ``http://`` and a loopback host; None for the region's own.
        ca_file: the authorities that its certificate may come from; None for those of the system.
    """
    problems = [] if _REGION.fullmatch(region) else ["region: write one of AWS, like eu-central-1"]
    base = None
    if endpoint_url is not None:
        base, host, wrong = parse_address("endpoint_url", endpoint_url)
        # The door judges what a name resolves to; a bare address would not come before it.
        if not wrong and not is_loopback(host) and not _NAMED.fullmatch(host):
            wrong = ["endpoint_url: give the name of its host, not an address"]
        problems += wrong
    trust = None if ca_file is None else str(ca_file)
    return Place(region, base, Network(private=True, minimum_tls="1.2", trust=trust)), problems
