"""Of callers of whom nothing is known only so many bodies are held."""

from contextlib import ExitStack

import pytest

from apikeychain.errors import RateLimitedError
from apikeychain.rules.caller import Caller
from apikeychain.watch.unverified import MOST, MOST_OF_AN_ADDRESS, Unverified
from sample_project import a_call

LARGE = a_call((b"content-length", b"65537"), method="POST")
CHUNKED = a_call((b"transfer-encoding", b"chunked"), method="POST")
SMALL = a_call((b"content-length", b"65536"), method="POST")


def caller(number: int) -> Caller:
    return Caller(f"192.0.2.{number}", "https", "app.example.com")


def test_one_address_holds_a_few_and_the_others_go_on() -> None:
    unverified = Unverified()
    with ExitStack() as stack:
        for call in (LARGE, CHUNKED) * (MOST_OF_AN_ADDRESS // 2):
            stack.enter_context(unverified.one(call, caller(1)))
        with pytest.raises(RateLimitedError) as refused, unverified.one(LARGE, caller(1)):
            pass
        assert refused.value.headers == ((b"retry-after", b"1"),)
        with unverified.one(SMALL, caller(1)), unverified.one(LARGE, caller(2)):
            pass
    with unverified.one(LARGE, caller(1)):
        pass


def test_all_together_hold_so_many() -> None:
    unverified = Unverified()
    with ExitStack() as stack:
        for number in range(MOST):
            stack.enter_context(unverified.one(LARGE, caller(number)))
        with pytest.raises(RateLimitedError), unverified.one(CHUNKED, caller(MOST)):
            pass
    assert not unverified._held
