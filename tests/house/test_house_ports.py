"""Every promise of a port has a number, and every number has one test in the contract class that the port names."""

import importlib
import inspect
import pkgutil
import re
from collections import Counter, defaultdict

import pytest

import apikeychain.ports
import apikeychain.testing

_CLAUSE = re.compile(r"^\s*([A-Z][0-9]+): ", re.MULTILINE)
_CONTRACT = re.compile(r"Contract \(tested by `apikeychain\.testing\.(\w+)`\)")
_TEST = re.compile(r"test_([a-z][0-9]+)_")


def _classes(package: object) -> dict[str, type]:
    found: dict[str, type] = {}
    assert inspect.ismodule(package)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        loaded = importlib.import_module(module.name)
        found |= dict(inspect.getmembers(loaded, inspect.isclass))
    return found


def _clauses() -> dict[str, list[str]]:
    """The numbers that ports promise, by the contract class that they name."""
    clauses: dict[str, list[str]] = defaultdict(list)
    for port in {cls for cls in _classes(apikeychain.ports).values() if cls.__module__.startswith("apikeychain.ports")}:
        text = inspect.getdoc(port) or ""
        contract = _CONTRACT.search(text)
        assert bool(contract) == bool(_CLAUSE.search(text)), f"{port.__name__} promises and names no contract class"
        if contract:
            clauses[contract[1]] += _CLAUSE.findall(text)
    return dict(clauses)


CLAUSES = _clauses()


def test_there_are_ports_with_promises() -> None:
    assert {"KeyServiceContract", "RateLimiterContract", "SignalsContract", "StoreContract"} <= CLAUSES.keys()


@pytest.mark.parametrize("contract", sorted(CLAUSES))
def test_the_clauses_of_a_port_and_the_tests_of_its_contract_match_one_to_one(contract: str) -> None:
    tested = [match[1].upper() for name in dir(_classes(apikeychain.testing)[contract]) if (match := _TEST.match(name))]
    assert Counter(tested) == Counter(CLAUSES[contract])
