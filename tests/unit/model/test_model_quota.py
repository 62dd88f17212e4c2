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
    "text",
    [
        "",
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
