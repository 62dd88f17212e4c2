"""In which country callers are by the environment, and what is wrong with it."""

import sys
from pathlib import Path

import pytest

from apikeychain import APIKeyChain
from apikeychain.backends.mmdb_countries import MMDBCountries
from apikeychain.backends.registry_countries import RegistryCountries
from apikeychain.environment.variables import PREFIX
from apikeychain.environment.wiring import Environment, read_environment
from apikeychain.errors import MissingExtraError, SettingsError
from country_file import write_country_file


def read(**variables: object) -> Environment:
    return read_environment({PREFIX + name: str(value) for name, value in variables.items()})


def test_without_a_word_nobody_knows_it() -> None:
    found = read(DATA="./x")
    assert (found.choices.countries, found.plugs.locator) == (None, None)


def test_the_registries_know_it() -> None:
    found = read(DATA="./x", COUNTRIES="registry")
    assert isinstance(found.plugs.locator, RegistryCountries)
    assert APIKeyChain.from_environment(found)._plugs.locator is found.plugs.locator


def test_a_file_knows_it(tmp_path: Path) -> None:
    locator = read(DATA="./x", COUNTRIES=write_country_file(tmp_path / "countries.mmdb")).plugs.locator
    assert isinstance(locator, MMDBCountries)
    assert locator.country("203.0.113.9") == "DE"


def test_a_proxy_says_it() -> None:
    found = read(DATA="./x", TRUSTED_PROXIES="10.0.0.0/8", COUNTRY_HEADER="cf-ipcountry")
    assert found.choices.settings.country_header == "cf-ipcountry"


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"COUNTRIES": "registries"}, "COUNTRIES: write registry, or the absolute path of an .mmdb file"),
        ({"COUNTRIES": "./countries.mmdb"}, "COUNTRIES: write registry, or the absolute path of an .mmdb file"),
        (
            {"COUNTRIES": "/nowhere/countries.mmdb"},
            "COUNTRIES: the file of countries cannot be read (FileNotFoundError): name a whole .mmdb file",
        ),
        (
            {"COUNTRY_HEADER": "cf-ipcountry"},
            "COUNTRY_HEADER: write the name of a header that trusted_proxies set, and name these",
        ),
    ],
)
def test_what_is_wrong_is_told(variables: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(DATA="./x", **variables)
    assert [problem.removeprefix(PREFIX) for problem in caught.value.problems] == [told]


def test_packages_that_are_missing_are_told_with_their_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "iptocc", None)
    with pytest.raises(MissingExtraError, match=r"apikeychain\[geo\]"):
        read(DATA="./x", COUNTRIES="registry")
