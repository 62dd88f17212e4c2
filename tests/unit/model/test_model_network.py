"""The exceptions that host code makes for one base URL."""

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from apikeychain.errors import InvalidValueError
from apikeychain.model.network import PUBLIC, Network, network_of
from apikeychain.model.provider import BaseURL


def test_without_a_word_of_the_host_nothing_is_excepted() -> None:
    assert Network() == PUBLIC
    assert (PUBLIC.private, PUBLIC.minimum_tls, PUBLIC.trust, PUBLIC.redirect_hosts) == (False, "1.3", None, ())
    assert PUBLIC.tenants is None


def test_an_exception_cannot_be_changed_later() -> None:
    with pytest.raises(FrozenInstanceError):
        PUBLIC.private = True  # type: ignore[misc]  # the point of the test


@pytest.mark.parametrize(("port", "else_"), [("", PUBLIC), (":8443", None)], ids=["443", "another port"])
def test_an_exception_holds_for_the_tenants_that_it_names_and_for_all_where_it_names_none(
    port: str, else_: Network | None
) -> None:
    """Where none holds, a provider is dialled by the rule, which is port 443 and nothing else."""
    own, open_to_all, nobodys = (
        Network(tenants=frozenset({"acme"})),
        Network(private=True),
        Network(tenants=frozenset()),
    )
    bases = {name: BaseURL.parse(f"https://{name}.example{port}") for name in ("own", "all", "nobody", "other")}
    networks = {bases["own"].text: own, bases["all"].text: open_to_all, bases["nobody"].text: nobodys}
    assert network_of(networks, bases["own"], "acme") is own
    assert network_of(networks, bases["own"], "acm") is else_
    assert network_of(networks, bases["nobody"], "acme") is else_
    assert network_of(networks, bases["all"], "globex") is open_to_all
    assert network_of(networks, bases["other"], "acme") is else_


@pytest.mark.parametrize("tenants", ["acme", {"acme"}, ["acme"], ("acme",)])
def test_tenants_are_a_frozenset(tenants: Any) -> None:
    with pytest.raises(InvalidValueError) as refused:
        Network(tenants=tenants)
    assert str(refused.value) == f"Network(tenants=...) takes a frozenset of tenants' ids, not {tenants!r}"
