"""Bodies that are gone, and the entries that say so: what is covered, what is not, and how little is remembered."""

from collections.abc import Iterable
from datetime import UTC, datetime

import pytest

from apikeychain.errors import InvalidValueError
from apikeychain.model.ledger import NO_TIME, LedgerDraft, LedgerEntry
from apikeychain.rules import chain
from apikeychain.rules import retained as rule
from apikeychain.rules.merkle import Frontier
from apikeychain.rules.retained import DroppedRun, Retention, retained
from signed_ledgers import NOON, frontier, written


def behind(entries: list[LedgerEntry], draft: LedgerDraft) -> list[LedgerEntry]:
    return [*entries, draft.behind(entries[-1].head)]


def kept(entries: list[LedgerEntry], last: int) -> list[LedgerEntry]:
    """The chain with a `retained` entry for 1 to `last`, whose bodies are still there."""
    return behind(entries, retained(last, frontier(entries[:last]).root, at=NOON, actor="ops"))


def dropped(entries: list[LedgerEntry], places: Iterable[int]) -> list[LedgerEntry]:
    gone = {*places}
    return [entry.dropped() if entry.seq in gone else entry for entry in entries]


def read(entries: list[LedgerEntry], page: int = 1000) -> Retention:
    retention = Retention()
    for start in range(0, len(entries), page):
        retention.read(entries[start : start + page])
    return retention


def test_what_is_left_of_an_entry_is_its_number_and_its_hash() -> None:
    (entry,) = written(count=1)
    left = entry.dropped()
    assert (left.tenant, left.seq, left.hash) == (entry.tenant, 1, entry.hash)
    assert (left.payload, left.at, left.kind, left.actor, left.project) == (b"", NO_TIME, "", "", None)
    assert left.is_dropped and not entry.is_dropped  # noqa: PT018  # one sentence
    assert left.columns == {"tenant": "acme", "seq": 1, "at": "", "kind": "", "actor": "", "project": None}


def test_the_entry_names_the_range_and_its_root() -> None:
    entries = kept(written(), 4)
    assert entries[-1].kind == "retained"
    said = chain.parse(entries[-1].payload)
    assert said is not None
    assert said["data"] == {"first": 1, "last": 4, "root": frontier(entries[:4]).root.hex()}
    with pytest.raises(InvalidValueError, match="time zone"):
        retained(4, bytes(32), at=datetime(2026, 1, 1), actor="ops")  # noqa: DTZ001  # what is refused
    with pytest.raises(InvalidValueError, match="opaque label"):
        retained(4, bytes(32), at=datetime.now(UTC), actor="ann@example.com")


@pytest.mark.parametrize("page", [1, 3, 1000])
def test_a_range_that_a_later_entry_covers_is_accepted(page: int) -> None:
    retention = read(dropped(kept(written(), 4), range(1, 5)), page)
    assert (retention.uncovered, retention.dropped) == ([], 4)
    assert retention.frontier == frontier(kept(written(), 4))


def test_a_later_range_covers_an_earlier_one_and_its_entry() -> None:
    entries = kept(behind(kept(written(), 4), LedgerDraft(at=NOON, kind="call", actor="gate")), 11)
    assert entries[10].kind == "retained"
    assert not read(dropped(entries, range(1, 12))).uncovered
    assert not read(dropped(kept(kept(written(), 4), 6), range(1, 7))).uncovered


def test_a_body_that_came_back_inside_of_a_range_does_no_harm() -> None:
    entries = kept(written(), 6)
    assert not read(dropped(entries, (1, 2, 4, 6))).uncovered
    assert read(dropped(entries, (1, 2, 4, 6))).dropped == 4


