import logging

import pytest

from apikeychain.rules.caller import Caller
from apikeychain.watch import countries
from apikeychain.watch.countries import Countries


class Book:
    """A locator that answers from a dict, and counts how often it was asked."""

    def __init__(self, known: dict[str, str]) -> None:
        self.known, self.asked = known, 0

    def country(self, address: str) -> str:
        self.asked += 1
        return self.known[address]


def caller(address: str, told: str = "") -> Caller:
    return Caller(address, "https", "h", told)


def test_nobody_is_anywhere_without_a_locator() -> None:
    assert Countries(None).of(caller("203.0.113.9")) == ""


def test_what_a_proxy_says_goes_before_what_the_locator_knows() -> None:
    book = Book({"203.0.113.9": "FR"})
    known = Countries(book)
    assert (known.of(caller("203.0.113.9", "DE")), book.asked) == ("DE", 0)
    assert (known.of(caller("203.0.113.9")), book.asked) == ("FR", 1)
    assert Countries(None).of(caller("203.0.113.9", "DE")) == "DE"


def test_an_address_that_came_before_is_not_looked_up_again() -> None:
    book = Book({"203.0.113.9": "FR", "203.0.113.10": ""})
    known = Countries(book)
    assert [known.of(caller(address)) for address in ("203.0.113.9", "203.0.113.10") * 3] == ["FR", ""] * 3
    assert book.asked == 2


def test_so_many_addresses_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(countries, "_REMEMBERED", 2)
    book = Book({f"203.0.113.{number}": "FR" for number in range(4)})
    known = Countries(book)
    for number in (0, 1, 2, 3, 0):
        known.of(caller(f"203.0.113.{number}"))
    assert book.asked == 5
    known.of(caller("203.0.113.3"))
    assert book.asked == 5


@pytest.mark.parametrize("told", ["de", "DEU", "D1", "Deutschland", " DE", "DE\n"])
def test_what_is_no_country_gets_nowhere(told: str) -> None:
    assert Countries(Book({"203.0.113.9": told})).of(caller("203.0.113.9")) == ""


def test_a_locator_that_breaks_breaks_no_call_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    countries._tell.cache_clear()
    known = Countries(Book({}))
    with caplog.at_level(logging.ERROR):
        assert [known.of(caller(f"203.0.113.{number}")) for number in range(3)] == [""] * 3
    assert [record.getMessage() for record in caplog.records] == [
        "the locator failed with KeyError: countries are not known for now"
    ]


def test_a_locator_that_says_nothing_at_all_breaks_no_call() -> None:
    silent = Book({"203.0.113.9": None})  # type: ignore[dict-item]  # what a locator may say all the same
    assert Countries(silent).of(caller("203.0.113.9")) == ""
