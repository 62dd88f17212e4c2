"""The exceptions that host code makes for one base URL."""

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from apikeychain.errors import InvalidValueError
from apikeychain.model.network import PUBLIC, Network, network_of


def test_without_a_word_of_the_host_nothing_is_excepted() -> None:
    assert Network() == PUBLIC
    assert (PUBLIC.private, PUBLIC.minimum_tls, PUBLIC.trust, PUBLIC.redirect_hosts) == (False, "1.3", None, ())
    assert PUBLIC.tenants is None


def test_an_exception_cannot_be_changed_later() -> None:
    with pytest.raises(FrozenInstanceError):
        PUBLIC.private = True  # type: ignore[misc]  # the point of the test


def test_an_exception_holds_for_the_tenants_that_it_names_and_for_all_where_it_names_none() -> None:
    own, open_to_all = Network(tenants=frozenset({"acme"})), Network(private=True)
    networks = {"https://own.example": own, "https://all.example": open_to_all}
    assert network_of(networks, "https://own.example", "acme") is own
    assert network_of(networks, "https://own.example", "acm") is None
    assert network_of({"https://own.example": Network(tenants=frozenset())}, "https://own.example", "acme") is None
    assert network_of(networks, "https://all.example", "globex") is open_to_all
    assert network_of(networks, "https://other.example", "acme") is None


@pytest.mark.parametrize("tenants", ["acme", {"acme"}, ["acme"], ("acme",)])
def test_tenants_are_a_frozenset(tenants: Any) -> None:
    with pytest.raises(InvalidValueError) as refused:
        Network(tenants=tenants)
    assert str(refused.value) == f"Network(tenants=...) takes a frozenset of tenants' ids, not {tenants!r}"
