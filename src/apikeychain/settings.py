"""Settings: the spec's Appendix A as defaults, what is unsafe refused, every problem told at once.

Source: spec Appendix A; contracts 2, 4, 5, 7, 10.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from apikeychain.errors import SettingsError
from apikeychain.model.records import KDF
from apikeychain.model.route import MIB
from apikeychain.proof.note import ORIGIN

UNIX = "unix"
LedgerMode = Literal["buffered", "write-ahead"]
_HEADER = re.compile("[A-Za-z0-9-]{1,64}")
_PREFIX = re.compile(r"(?:/[a-z0-9][a-z0-9._-]*)+")
_HOST = re.compile(
    r"(?=.{1,253}(?::|\Z))(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?::(?!443\Z)[1-9][0-9]{0,4})?"
)
_MAX_BODY = 100 * MIB
_MAX_USES, _MAX_DAYS = 1 << 32, 36_500
_KEY_BOUNDS = {
    "key_max_uses": (1, _MAX_USES),
    "key_max_age_days": (0, _MAX_DAYS),
    "tenant_secret_max_uses": (1, _MAX_USES),
    "tenant_secret_max_age_days": (0, _MAX_DAYS),
    "platform_key_max_uses": (0, _MAX_USES),
    "platform_key_max_age_days": (0, _MAX_DAYS),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class APIKeyChainSettings:
    """What an operator can choose; the defaults are the safe ones.

    Attributes:
        prefix: the path under which everything is served.
        development: allows http on localhost and adds hints to refusals. Never on a public host.
        trusted_proxies: addresses or networks whose X-Forwarded headers are believed; ``"unix"`` stands for whoever
            calls through a Unix socket.
        country_header: of a trusted proxy that says in which country a caller is, like ``cf-ipcountry``; it has to
            overwrite what callers send. "" for none.
        outer_cors: whether a CORS middleware of the host may stand outside ours (it answers preflights then).
        body_limit: the largest ``max_body_bytes`` that a route may ask for.
        asset_host: the one host that serves assets, like ``assets.example.com``, with its port where that is not 443;
            "" for any. A host of its own keeps what tenants publish from running as the host's own page.
        nat64_prefixes: NAT64 prefixes of this network, beyond which the embedded IPv4 address is judged.
        kdf: how project keys are derived.
        ledger_mode: ``"buffered"``: calls are written in groups, at most 100 ms late; ``"write-ahead"``: no call is
            sent before what it is about to do is written down.
        ledger_origin: the name of this ledger and of the keys that sign it: 1 to 200 printable ASCII characters, no
            space, no ``+``. It stays what it was when the first checkpoint was signed.
        key_max_uses: after so many sealed values a project's key turns by itself, once a day at most.
        key_max_age_days: after so many days it does too; 0 for never.
        tenant_secret_max_uses: after so many keys were derived from it a tenant's secret turns by itself, and the keys
            of all its projects with it, once a day at most.
        tenant_secret_max_age_days: after so many days it does too; 0 for never.
        platform_key_max_uses: after it wrapped so many keys the platform key of each key service turns by itself, and
            all it wrapped is wrapped anew, once a day at most; 0 for never. Only where every server asks the same one.
        platform_key_max_age_days: after so many days it does too; 0 for never.

    Raises:
        SettingsError: with every problem, each ``name: what is expected``; no value is told.
    """

    prefix: str = "/api/apikeychain"
    development: bool = False
    trusted_proxies: tuple[str, ...] = ()
    country_header: str = ""
    outer_cors: bool = False
    body_limit: int = _MAX_BODY
    asset_host: str = ""
    nat64_prefixes: tuple[str, ...] = ()
    kdf: KDF = "argon2id"
    ledger_mode: LedgerMode = "buffered"
    ledger_origin: str = "apikeychain/ledger"
    key_max_uses: int = 1_000_000
    key_max_age_days: int = 365
    tenant_secret_max_uses: int = 1_000_000
    tenant_secret_max_age_days: int = 365
    platform_key_max_uses: int = 0
    platform_key_max_age_days: int = 0

    def __post_init__(self) -> None:
        problems = [
            *self._prefix_problems(),
            *_network_problems("trusted_proxies", self.trusted_proxies, but=UNIX),
            *_network_problems("nat64_prefixes", self.nat64_prefixes),
            *self._country_problems(),
        ]
        if self.asset_host and not _HOST.fullmatch(self.asset_host):
            problems.append("asset_host: write a host in small letters, like assets.example.com, or one with its port")
        if not 0 < self.body_limit <= _MAX_BODY:
            problems.append(f"body_limit: write 1 to {_MAX_BODY} bytes")
        if self.kdf not in {"argon2id", "pbkdf2-sha512"}:
            problems.append("kdf: write argon2id or pbkdf2-sha512")
        if self.ledger_mode not in {"buffered", "write-ahead"}:
            problems.append("ledger_mode: write buffered or write-ahead")
        if not re.fullmatch(ORIGIN, self.ledger_origin):
            problems.append("ledger_origin: write 1 to 200 printable ASCII characters, no space, no +")
        problems += self._key_problems()
        if problems:
            raise SettingsError(problems)

    @property
    def platform_key_turns(self) -> bool:
        """Whether the platform keys turn by themselves."""
        return self.platform_key_max_uses > 0 or self.platform_key_max_age_days > 0

    def _prefix_problems(self) -> list[str]:
        if _PREFIX.fullmatch(self.prefix):
            return []
        return ["prefix: write a lower-case path without a final slash, like /api/apikeychain"]

    def _country_problems(self) -> list[str]:
        if not self.country_header or (_HEADER.fullmatch(self.country_header) and self.trusted_proxies):
            return []
        return ["country_header: write the name of a header that trusted_proxies set, and name these"]

    def _key_problems(self) -> list[str]:
        return [
            f"{name}: write {least} to {most}"
            for name, (least, most) in _KEY_BOUNDS.items()
            if not least <= getattr(self, name) <= most
        ]


def _network_problems(name: str, networks: Iterable[str], but: str = "") -> list[str]:
    told = (_network_problem(text) if text != but else "" for text in networks)
    return [f"{name}: entry {number} {problem}" for number, problem in enumerate(told, 1) if problem]


def _network_problem(text: str) -> str:
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        return "is not an address or network (write 10.0.0.0/8)"
    return "" if network.prefixlen else "would trust everybody"
