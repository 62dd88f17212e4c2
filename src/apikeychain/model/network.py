"""The exceptions that host code makes for one provider's address.

Source: contracts 4, "Provider base URL".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from apikeychain.errors import InvalidValueError
from apikeychain.model.provider import HTTPS_PORT, BaseURL


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What is allowed for one base URL beyond the rule: public addresses, port 443, TLS 1.3.

    Never stored and never a tenant's: a constructor argument of the keychain.

    Attributes:
        private: its host may have addresses that are not public; ``*.localhost`` then means loopback.
            Metadata addresses stay refused.
        minimum_tls: the lowest TLS version taken.
        trust: path of a PEM file with the authorities to trust instead of the system's, or None.
        redirect_hosts: hosts that a ``Location`` of the provider may name.
        tenants: the ids of the tenants that it holds for, as they were created. None: all of them, so give it wherever
            tenants do not trust each other: any of them may register a provider at that base URL.

    Raises:
        InvalidValueError: `tenants` is no frozenset; a mere text would hold for each tenant whose id is a part of it.
    """

    private: bool = False
    minimum_tls: Literal["1.2", "1.3"] = "1.3"
    trust: str | None = None
    redirect_hosts: tuple[str, ...] = ()
    tenants: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if not isinstance(cast("object", self.tenants), frozenset | None):
            msg = f"Network(tenants=...) takes a frozenset of tenants' ids, not {self.tenants!r}"
            raise InvalidValueError(msg)


PUBLIC = Network()


def network_of(networks: Mapping[str, Network], base: BaseURL, tenant: str) -> Network | None:
    """What holds for a provider that `tenant` registered: its exception, or the rule; None where it is not dialled.

    Without an exception only port 443 is.
    """
    network = networks.get(base.text)
    if network is not None and (network.tenants is None or tenant in network.tenants):
        return network
    return PUBLIC if base.port == HTTPS_PORT else None
