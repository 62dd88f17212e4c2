"""What a worker remembers has a bound, and what is used stays."""

from apikeychain.ledger.remembered import Remembered


def test_what_was_used_longest_ago_is_forgotten_first() -> None:
    kept: Remembered[str, int] = Remembered(2)
    kept.put("a", 1)
    kept.put("b", 2)
    assert kept.get("a") == 1
    kept.put("c", 3)
    assert [kept.get(key) for key in "abc"] == [1, None, 3]
    kept.put("a", 4)
    kept.put("d", 5)
    assert [kept.get(key) for key in "acd"] == [4, None, 5]
    kept.forget("a")
    kept.forget("a")
    assert kept.get("a") is None
