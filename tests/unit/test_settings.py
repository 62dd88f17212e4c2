from typing import Any

import pytest

from apikeychain.errors import SettingsError
from apikeychain.settings import APIKeyChainSettings


def test_the_defaults_are_those_of_the_spec() -> None:  # contracts 1, 2, 4, 10
    settings = APIKeyChainSettings()
    assert settings.prefix == "/api/apikeychain"
    assert not settings.development
    assert settings.trusted_proxies == ()
    assert settings.country_header == ""
    assert not settings.outer_cors
    assert settings.body_limit == 100 * 1024 * 1024
    assert settings.asset_host == ""
    assert settings.nat64_prefixes == ()
    assert settings.kdf == "argon2id"
    assert settings.ledger_mode == "buffered"
    assert settings.ledger_origin == "apikeychain/ledger"
    assert (settings.key_max_uses, settings.key_max_age_days) == (1_000_000, 365)
    assert (settings.tenant_secret_max_uses, settings.tenant_secret_max_age_days) == (1_000_000, 365)
    assert (settings.platform_key_max_uses, settings.platform_key_max_age_days) == (0, 0)
    assert not settings.platform_key_turns


@pytest.mark.parametrize(
    "chosen",
    [
        {"prefix": "/keys"},
        {"prefix": "/api/v1.2/key_chain-x"},
        {"trusted_proxies": ("10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "::1", "unix")},
        {"trusted_proxies": ("unix",), "country_header": "CF-IPCountry"},
        {"nat64_prefixes": ("64:ff9b::/96",)},
        {"asset_host": "assets.example.com"},
        {"asset_host": "assets.example.com:8443"},
        {"asset_host": "localhost:8000"},
        {"body_limit": 1},
        {"kdf": "pbkdf2-sha512"},
        {"ledger_mode": "write-ahead"},
        {"ledger_origin": "gate.example.com/ledger"},
        {"key_max_uses": 1, "key_max_age_days": 0},
        {"key_max_uses": 1 << 32, "key_max_age_days": 36_500},
        {"tenant_secret_max_uses": 1, "tenant_secret_max_age_days": 0},
        {"platform_key_max_uses": 1, "platform_key_max_age_days": 36_500},
    ],
)
def test_what_is_safe_can_be_chosen(chosen: dict[str, Any]) -> None:
    settings = APIKeyChainSettings(**chosen)
    assert {name: getattr(settings, name) for name in chosen} == chosen


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[
            ("prefix", prefix)
            for prefix in ("", "/", "api", "/api/", "//api", "/API", "/a b", "/../a", "/a%2fb", "/a?b", "/a\n", "/{x}")
        ],
        *[
            ("trusted_proxies", (network,))
            for network in ("0.0.0.0/0", "::/0", "10.0.0.1/8", "*", "proxy.example", "", "10.0.0.0/33", "1.2.3")
        ],
        ("country_header", "cf-ipcountry"),
        ("nat64_prefixes", ("::/0",)),
        ("nat64_prefixes", ("64:ff9b::1/96",)),
        *[
            ("asset_host", host)
            for host in (
                *("https://a.example", "a.example/", "A.example", "a.example:443", "a.example:0", "a.example:", "a..b"),
                *("*.example", "a b", "a.example\n", "-a.example", "a_b.example", "[::1]", "a" * 64, "a." * 127 + "ab"),
            )
        ],
        ("body_limit", 0),
        ("body_limit", -1),
        ("body_limit", 100 * 1024 * 1024 + 1),
        ("kdf", "scrypt"),
        ("ledger_mode", "off"),
        ("ledger_origin", ""),
        ("ledger_origin", "my ledger"),
        ("ledger_origin", "ledger+1"),
        ("ledger_origin", "l" * 201),
        ("key_max_uses", 0),
        ("key_max_uses", (1 << 32) + 1),
        ("key_max_age_days", -1),
        ("key_max_age_days", 36_501),
        ("tenant_secret_max_uses", 0),
        ("tenant_secret_max_age_days", -1),
        ("platform_key_max_uses", -1),
        ("platform_key_max_age_days", 36_501),
    ],
)
def test_what_is_unsafe_or_wrong_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(SettingsError) as refused:
        APIKeyChainSettings(**{name: value})  # type: ignore[arg-type]  # what a user may write
    assert [problem.startswith(name) for problem in refused.value.problems] == [True]


@pytest.mark.parametrize("name", ["cf ipcountry", "cf_ipcountry", ":path", "x" * 65, "cf-ipcountry\n", "l\xe4nd"])
def test_a_header_of_countries_has_the_name_of_one(name: str) -> None:
    with pytest.raises(SettingsError, match=r"^country_header: write the name of a header that trusted_proxies set"):
        APIKeyChainSettings(trusted_proxies=("10.0.0.0/8",), country_header=name)


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        APIKeyChainSettings(prefix="/", trusted_proxies=("0.0.0.0/0", "x"), body_limit=0)
    assert len(refused.value.problems) == 4
    assert str(refused.value) == "; ".join(refused.value.problems)


@pytest.mark.parametrize("chosen", [{"platform_key_max_uses": 1}, {"platform_key_max_age_days": 1}])
def test_the_platform_key_turns_by_itself_where_the_host_says_so(chosen: dict[str, Any]) -> None:
    assert APIKeyChainSettings(**chosen).platform_key_turns
