"""The audit chain to the last kind and limit."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from apikeychain.errors import InvalidValueError, LedgerBrokenError
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.ledger import Head, LedgerDraft, LedgerEntry, link
from apikeychain.rules import call_entries, chain

ACME = TenantId("acme")
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def _entry() -> LedgerEntry:
    return LedgerDraft(at=NOON, kind="call", actor="gate", project=None, data={"n": 1}).behind(Head.empty(ACME))


def _linked(payload: bytes) -> LedgerEntry:
    return replace(_entry(), payload=payload, hash=link(Head.empty(ACME).hash, payload))


def _fault(entry: LedgerEntry) -> str:
    with pytest.raises(LedgerBrokenError) as broken:
        chain.verify(Head.empty(ACME), [entry])
    return str(broken.value)


def test_these_are_the_kinds_and_no_others() -> None:
    nouns = {
        "tenant": "created changed removed erased",
        "project": "created enabled disabled changed removed",
        "origin": "allowed removed",
        "provider": "registered changed removed",
        "route": "added changed enabled disabled removed",
        "secret": "put removed",
        "signing-key": "added replaced retired",
        "suspension": "created changed removed",
        "key": "created rotated rewrapped retired turned",
        "tenant-secret": "turned",
        "rotation": "added changed paused resumed removed ordered reminded started created verified switched revoked "
        "refused failed",
        "checkpoint-key": "made rotated",
        "watch": "changed noticed tightened relaxed",
        "asset": "put reverted removed damaged",
    }
    admin = {f"{noun}.{verb}" for noun, verbs in nouns.items() for verb in verbs.split()}
    assert admin == chain.ADMIN_KINDS
    assert admin | {"intent", "call", "refusals", "gap", "retained"} == chain.KINDS
    assert chain.PLATFORM == "platform"


def test_a_payload_of_another_type_is_named() -> None:
    payload: Any = "text"  # what a database without column types may give
    assert _fault(replace(_entry(), payload=payload)).endswith("its payload is no bytes")


@pytest.mark.parametrize("number", [b"1.0", b"1e1", b"NaN", b"Infinity", b"-0.5"])
def test_a_payload_holds_integers_only(number: bytes) -> None:
    payload = _entry().payload.replace(b'"n":1', b'"n":' + number)
    assert _fault(_linked(payload)).endswith("its payload is not canonical JSON")


@pytest.mark.parametrize("microsecond", [1, 999, 1001, 999_999])
def test_a_moment_is_as_exact_as_a_millisecond(microsecond: int) -> None:
    entry = _entry()
    odd = replace(entry, at=entry.at.replace(microsecond=microsecond))
    assert _fault(odd).endswith("different from it: at")


@pytest.mark.parametrize("microsecond", [1000, 998_000, 999_000])
def test_every_millisecond_is_a_moment(microsecond: int) -> None:
    draft = LedgerDraft(at=NOON.replace(microsecond=microsecond), kind="call", actor="gate", project=None, data={})
    entry = draft.behind(Head.empty(ACME))
    assert chain.verify(Head.empty(ACME), [entry]) == entry.head


def _refusal(**changes: Any) -> str:  # whatever a management verb may hand on
    arguments: dict[str, Any] = {"kind": "project.created", "at": NOON, "actor": "ops"} | changes
    with pytest.raises(InvalidValueError) as refused:
        chain.admin(arguments.pop("kind"), **arguments)
    return str(refused.value)


def test_what_the_chain_cannot_hold_is_told_why() -> None:
    actor = "an actor is an opaque label of 1 to 128 printable characters without '@'"
    assert _refusal(kind="call") == "not a kind of admin entry: 'call'"
    assert _refusal(at=NOON.replace(tzinfo=None)) == "the moment of an entry needs a time zone"
    for wrong in ("", "a" * 129, "a@b", "a\n"):
        assert _refusal(actor=wrong) == actor
    assert chain.admin("project.created", at=NOON, actor="a" * 128).actor == "a" * 128


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("a\ud800", "an entry holds no lone surrogates"),
        ("\udfffz", "an entry holds no lone surrogates"),
        (1 << 53, "an entry holds integers below 2^53 only"),
        (-(1 << 53), "an entry holds integers below 2^53 only"),
        (1.5, "an entry holds no float"),
        (b"x", "an entry holds no bytes"),
        ({1: "x"}, "the names in an entry are text of the Basic Multilingual Plane"),
        ({"\U00010000": "x"}, "the names in an entry are text of the Basic Multilingual Plane"),
        ({"\U0010ffff": "x"}, "the names in an entry are text of the Basic Multilingual Plane"),
        ({"\ud800": "x"}, "an entry holds no lone surrogates"),
        ([1, [1.5]], "an entry holds no float"),
    ],
)
def test_a_value_that_cannot_stand_in_a_payload_is_told_why(value: object, told: str) -> None:
    assert _refusal(data={"a": 1, "b": value}) == told


@pytest.mark.parametrize(
    "value", [(1 << 53) - 1, 1 - (1 << 53), "\ud7ff\ue000\U0010ffff", {"\uffff": [None, True, {}]}, []]
)
def test_a_value_at_the_limit_stands_in_a_payload(value: Any) -> None:  # any JSON
    assert chain.admin("project.created", at=NOON, actor="ops", data={"a": value}).data == {"a": value}


def test_a_call_keeps_64_names_of_64_characters_and_numbers_that_fit() -> None:
    largest = (1 << 53) - 1
    data = call_entries.call_data(
        call_entries.asked_data(
            route="weather",
            base_url="https://a.example",
            path_template="/v1",
            method="GET",
            query=[*(f"{number:03}" for number in reversed(range(70))), "0" * 65, "\ud800"],
            caller=None,
        ),
        status=200,
        duration_ms=largest + 1,
        bytes_in=largest + 2,
        bytes_out=largest,
        answered="gate",
        refusal="origin-refused",
    )
    assert data["query"] == sorted(["0" * 64, *(f"{number:03}" for number in range(63))])
    assert {data[name] for name in ("duration_ms", "bytes_in", "bytes_out")} == {largest}
    assert (data["answered"], data["refusal"], data["country"]) == ("gate", "origin-refused", None)
    assert chain.pseudonym(b"key", "\ud800") != chain.pseudonym(b"key", "?")


def test_an_admin_entry_says_in_which_project_it_was_done() -> None:
    project = ProjectId("p_" + "a" * 20)
    assert chain.admin("route.added", at=NOON, actor="ops", project=project).project == project
    assert chain.admin("tenant.created", at=NOON, actor="ops").project is None
