"""The locators on their contract, and what each does beyond it."""

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from apikeychain.backends.mmdb_countries import MMDBCountries
from apikeychain.backends.plain_address import plain_address
from apikeychain.backends.registry_countries import RegistryCountries
from apikeychain.errors import InvalidValueError, MissingExtraError
from apikeychain.ports.locator import Locator
from apikeychain.testing.locator import LocatorContract
from country_file import RECORDS, write_country_file


class TestRegistryCountries(LocatorContract):
    @pytest.fixture
    def locator(self) -> Locator:
        return RegistryCountries()

    @pytest.fixture
    def known(self) -> Mapping[str, str]:
        # The registries themselves: RIPE NCC in Amsterdam, APNIC in Brisbane, LACNIC in Montevideo.
        return {"193.0.6.139": "NL", "2001:67c:2e8::1": "NL", "203.119.101.61": "AU", "200.7.84.1": "UY"}


class TestMMDBCountries(LocatorContract):
    @pytest.fixture
    def locator(self, tmp_path: Path) -> Locator:
        return MMDBCountries(write_country_file(tmp_path / "countries.mmdb"))

    @pytest.fixture
    def known(self) -> Mapping[str, str]:
        return {"203.0.113.9": "DE", "198.51.100.1": "FR", "100.64.7.7": "BR", "2a00:1000:1::1": "SE"}


@pytest.mark.parametrize("address", ["100.65.0.1", "100.66.0.1", "100.67.0.1"])
def test_a_record_that_names_no_country_is_nowhere(tmp_path: Path, address: str) -> None:
    assert MMDBCountries(write_country_file(tmp_path / "countries.mmdb")).country(address) == ""


def test_a_file_of_one_version_knows_nobody_of_the_other(tmp_path: Path) -> None:
    path = write_country_file(tmp_path / "countries.mmdb", {"203.0.113.0/24": RECORDS["203.0.113.0/24"]}, version=4)
    locator = MMDBCountries(str(path))
    assert (locator.country("203.0.113.9"), locator.country("2a00:1000::1")) == ("DE", "")


def test_a_file_that_goes_or_is_cut_while_it_serves_breaks_nothing(tmp_path: Path) -> None:
    path = write_country_file(tmp_path / "countries.mmdb")
    locator = MMDBCountries(path)
    path.write_bytes(b"")
    assert locator.country("203.0.113.9") == "DE"
    path.unlink()
    assert locator.country("198.51.100.1") == "FR"


def test_a_file_that_is_missing_or_damaged_is_refused_with_what_to_do(tmp_path: Path) -> None:
    whole = write_country_file(tmp_path / "countries.mmdb").read_bytes()
    (tmp_path / "cut.mmdb").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.mmdb").write_bytes(b"")
    (tmp_path / "begun.mmdb").write_bytes(whole[len(whole) // 3 :])
    (tmp_path / "named.mmdb").write_bytes(whole.replace(b"node_count", b"node_c\x00unt"))
    for name in ("none.mmdb", "cut.mmdb", "empty.mmdb", "begun.mmdb", "named.mmdb", "."):
        with pytest.raises(InvalidValueError, match=r"cannot be read \(\w+\): name a whole \.mmdb file$"):
            MMDBCountries(tmp_path / name)


def test_a_file_with_damage_inside_raises_for_no_address(tmp_path: Path) -> None:
    whole = bytearray(write_country_file(tmp_path / "countries.mmdb").read_bytes())
    data = whole.index(b"iso_code")
    whole[data - 20 : data + 60] = b"\xff" * 80
    path = tmp_path / "damaged.mmdb"
    path.write_bytes(whole)
    locator = MMDBCountries(path)
    assert {locator.country(f"203.0.113.{number}") for number in range(256)} == {""}


@pytest.mark.parametrize(
    ("package", "make"), [("iptocc", RegistryCountries), ("maxminddb", lambda: MMDBCountries("/x"))]
)
def test_a_package_that_is_missing_is_told_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, package: str, make: type[RegistryCountries]
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        MissingExtraError, match=r"countries by .* needs more packages: pip install 'apikeychain\[geo\]'"
    ):
        make()


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("fe80::1%eth0", ""),
        ("x" * 65, ""),
        ("x", ""),
    ],
)
def test_an_address_has_one_form(text: str, plain: str) -> None:
    assert plain_address(text) == plain