@pytest.mark.parametrize(
    ("last", "gone", "first", "count"),
    [
        pytest.param(None, (3,), 3, 1, id="no entry says so"),
        pytest.param(None, (9, 10), 9, 2, id="the last ones"),
        pytest.param(4, (1, 2, 3, 4, 5), 1, 5, id="one more than the entry says"),
        pytest.param(4, (1, 2, 3), 1, 3, id="one less, the root of which is not known"),
        pytest.param(4, (1, 2, 3, 4, 11), 11, 1, id="the entry itself"),
    ],
)
def test_what_no_entry_covers_is_told(last: int | None, gone: tuple[int, ...], first: int, count: int) -> None:
    entries = written() if last is None else kept(written(), last)
    runs = read(dropped(entries, gone)).uncovered
    assert sum(run.entries for run in runs) >= count
    assert first in {run.first for run in runs}
    if count == 1:
        assert runs[-1].reason == "its body is gone, and no retained entry covers it"
    else:
        assert runs[-1].reason == (
            f"the bodies of the entries {gone[0]} to {gone[-1]} are gone, and no retained entry covers them"
        )


def forged(entries: list[LedgerEntry], **data: object) -> list[LedgerEntry]:
    """With an entry that says something else than `kept` would of 1 to 4."""
    said = {"first": 1, "last": 4, "root": frontier(entries[:4]).root.hex(), **data}
    return behind(entries, LedgerDraft(at=NOON, kind="retained", actor="forger", data=said))  # type: ignore[arg-type]  # a test's


@pytest.mark.parametrize(
    "data",
    [
        {"root": "00" * 32},
        {"root": frontier(written()[:3]).root.hex()},
        {"root": None},
        {"first": 2},
        {"first": 0},
        {"last": 5},
        {"last": 10},
        {"last": "4"},
        {"more": 1},
    ],
    ids=str,
)
def test_an_entry_that_says_something_else_covers_nothing(data: dict[str, object]) -> None:
    assert read(dropped(forged(written()), range(1, 5))).uncovered == []
    assert [run.last for run in read(dropped(forged(written(), **data), range(1, 5))).uncovered] == [4]


def test_an_entry_whose_payload_is_none_covers_nothing() -> None:
    entries = kept(written(), 4)
    for payload in (b"[]", b'{"data":[]}', b"{"):
        broken = LedgerEntry(
            **{**{name: getattr(entries[-1], name) for name in entries[-1].__slots__}, "payload": payload}
        )
        assert len(read([*dropped(entries[:-1], range(1, 5)), broken]).uncovered) == 1


def test_an_entry_covers_nothing_that_stands_behind_it() -> None:
    entries = written()
    early = behind(entries[:4], retained(6, frontier(entries[:6]).root, at=NOON, actor="ops"))
    assert len(read(dropped([*early, *entries[5:]], (1, 2, 3, 4, 6))).uncovered) == 2


def test_a_hash_that_was_changed_in_a_range_uncovers_it() -> None:
    entries = dropped(kept(written(), 4), range(1, 5))
    broken = LedgerEntry(**{**{name: getattr(entries[1], name) for name in entries[1].__slots__}, "hash": bytes(32)})
    assert len(read([entries[0], broken, *entries[2:]]).uncovered) == 1


def test_of_many_runs_a_bounded_number_waits_and_none_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule, "_WAITING", 3)
    entries = written(count=20)
    retention = read(dropped(entries, range(1, 20, 2)))
    assert len(retention.uncovered) == 3
    assert sum(run.entries for run in retention.uncovered) == retention.dropped == 10
    assert (retention.uncovered[0].first, retention.uncovered[-1].last) == (1, 19)
    covered = read(dropped(kept(entries, 19), range(1, 20, 2)))
    assert not covered.uncovered


def test_two_runs_make_one_whose_end_is_the_later() -> None:
    one, other = DroppedRun(1, 4, 4, b"a"), DroppedRun(7, 9, 3, b"b")
    assert one.joined(other) == DroppedRun(1, 9, 7, b"b")


def test_nothing_read_is_a_tree_without_leaves() -> None:
    retention = Retention()
    retention.read([])
    assert (retention.frontier, retention.uncovered, retention.dropped) == (Frontier(), [], 0)


def test_a_dropped_entry_holds_in_its_place_alone() -> None:
    entries = dropped(written(), (2, 3))
    assert chain.verify(entries[0].head, entries[1:]) == entries[-1].head
    with pytest.raises(Exception, match="entry 3 stands in its place"):
        chain.verify(entries[0].head, entries[2:])
