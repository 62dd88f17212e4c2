"""Which entries somebody wants to see."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from apikeychain.errors import InvalidValueError
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.ledger import Head, LedgerDraft, LedgerEntry
from apikeychain.rules.selection import Selection, parse_moment

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
PROJECT = ProjectId("p_" + "a" * 20)


def entry(**columns: Any) -> LedgerEntry:
    draft = LedgerDraft(at=NOON, kind="secret.put", actor="ops", project=PROJECT)
    return replace(draft.behind(Head.empty(TenantId("acme"))), **columns)


@pytest.mark.parametrize(
    ("wanted", "holds"),
    [
        (Selection(), True),
        (Selection(kinds=["secret.put"]), True),
        (Selection(kinds=["secret"]), True),
        (Selection(kinds=["call", "secret"]), True),
        (Selection(kinds=["secret.removed"]), False),
        (Selection(kinds=["signing-key"]), False),
        (Selection(project=PROJECT), True),
        (Selection(project="p_" + "b" * 20), False),
        (Selection(actor="ops"), True),
        (Selection(actor="op"), False),
        (Selection(since=NOON), True),
        (Selection(since=NOON + timedelta(milliseconds=1)), False),
        (Selection(until=NOON), False),
        (Selection(until=NOON + timedelta(milliseconds=1)), True),
        (Selection(kinds=["secret"], actor="cli"), False),
    ],
    ids=range(15),
)
def test_an_entry_is_wanted_where_all_holds(wanted: Selection, holds: bool) -> None:
    assert wanted.holds(entry()) is holds


def test_what_somebody_wrote_into_a_column_is_not_wanted_and_no_crash() -> None:
    assert not Selection(kinds=["call"]).holds(entry(kind=b"\xff"))
    assert not Selection(project=PROJECT).holds(entry(project=5))
    assert not Selection(actor="ops").holds(entry(actor=None))


def test_a_kind_that_no_entry_has_is_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"of the kind 'secrets'; there are: asset\.damaged, asset\.put"):
        Selection(kinds=["secrets"])


def test_a_moment_is_in_utc_unless_it_names_a_zone() -> None:
    assert parse_moment("2026-01-02") == datetime(2026, 1, 2, tzinfo=UTC)
    assert parse_moment("2026-01-02T12:00") == parse_moment("2026-01-02T12:00Z") == NOON
    assert parse_moment("2026-01-02T14:00+02:00") == NOON.astimezone(timezone(timedelta(hours=2)))
    for wrong in ("", "noon", "2026-13-01", "0001-01-01T00:00+14:00"):
        with pytest.raises(InvalidValueError, match="not a moment"):
            parse_moment(wrong)
