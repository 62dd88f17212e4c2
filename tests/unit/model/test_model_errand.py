"""When an errand is looked at again, and when it goes."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from apikeychain.model.errand import STORING, Errand
from apikeychain.model.ids import TenantId

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOURS = timedelta(hours=72)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def noted(due: datetime = NOON) -> Errand:
    return Errand(topic="alerts", tenant=TenantId("acme"), subject="", due=due, since=due, last=due)


def looks(errand: Errand | None) -> list[float]:
    """The moments at which it is looked at while nothing is found, in seconds from noon."""
    found: list[float] = []
    while errand:
        found.append((errand.due - NOON).total_seconds())
        errand = errand.looked_at(None)
    return found


def test_one_that_finds_nothing_is_looked_at_again_until_whoever_noted_it_has_stored() -> None:
    assert looks(noted()) == [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]


def test_one_that_is_noted_sooner_is_still_looked_at_when_it_was_due_before() -> None:
    found = looks(noted(NOON + HOURS).noted(NOON))
    assert found[:5] == [0, 1, 2, 4, 8]
    begin = found.index(HOURS.total_seconds())
    assert [each - found[begin] for each in found[begin:]] == looks(noted())


def test_one_that_is_noted_later_stays_due() -> None:
    again = noted().noted(at(60))
    assert (again.due, again.last, again.generation) == (NOON, at(60), 2)
    assert looks(again)[-1] >= 60 + STORING.total_seconds()


def test_it_moves_to_what_was_found_and_not_beyond_the_next_look() -> None:
    moved = noted().looked_at(at(0.5))
    assert moved is not None
    assert moved.due == at(0.5)
    moved = noted().looked_at(at(5000))
    assert moved is not None
    assert (moved.due, moved.generation) == (at(1), 2)


def test_one_that_nobody_can_be_storing_for_moves_or_goes() -> None:
    late = Errand(topic="alerts", tenant=TenantId("acme"), subject="", due=NOON)
    moved = late.looked_at(NOON + HOURS)
    assert moved is not None
    assert (moved.due, moved.generation) == (NOON + HOURS, 2)
    assert late.looked_at(None) is None
    assert moved.looked_at(None) is None


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=6), st.integers(0, 599))
def test_whatever_was_noted_is_looked_at_after_its_storing_ended(dues: list[int], storing: int) -> None:
    """A store that ends within ten minutes of the moment it was noted for is found by a look not long after."""
    errand = noted(at(dues[0]))
    for due in dues[1:]:
        errand = errand.noted(at(due))
    found = looks(errand)
    assert found == sorted(set(found))
    for due in dues:
        assert any(look >= due + storing for look in found)
        assert min(look for look in found if look >= due) <= max(due, 2 * due - min(dues), due + 1)
