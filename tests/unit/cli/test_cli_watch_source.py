"""A replay reads calls from a ledger or from its export, of one project, of the time that was asked for."""

import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from apikeychain.backends.memory_store import MemoryStore
from apikeychain.cli.ledger_export import line_of
from apikeychain.cli.watch_source import Span, calls_of_file, calls_of_ledger, first_of
from apikeychain.errors import InvalidValueError
from apikeychain.keychain import APIKeyChain
from apikeychain.model.ids import ProjectId
from apikeychain.model.ledger import JSON, Head, LedgerDraft, LedgerEntry, chained, timestamp
from apikeychain.rules.recorded import RecordedCall
from apikeychain.tenants.ledger_verbs import LedgerVerbs
from ledger_house import ACME, NOON, PROJECT

_OTHER = ProjectId("p_" + "b" * 20)
_MINUTE = timedelta(minutes=1)
_EVERY = Span()


def refused(minute: int, project: ProjectId = PROJECT) -> LedgerDraft:
    """What is told of a call that was refused in that minute."""
    at = NOON + minute * _MINUTE
    data: dict[str, JSON] = {"code": "origin-refused", "count": 1, "since": timestamp(at)}
    return LedgerDraft(at=at, kind="refusals", actor="gate", project=project, data=data)


def other(minute: int) -> LedgerDraft:
    return LedgerDraft(at=NOON + minute * _MINUTE, kind="project.enabled", actor="x", project=PROJECT)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.jsonl"


def export(path: Path, *drafts: LedgerDraft) -> list[LedgerEntry]:
    entries = chained(Head.empty(ACME), drafts)
    path.write_bytes(b"".join(line_of(entry) for entry in entries))
    return entries


def minutes(calls: Iterable[RecordedCall]) -> list[int]:
    return [(call.at - NOON) // _MINUTE for call in calls]


def read(path: Path, project: str | None = None, span: Span = _EVERY) -> list[int]:
    """The minutes of the calls that a file tells of."""
    return minutes(calls_of_file(path, project, span, lambda _: None))


def test_a_file_tells_of_the_calls_of_its_project(path: Path) -> None:
    export(path, other(0), refused(1), other(2), refused(3))
    assert read(path) == read(path, PROJECT) == [1, 3]
    assert read(path, _OTHER) == []


def test_of_several_projects_one_is_to_be_said(path: Path) -> None:
    export(path, refused(1), refused(2, _OTHER), refused(3))
    assert (read(path, PROJECT), read(path, _OTHER)) == ([1, 3], [2])
    with pytest.raises(InvalidValueError, match=f"several projects: say which, like {PROJECT} or {_OTHER}"):
        read(path)


def test_an_export_with_proofs_tells_the_same(path: Path) -> None:
    entries = export(path, refused(1), refused(2))
    lines = [json.dumps({"payload": entry.payload.decode(), "previous": "", "path": []}) for entry in entries]
    path.write_text("\n".join([json.dumps({"format": "apikeychain/proofs/v1", "checkpoint": {}}), *lines, ""]))
    assert read(path) == [1, 2]


def test_an_entry_that_was_dropped_or_is_no_text_tells_of_nothing(path: Path) -> None:
    first, second = export(path, refused(1), refused(2))
    path.write_bytes(line_of(first.dropped()) + line_of(replace(second, payload=b"\xff")) + line_of(second))
    assert read(path) == [2]


def test_only_calls_of_the_time_that_was_asked_for_are_read(path: Path) -> None:
    export(path, *(refused(minute) for minute in range(5)))
    assert read(path, span=Span(since=NOON + _MINUTE, until=NOON + 3 * _MINUTE)) == [1, 2]


def test_how_far_a_file_was_read_is_told_now_and_then(path: Path) -> None:
    export(path, *(refused(minute) for minute in range(2_500)))
    told: list[int] = []
    assert len(list(calls_of_file(path, None, _EVERY, told.append))) == 2_500
    assert len(told) == 2
    assert 0 < told[0] < told[1] <= path.stat().st_size


@pytest.mark.parametrize(
    "content",
    [
        b"the minutes of a meeting\n",
        b"[]\n",
        b"7\n",
        b"{}\n",
        b'{"payload_base64":7}\n',
        b'{"payload":"\\ud800"}\n',
        b"\xff\n",
        b'{"payload":"cut',
        b"[" * 100_000 + b"\n",
    ],
)
def test_what_is_no_export_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(InvalidValueError, match="is no export of a ledger"):
        read(path)


def test_a_head_stands_in_the_first_line_alone(path: Path) -> None:
    export(path, refused(1))
    with path.open("ab") as file:
        file.write(b'{"checkpoint":{}}\n')
    with pytest.raises(InvalidValueError, match="line 2 holds no entry"):
        read(path)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match="cannot be read: No such file or directory"):
        read(tmp_path / "none")


@pytest.fixture
async def ledger() -> AsyncIterator[LedgerVerbs]:
    """Of five calls a minute apart, each behind something else, and one of another project."""
    store = MemoryStore()
    async with APIKeyChain.in_memory(store=store) as keychain:
        drafts = [draft for minute in range(0, 10, 2) for draft in (other(minute), refused(minute))]
        await keychain.ensure_tenant("acme")
        before = len(await (await keychain.ledger("acme")).entries())
        await store.append_many({ACME: [*drafts, refused(10, _OTHER)]})
        assert before == 1
        yield await keychain.ledger("acme")


async def read_ledger(ledger: LedgerVerbs, span: Span = _EVERY, begin: int = 0) -> tuple[list[int], list[int]]:
    told: list[int] = []
    found = minutes([call async for call in calls_of_ledger(ledger, PROJECT, span, told.append, begin)])
    return found, told


async def test_a_ledger_tells_of_the_calls_of_a_project(ledger: LedgerVerbs) -> None:
    assert await read_ledger(ledger) == ([0, 2, 4, 6, 8], [12])
    assert (await read_ledger(ledger, Span(since=NOON + 3 * _MINUTE, until=NOON + 8 * _MINUTE)))[0] == [4, 6]


async def test_where_a_time_begins_is_found_by_halving(ledger: LedgerVerbs) -> None:
    assert await first_of(ledger, None, 12) == 0
    # Its own entry of the tenant is of today.
    begin = await first_of(ledger, NOON + timedelta(minutes=35), 12)
    assert (await read_ledger(ledger, begin=begin))[0] == [6, 8]
    assert await first_of(ledger, NOON + timedelta(days=400), 12) == 12
