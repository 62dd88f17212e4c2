"""How much may be lost, how it grows, and what is said once it may have been."""

from datetime import UTC, datetime, timedelta

import pytest

from apikeychain.model.ids import TenantId
from apikeychain.model.ledger_records import OpenEntries, Worker
from apikeychain.rules.allowances import FIRST, gap_of, gap_of_all, grown, is_overdue, outlasts

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
WORKER = Worker(id="0a1b", started=NOON - timedelta(hours=1), seen=NOON - timedelta(seconds=30), stated=768)
NOTE = OpenEntries(worker="0a1b", tenant=TenantId("acme"), at_most=512)


def test_an_allowance_doubles_from_the_first_to_its_bound() -> None:
    sizes = [0]
    for _ in range(5):
        sizes.append(grown(sizes[-1], 1024))
    assert sizes == [0, FIRST, 2 * FIRST, 1024, 1024, 1024]
    assert FIRST == 256


@pytest.mark.parametrize(("entries", "lasts"), [(0, True), (5, True), (6, False)])
def test_an_allowance_outlasts_fifty_turns_with_so_many_entries(entries: int, *, lasts: bool) -> None:
    assert outlasts(FIRST, entries, 50) is lasts
    assert outlasts(entries * 50, entries, 50)


@pytest.mark.parametrize(("seconds", "overdue"), [(29.9, True), (30, True), (30.1, False)])
def test_a_worker_is_overdue_once_it_was_not_seen_for_so_long(seconds: float, *, overdue: bool) -> None:
    assert is_overdue(WORKER, NOON, seconds) is overdue


def test_a_gap_says_of_whom_since_when_and_how_many_at_most() -> None:
    gap = gap_of(WORKER, NOTE, NOON)
    said = {"reason": "unclean", "worker": "0a1b", "last_seen": "2026-01-02T11:59:30.000Z", "entries": 512}
    assert (gap.kind, gap.actor, gap.at, gap.project, dict(gap.data)) == ("gap", "gate", NOON, None, said)
    assert gap_of_all(WORKER, NOON).data == said | {"entries": 768}
