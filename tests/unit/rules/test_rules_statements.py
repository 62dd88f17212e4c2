"""What an entry says of itself, and the next one of it."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head, LedgerDraft, LedgerEntry
from apikeychain.rules.statements import Said, is_behind, place_of, said_by, with_bytes

ACME = TenantId("acme")


def entry(head: Head | None = None) -> LedgerEntry:
    draft = LedgerDraft(at=datetime(2026, 1, 2, tzinfo=UTC), kind="gap", actor="gate")
    return draft.behind(head or Head.empty(ACME))


def test_an_entry_says_whose_it_is_and_where_its_place_is() -> None:
    assert said_by(entry()) == Said("acme", 1)
    for payload in (b"", b"[]", b"{}", b'{"seq":0,"tenant":5}', b'{"seq":true}', b'{"seq":1.0}', b'{"seq":"1"}'):
        assert said_by(replace(entry(), payload=payload)) == Said("", None)


def test_the_next_one_says_what_it_was_written_behind() -> None:
    first = entry()
    second = entry(first.head)
    assert (is_behind(second, first.hash), is_behind(second, bytes(32)), place_of(second)) == (True, False, 2)
    assert (is_behind(first.head, first.hash), is_behind(first.head, bytes(32)), place_of(first.head)) == (
        True,
        False,
        2,
    )
    assert (is_behind(None, first.hash), place_of(None)) == (False, None)


def test_what_is_no_bytes_is_nothing() -> None:
    whole = entry()
    text: Any = "text"  # what a database without column types may give
    assert with_bytes(whole) is whole
    assert with_bytes(replace(whole, payload=text)) == replace(whole, payload=b"", hash=b"")
    assert with_bytes(replace(whole, hash=text)) == replace(whole, hash=b"")
