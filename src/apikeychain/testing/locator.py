"""The contract of a Locator, for whoever writes one."""

import ipaddress
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from itertools import islice

import pytest

from apikeychain.ports.locator import Locator

# Nobody's: of the documentation, of the link, of the machine itself, of everybody and of nobody.
_NOWHERE = (
    "192.0.2.1",
    "169.254.1.1",
    "127.0.0.1",
    "10.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "2001:db8::1",
)
_NONE = (
    "",
    "testclient",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.4/24",
    "::ffff",
    ":" * 50,
    "9" * 10_000,
    "\0",
    "\ud800",
    "fe80::1%eth0",
)
_ROUNDS, _ASKS, _SECONDS = 10, 1_000, 0.1


class LocatorContract(ABC):
    """One test for each clause of `apikeychain.ports.locator.Locator`.

    A subclass says how one is made, and of some addresses that it knows where they are.
    """

    @pytest.fixture
    @abstractmethod
    def locator(self) -> Locator:
        """One that knows something. Override it as a fixture."""

    @pytest.fixture
    @abstractmethod
    def known(self) -> Mapping[str, str]:
        """Countries by address, of IPv4 and of IPv6, in at least two countries. Override it as a fixture."""

    def test_l1_the_country_of_an_address_is_two_capital_letters(
        self, locator: Locator, known: Mapping[str, str]
    ) -> None:
        """L1: of addresses of both versions."""
        assert {ipaddress.ip_address(address).version for address in known} == {4, 6}
        assert len(set(known.values())) > 1
        assert {address: locator.country(address) for address in known} == known
        assert all(re.fullmatch("[A-Z]{2}", country) for country in known.values())

    def test_l2_what_is_not_known_is_nowhere(self, locator: Locator) -> None:
        """L2: nor does whatever a caller may have sent raise anything."""
        assert {text: locator.country(text) for text in (*_NOWHERE, *_NONE)} == dict.fromkeys((*_NOWHERE, *_NONE), "")

    def test_l3_an_address_is_in_one_country_however_it_is_written(
        self, locator: Locator, known: Mapping[str, str]
    ) -> None:
        """L3: in full, in capital letters, and mapped into IPv6."""
        for text, country in known.items():
            address = ipaddress.ip_address(text)
            forms = {address.exploded, address.exploded.upper()}
            if address.version == 4:  # noqa: PLR2004 - the version's own name
                forms |= {f"::ffff:{text}", f"::FFFF:{int(address) >> 16:x}:{int(address) & 0xFFFF:x}"}
            assert {form: locator.country(form) for form in forms} == dict.fromkeys(forms, country)

    def test_l4_an_answer_keeps_no_call_waiting(self, locator: Locator) -> None:
        """L4: of addresses that never came before, far from one another; in the best of ten rounds."""
        numbers = iter(range(_ROUNDS * _ASKS))
        taken: list[float] = []
        for _ in range(_ROUNDS):
            addresses = [_far(number) for number in islice(numbers, _ASKS)]
            began = time.perf_counter()
            for address in addresses:
                locator.country(address)
            taken.append(time.perf_counter() - began)
        assert min(taken) < _SECONDS


def _far(number: int) -> str:
    return str(ipaddress.ip_address((number * 2_654_435_761) % (1 << 32)))
