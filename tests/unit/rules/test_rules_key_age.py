"""When a key turns."""

from datetime import UTC, datetime, timedelta

import pytest

from apikeychain.rules.key_age import turns_at
from sample_project import NOW

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("uses", "max_age_days", "after"),
    [
        pytest.param(0, 365, 365 * DAY, id="it is old"),
        pytest.param(9, 365, 365 * DAY, id="it sealed one value fewer than it may"),
        pytest.param(10, 365, DAY, id="it sealed as many as it may"),
        pytest.param(11, 0, DAY, id="it sealed more, and age counts for nothing"),
        pytest.param(9, 0, None, id="age counts for nothing"),
        pytest.param(10, 1, DAY, id="both"),
    ],
)
def test_a_key_is_due_by_its_age_and_by_what_it_sealed_but_once_a_day(
    uses: int, max_age_days: int, after: timedelta | None
) -> None:
    due = turns_at(NOW, uses, max_uses=10, max_age_days=max_age_days)
    assert due == (None if after is None else NOW + after)
    assert turns_at(NOW, uses, max_uses=0, max_age_days=0) is None


@pytest.mark.parametrize(("uses", "max_age_days"), [(10, 0), (0, 365)])
def test_a_key_of_the_end_of_time_is_never_due(uses: int, max_age_days: int) -> None:
    made = datetime.max.replace(tzinfo=UTC)
    assert turns_at(made, uses, max_uses=10, max_age_days=max_age_days) is None
