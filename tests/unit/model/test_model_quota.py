import pytest

from apikeychain.errors import InvalidValueError
from apikeychain.model.quota import Quota


@pytest.mark.parametrize(
    ("text", "amount", "seconds"),
    [
        ("600/minute", 600, 60),
        ("1/second", 1, 1),
        ("10/5 minutes", 10, 300),
        ("10/5minutes", 10, 300),
        ("7/hour", 7, 3600),
        ("7/2 hours", 7, 7200),
        ("999999999/day", 999999999, 86400),
    ],
)
def test_a_quota_is_written_as_limits_writes_it(text: str, amount: int, seconds: int) -> None:
    assert Quota.parse(text) == Quota(amount, seconds)


@pytest.mark.parametrize(
    ("text", "quota"),
    [
        ("600/minute moving-window", Quota(600, 60, exact=True)),
        ("10/5 minutes moving-window", Quota(10, 300, exact=True)),
        ("10000/days moving-window", Quota(10_000, 86400, exact=True)),
        ("600/minute", Quota(600, 60, exact=False)),
    ],
)
def test_where_exactness_is_asked_it_stands_behind_the_quota(text: str, quota: Quota) -> None:
    assert Quota.parse(text) == quota


def test_an_exact_quota_has_an_amount_that_can_be_remembered() -> None:
    told = r"^a quota with moving-window is of at most 10000 calls: '10001/minute moving-window'$"
    with pytest.raises(InvalidValueError, match=told):
        Quota.parse("10001/minute moving-window")
    assert Quota.parse("10001/minute") == Quota(10_001, 60)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10/minute  moving-window",
        "10/minutemoving-window",
        "10/minute moving-window ",
        "10/minute fixed-window",
        "10 moving-window",
        "600",
        "0/minute",
        "-1/minute",
        "06/minute",
        "1.5/minute",
        "1_0/minute",
        "\uff11/minute",
        "1000000000/day",
        "10/0 minutes",
        "10/100000 minutes",
        "10/week",
        "10 per minute",
        "10/minute\n",
        " 10/minute",
        "10/minute;20/hour",
    ],
)
def test_anything_else_is_no_quota(text: str) -> None:
    with pytest.raises(InvalidValueError, match="not a quota"):
        Quota.parse(text)
