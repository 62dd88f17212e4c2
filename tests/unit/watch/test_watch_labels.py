import pytest

from apikeychain.watch import labels
from apikeychain.watch.labels import Labels


def test_beyond_ten_thousand_live_ones_there_is_no_room() -> None:  # contracts 7
    live = Labels()
    for number in range(20_000):
        if live.have_room(f"p:user:{number}", 0.0):
            live.keep(f"p:user:{number}", 120.0)
    assert live._size == 10_000
    assert live.have_room("p:user:9999", 1.0)
    assert not live.have_room("p:user:10000", 1.0)


def test_there_is_room_again_when_the_oldest_are_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels, "MAX_LIVE", 2)
    live = Labels()
    live.keep("p:user:a", 120.0)
    live.keep("p:user:b", 130.0)
    assert not live.have_room("p:user:c", 119.0)
    live.keep("p:user:a", 140.0)
    assert not live.have_room("p:user:c", 129.0)
    assert live.have_room("p:user:c", 130.0)
    assert live._size == 1


def test_projects_and_kinds_have_bounds_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels, "MAX_LIVE", 1)
    live = Labels()
    live.keep("p:claimed-user:a:b", 120.0)
    assert not live.have_room("p:claimed-user:a:c", 0.0)
    assert live.have_room("p:user:a:c", 0.0)
    assert live.have_room("q:claimed-user:a:c", 0.0)


def test_one_that_came_in_between_is_not_kept_beyond_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels, "MAX_LIVE", 1)
    live = Labels()
    assert live.have_room("p:user:a", 0.0)
    assert live.have_room("p:user:b", 0.0)
    live.keep("p:user:a", 120.0)
    live.keep("p:user:b", 120.0)
    assert live.have_room("p:user:a", 0.0)
    assert not live.have_room("p:user:b", 0.0)


def test_all_projects_together_are_bounded_at_the_cost_of_the_largest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels, "MAX_IN_ALL", 5)
    live = Labels()
    live.keep("p:user:a", 120.0)
    for number in range(100):
        live.keep(f"q:user:{number}", 120.0)
    assert live._size == 5
    assert next(list(group) for group in live._groups.values()) == ["p:user:a"]
