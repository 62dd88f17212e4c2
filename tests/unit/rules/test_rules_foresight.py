"""What is expected at most is told in the numbers that a picture shows, once it was learned."""

from datetime import timedelta

from apikeychain.model.finding import Window
from apikeychain.model.tally import Tally
from apikeychain.rules.ewma import EWMADetector
from apikeychain.rules.series import WARM_UP
from ledger_house import NOON, PROJECT

_DETECTOR = EWMADetector()


def window(number: int, calls: int = 20, route: str = "weather", **counted: int) -> Window:
    tally = Tally(calls=calls, bytes_out=500 * calls, failures={"provider-other": calls // 10})
    refused = {"": Tally(unadmitted=counted)} if counted else {}
    return Window(project=PROJECT, begin=NOON + timedelta(minutes=number), routes={route: tally, **refused})


def learned(windows: int) -> str:
    state = ""
    for number in range(windows):
        _, state = _DETECTOR.observe(window(number, replayed=2), state)
    return state


def test_nothing_is_expected_while_it_is_learned() -> None:
    assert _DETECTOR.expected(window(0), "") == {}
    assert _DETECTOR.expected(window(60), learned(60)) == {}


def test_what_was_learned_is_the_least_that_is_expected_at_most() -> None:
    state = learned(WARM_UP + 60)
    expected = _DETECTOR.expected(window(WARM_UP + 60), state)
    assert 20 < expected["", "rate"] < 80
    assert 2 < expected["", "replays"] < 40
    assert 2 < expected["", "provider-other"] <= 20
    assert ("", "bytes_out") not in expected
    found, _ = _DETECTOR.observe(window(WARM_UP + 60, 900), state)
    rate = next(one for one in found if one.feature == "rate")
    assert rate.expected == expected["", "rate"]


def test_a_window_without_calls_has_no_shares() -> None:
    expected = _DETECTOR.expected(window(WARM_UP + 60, calls=0), learned(WARM_UP + 60))
    assert ("", "rate") in expected
    assert ("", "provider-other") not in expected
