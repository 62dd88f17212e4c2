"""The exceptions that host code makes for one base URL."""

from dataclasses import FrozenInstanceError

import pytest

from apikeychain.model.network import PUBLIC, Network


def test_without_a_word_of_the_host_nothing_is_excepted() -> None:
    assert Network() == PUBLIC
    assert (PUBLIC.private, PUBLIC.minimum_tls, PUBLIC.trust, PUBLIC.redirect_hosts) == (False, "1.3", None, ())


def test_an_exception_cannot_be_changed_later() -> None:
    with pytest.raises(FrozenInstanceError):
        PUBLIC.private = True  # type: ignore[misc]  # the point of the test
