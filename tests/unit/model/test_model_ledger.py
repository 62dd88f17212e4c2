import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.ledger import JSON, Head, LedgerDraft, canonical_json, link, timestamp

ACME = TenantId("acme")
NOON = datetime(2026, 1, 2, 12, 0, 0, 123_999, tzinfo=UTC)


def test_each_tenant_has_a_beginning_of_its_own() -> None:
    assert Head.empty(ACME).hash != Head.empty(TenantId("acme2")).hash
    assert Head.empty(ACME).size == 0
    assert len(Head.empty(ACME).hash) == 32


def test_a_draft_becomes_the_next_entry_behind_a_head() -> None:
    first = LedgerDraft(at=NOON, kind="call", actor="gate").behind(Head.empty(ACME))
    second = LedgerDraft(at=NOON, kind="call", actor="gate").behind(first.head)
    assert (first.seq, second.seq) == (1, 2)
    assert second.hash == link(first.hash, second.payload)
    assert second.head == Head(ACME, 2, second.hash)


def test_the_stored_moment_is_the_one_of_the_payload() -> None:
    there = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    entry = LedgerDraft(at=there, kind="call", actor="gate").behind(Head.empty(ACME))
    assert json.loads(entry.payload)["at"] == "2026-01-02T12:00:00.123Z"
    assert entry.at == datetime.fromisoformat("2026-01-02T12:00:00.123Z")
    assert entry.at.tzinfo is UTC


@given(st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - a bound without a zone
def test_a_timestamp_can_be_read_back_to_the_millisecond(moment: datetime) -> None:
    text = timestamp(moment)
    assert len(text) == 24
    assert timedelta() <= moment - datetime.fromisoformat(text) < timedelta(milliseconds=1)


PLANE = st.text(st.characters(codec="utf-8", max_codepoint=0xFFFF), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(1 - (1 << 53), (1 << 53) - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(PLANE, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_canonical_json_is_that_of_rfc_8785(value: None | bool | int | str | list[object]) -> None:  # noqa: RUF036 - as JSON has them
    assert canonical_json(value) == rfc8785.dumps(value)  # type: ignore[arg-type]  # both take any JSON


@given(
    data=st.dictionaries(PLANE, VALUES, max_size=4),
    kind=st.text(max_size=8),
    actor=st.text(max_size=8),
    project=st.none() | st.text(max_size=8),
    size=st.integers(0, (1 << 53) - 2),
)
def test_a_payload_is_the_canonical_json_of_all_that_an_entry_says(
    data: dict[str, JSON], kind: str, actor: str, project: ProjectId | None, size: int
) -> None:
    draft = LedgerDraft(at=NOON, kind=kind, actor=actor, project=project, data=data)
    members = {"v": 1, "tenant": "acme", "seq": size + 1, "at": timestamp(NOON), "kind": kind, "actor": actor}
    said: Any = members | {"project": project, "data": data}
    assert draft.behind(Head(ACME, size, bytes(32))).payload == rfc8785.dumps(said)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_canonical_json_refuses_what_json_has_not(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json([value])  # type: ignore[list-item]  # the mistake under test
