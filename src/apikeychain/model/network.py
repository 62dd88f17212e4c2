"""The exceptions that host code makes for one provider's address.

Source: contracts 4, "Provider base URL".
"""

from dataclasses import dataclass
from typing import Literal


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
    """

    private: bool = False
    minimum_tls: Literal["1.2", "1.3"] = "1.3"
    trust: str | None = None
    redirect_hosts: tuple[str, ...] = ()


PUBLIC = Network()
