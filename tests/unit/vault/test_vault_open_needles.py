"""Needles live as long as the secret that they are made of."""

import gc
import sys
from dataclasses import replace

import pytest

from apikeychain import HeaderCredential, Provider, Secret
from apikeychain.vault.open_needles import OpenNeedles

PLAIN = "aSecretOfThisTest"
PROVIDER = Provider("weather", "https://api.weather.example", HeaderCredential("Authorization", "Bearer "))


def test_the_needles_of_an_open_secret_are_made_once() -> None:
    opened, secret = OpenNeedles(), Secret(PLAIN)
    made = opened.of(PROVIDER, secret)
    assert made.texts == (b"Bearer " + PLAIN.encode(), PLAIN.encode())
    assert opened.of(replace(PROVIDER), secret) is made


def test_another_credential_has_needles_of_its_own() -> None:
    opened, secret = OpenNeedles(), Secret(PLAIN)
    opened.of(PROVIDER, secret)
    token = replace(PROVIDER, credential=HeaderCredential("Authorization", "Token "))
    assert opened.of(token, secret).texts == (b"Token " + PLAIN.encode(), PLAIN.encode())


def test_each_secret_has_its_own() -> None:
    opened, one, other = OpenNeedles(), Secret(PLAIN), Secret(PLAIN[::-1])
    assert [opened.of(PROVIDER, secret).texts[-1] for secret in (one, other)] == [PLAIN.encode(), PLAIN[::-1].encode()]


def test_nothing_is_kept_of_a_secret_that_is_gone() -> None:
    opened, secret, other = OpenNeedles(), Secret(PLAIN), Secret(PLAIN[::-1])
    for one in (secret, other):
        opened.of(PROVIDER, one)
    del secret, one
    gc.collect()
    assert [texts.texts[-1] for _, _, texts in opened._kept.values()] == [PLAIN[::-1].encode()]
    del other
    gc.collect()
    assert not opened._kept


def test_a_secret_that_retires_is_looked_for_beside_the_one_that_serves() -> None:
    opened, serves, retires = OpenNeedles(), Secret(PLAIN), Secret(PLAIN[::-1])
    both = opened.of(PROVIDER, serves, retires)
    assert {PLAIN.encode(), PLAIN[::-1].encode(), b"Bearer " + PLAIN[::-1].encode()} <= {*both.texts}
    assert opened.of(PROVIDER, serves, retires) is both
    assert opened.of(PROVIDER, serves).texts == (b"Bearer " + PLAIN.encode(), PLAIN.encode())


@pytest.mark.parametrize("first", [0, 1])
def test_needles_of_two_go_with_either(first: int) -> None:
    opened, secrets = OpenNeedles(), [Secret(PLAIN), Secret(PLAIN[::-1])]
    opened.of(PROVIDER, *secrets)
    del secrets[first]
    gc.collect()
    assert not opened._kept
    del secrets[0]
    gc.collect()
    assert not opened._kept


def test_two_that_go_at_once_are_forgotten_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the garbage collector finds them: it tells of each."""
    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    opened, secrets = OpenNeedles(), list[object]()
    one, other = Secret(PLAIN), Secret(PLAIN[::-1])
    secrets += [one, other, secrets]
    opened.of(PROVIDER, one, other)
    del secrets, one, other
    gc.collect()
    assert not opened._kept
    assert told == []
