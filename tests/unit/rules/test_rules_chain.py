import dataclasses
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.errors import InvalidValueError, LedgerBrokenError
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.ledger import JSON, Head, LedgerDraft, LedgerEntry, canonical_json, link
from apikeychain.rules import call_entries, chain
from outside import cases

ACME, OTHER = TenantId("acme"), TenantId("other")
PROJECT = ProjectId("p_" + "a" * 20)
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
Entries = list[LedgerEntry]


def written(tenant: TenantId = ACME, count: int = 10, start: int = 0) -> Entries:
    head, entries = Head.empty(tenant), []
    for number in range(count):
        entry = LedgerDraft(
            at=NOON + timedelta(seconds=number), kind="call", actor="gate", project=PROJECT, data={"n": start + number}
        ).behind(head)
        entries.append(entry)
        head = entry.head
    return entries


def broken(entries: Entries, tenant: TenantId = ACME) -> LedgerBrokenError:
    with pytest.raises(LedgerBrokenError) as caught:
        chain.verify(Head.empty(tenant), entries)
    assert caught.value.tenant == tenant
    return caught.value


def rewritten(entry: LedgerEntry, previous: bytes, payload: bytes) -> LedgerEntry:
    return dataclasses.replace(entry, payload=payload, hash=link(previous, payload))


def test_a_whole_chain_verifies_to_its_head() -> None:
    entries = written()
    assert chain.verify(Head.empty(ACME), entries) == entries[-1].head
    assert chain.verify(entries[3].head, entries[4:]) == entries[-1].head
    assert chain.verify(Head.empty(ACME), []) == Head.empty(ACME)


def test_the_chain_is_the_one_that_is_described() -> None:
    (entry,) = written(count=1)
    payload = (
        b'{"actor":"gate","at":"2026-01-02T12:00:00.000Z","data":{"n":0},"kind":"call",'
        b'"project":"p_aaaaaaaaaaaaaaaaaaaa","seq":1,"tenant":"acme","v":1}'
    )
    assert entry.payload == payload
    assert entry.hash == hashlib.sha256(hashlib.sha256(b"apikeychain/ledger/v1\0acme").digest() + payload).digest()


def a_call(**changes: Any) -> LedgerEntry:
    """The first entry of a chain, of a call as it is written; `changes` are of its data."""
    data = call_entries.call_data(
        call_entries.asked_data(
            route="weather",
            base_url="https://api.weather.example",
            path_template="/v1/{city}",
            method="GET",
            query=["q", "limit"],
            caller="0123456789abcdef0123456789abcdef",
        ),
        status=200,
        duration_ms=12,
        bytes_in=0,
        bytes_out=1024,
        answered="provider",
        refusal=None,
    )
    draft = LedgerDraft(at=NOON, kind="call", actor="gate", project=PROJECT, data={**data, **changes})
    return draft.behind(Head.empty(ACME))


def read_slowly(entry: LedgerEntry) -> str:
    """What is found where nothing is taken for plain."""
    return chain.payload_fault(entry)


@pytest.mark.parametrize(
    "changes", [{}, {"query": []}, {"caller": None}, {"refusal": "rate-limited"}, {"query": ["q"]}, {"intent": 7}]
)
def test_a_call_as_it_is_written_is_plain(changes: dict[str, Any]) -> None:
    assert chain._is_plain(a_call(**changes))
    assert chain._is_plain(dataclasses.replace(a_call(**changes), project=None)) is False


@pytest.mark.parametrize(
    ("column", "value"),
    [("seq", "1"), ("seq", True), ("seq", 1.0), ("actor", b"gate"), ("tenant", b"acme"), ("project", b"p")],
)
def test_a_column_of_another_type_is_not_plain(column: str, value: object) -> None:
    entry = dataclasses.replace(a_call(), **{column: value})  # type: ignore[arg-type]  # what a database may hold
    assert not chain._is_plain(entry)
    assert read_slowly(entry)


def test_a_call_without_a_project_is_plain_where_its_column_says_so() -> None:
    entry = dataclasses.replace(a_call(), project=None)
    assert chain._is_plain(
        dataclasses.replace(
            entry, payload=entry.payload.replace(b'"project":"%s"' % PROJECT.encode(), b'"project":null')
        )
    )


def an_intent(bytes_in: int | None = 0) -> LedgerEntry:
    """The first entry of a chain, of what a call is about to do as it is written."""
    data = call_entries.intent_data(
        call_entries.asked_data(
            route="weather",
            base_url="https://api.weather.example",
            path_template="/v1/{city}",
            method="GET",
            query=["q", "limit"],
            caller="0123456789abcdef0123456789abcdef",
        ),
        bytes_in=bytes_in,
    )
    draft = LedgerDraft(at=NOON, kind="intent", actor="gate", project=PROJECT, data=data)
    return draft.behind(Head.empty(ACME))


@pytest.mark.parametrize("bytes_in", [0, 12, None])
def test_an_intent_as_it_is_written_is_plain_and_of_no_other_kind(bytes_in: int | None) -> None:
    entry = an_intent(bytes_in)
    assert chain._is_plain(entry)
    assert read_slowly(entry) == ""
    assert not chain._is_plain(dataclasses.replace(entry, kind="call"))
    assert not chain._is_plain(dataclasses.replace(a_call(), kind="intent"))
    assert json.loads(entry.payload)["data"]["bytes_in"] == bytes_in


def test_an_outcome_is_the_entry_of_its_call_and_names_the_intent() -> None:
    draft = LedgerDraft(at=NOON, kind="call", actor="gate", project=PROJECT, data=call())
    assert call_entries.outcome_of(7, draft) == dataclasses.replace(draft, data=call() | {"intent": 7})
    assert "intent" not in draft.data


COLUMNS = st.one_of(
    st.tuples(st.just("seq"), st.sampled_from([1.0, True, "1", 2, None])),
    st.tuples(
        st.sampled_from(["actor", "tenant", "project"]), st.sampled_from(['a" "b', "gate", "\ud800", "?", 5, None])
    ),
    st.tuples(st.just("kind"), st.sampled_from(["gap", "call ", None])),
    st.tuples(st.just("at"), st.sampled_from([NOON + timedelta(microseconds=1), NOON.replace(tzinfo=None)])),
)
PIECES = st.sampled_from(
    [
        b"",
        b'"',
        b"\\",
        b"\\u0041",
        b"\xc3\xa4",
        b"\xff",
        b"0",
        b"1",
        b"-",
        b".5",
        b"e9",
        b" ",
        b"\n",
        b",",
        b"{}",
        b"null",
    ]
)


@given(
    entry=st.sampled_from([a_call(), a_call(intent=7), an_intent(), an_intent(None)]),
    place=st.integers(0, 600),
    gone=st.integers(0, 12),
    piece=PIECES,
    column=st.none() | COLUMNS,
)
def test_what_is_plain_is_what_is_found_without_a_fault(
    entry: LedgerEntry, place: int, gone: int, piece: bytes, column: tuple[str, Any] | None
) -> None:
    payload = entry.payload[:place] + piece + entry.payload[place + gone :]
    entry = dataclasses.replace(entry, payload=payload, **({column[0]: column[1]} if column else {}))
    if chain._is_plain(entry):
        assert read_slowly(entry) == ""


@pytest.mark.parametrize("number", [b"10000000000000000", b"01", b"-1", b"1.0", b"1e3"])
def test_a_number_that_no_entry_says_is_not_plain(number: bytes) -> None:
    entry = a_call()
    changed = entry.payload.replace(b'"bytes_out":1024', b'"bytes_out":' + number)
    assert not chain._is_plain(dataclasses.replace(entry, payload=changed))


OTHER_COLUMNS: dict[str, Any] = {
    "at": NOON + timedelta(minutes=1, microseconds=1),
    "kind": "refusals",
    "actor": "somebody",
    "project": None,
}


@pytest.mark.parametrize("name", OTHER_COLUMNS)
def test_a_column_that_differs_from_the_payload_is_named(name: str) -> None:
    entries = written()
    entries[4] = dataclasses.replace(entries[4], **{name: OTHER_COLUMNS[name]})
    error = broken(entries)
    assert (error.seq, error.reason) == (5, f"stored beside the payload and different from it: {name}")


@pytest.mark.parametrize("at", [NOON.replace(tzinfo=None), NOON + timedelta(microseconds=1)])
def test_a_moment_that_no_payload_can_say_is_found(at: datetime) -> None:
    entries = written()
    entries[0] = dataclasses.replace(entries[0], at=at)
    assert broken(entries).seq == 1


@pytest.mark.parametrize(
    ("change", "seq", "reason"),
    [
        (lambda entries: entries.pop(4), 5, "entry 6 stands in its place"),
        (lambda entries: entries.pop(0), 1, "entry 2 stands in its place"),
        (lambda entries: entries.insert(5, entries[4]), 6, "entry 5 stands in its place"),
        (lambda entries: entries.insert(4, entries.pop(5)), 5, "entry 6 stands in its place"),
        (lambda entries: entries.__setitem__(4, written(OTHER)[4]), 5, "it belongs to 'other'"),
        (lambda entries: entries.__setitem__(4, written(start=9)[4]), 5, "its hash does not link"),
    ],
    ids=["middle gone", "first gone", "twice", "swapped", "of another tenant", "of another chain"],
)
def test_the_first_broken_entry_is_told_with_its_reason(
    change: Callable[[Entries], object], seq: int, reason: str
) -> None:
    entries = written()
    change(entries)
    error = broken(entries)
    assert error.seq == seq
    assert error.reason.startswith(reason)


def members(**changes: JSON) -> dict[str, JSON]:
    payload: dict[str, JSON] = json.loads(written(count=1)[0].payload)
    return payload | changes


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "its payload is not canonical JSON"),
        (b"\xff", "its payload is not canonical JSON"),
        (b"[]", "its payload is not canonical JSON"),
        (b"[" * 100_000, "its payload is not canonical JSON"),
        (canonical_json(members()) + b"\n", "its payload is not canonical JSON"),
        (json.dumps(members()).encode(), "its payload is not canonical JSON"),
        (canonical_json(members()).replace(b'"n":0', b'"n":0.0'), "its payload is not canonical JSON"),
        (canonical_json(members()).replace(b'"n":0', b'"n":NaN'), "its payload is not canonical JSON"),
        (canonical_json(members()).replace(b'"n":0', b'"n":0,"n":0'), "its payload is not canonical JSON"),
        (canonical_json(members(data={"n": 1 << 53})), "its payload is not canonical JSON"),
        (canonical_json(members()).replace(b'"n":0', rb'"n":"\ud800"'), "its payload is not canonical JSON"),
        (canonical_json(members(v=2)), "its version is unknown: 2"),
        (canonical_json(members(v=True)), "its version is unknown: True"),
        (canonical_json(members(extra=1)), "its payload has other members than version 1"),
        (canonical_json(members(data=[])), "its payload has other members than version 1"),
        (canonical_json({"v": 1}), "its payload has other members than version 1"),
        (canonical_json(members(seq=True)), "stored beside the payload and different from it: seq"),
        (canonical_json(members(tenant="other")), "stored beside the payload and different from it: tenant"),
        (
            canonical_json(members(actor="x", project=None)),
            "stored beside the payload and different from it: actor, project",
        ),
    ],
    ids=range(19),
)
def test_a_payload_that_was_linked_again_must_still_be_one(payload: bytes, reason: str) -> None:
    entries = written(count=1)
    entries[0] = rewritten(entries[0], Head.empty(ACME).hash, payload)
    error = broken(entries)
    assert (error.seq, error.reason) == (1, reason)


@pytest.mark.parametrize(
    ("name", "value"),
    [("payload", "{}"), ("payload", None), ("hash", "0" * 64), ("seq", 1.0), ("kind", b"call")],
)
def test_a_column_of_another_type_is_found(name: str, value: object) -> None:
    changes: dict[str, Any] = {name: value}
    assert broken([dataclasses.replace(written(count=1)[0], **changes)]).seq == 1


def test_an_unknown_kind_is_found() -> None:
    entry = LedgerDraft(at=NOON, kind="call.made", actor="gate").behind(Head.empty(ACME))
    assert broken([entry]).reason == "its kind is unknown: 'call.made'"


DIGITS = st.integers(0, 9)


@given(place=DIGITS, name=st.sampled_from(["payload", "hash"]), bit=st.integers(0, 7), where=st.integers(0, 10_000))
def test_any_changed_bit_is_found_where_it_is(place: int, name: str, bit: int, where: int) -> None:
    entries = written()
    changed = bytearray(getattr(entries[place], name))
    changed[where % len(changed)] ^= 1 << bit
    changes: dict[str, Any] = {name: bytes(changed)}
    entries[place] = dataclasses.replace(entries[place], **changes)
    assert broken(entries).seq == place + 1


@given(place=DIGITS, seq=st.integers(-5, 50), tenant=st.text(max_size=5), actor=st.text(max_size=5))
def test_any_changed_column_is_found_where_it_is(place: int, seq: int, tenant: str, actor: str) -> None:
    changes: list[dict[str, Any]] = [{"seq": seq}, {"tenant": tenant}, {"actor": actor}]
    for change in changes:
        entries = written()
        changed = dataclasses.replace(entries[place], **change)
        if changed != entries[place]:
            entries[place] = changed
            assert broken(entries).seq == place + 1


@given(order=st.permutations(range(10)))
def test_any_other_order_is_found_at_the_first_that_moved(order: list[int]) -> None:
    entries = written()
    moved = [place for place, number in enumerate(order) if place != number]
    if moved:
        assert broken([entries[number] for number in order]).seq == moved[0] + 1


@given(gone=st.sets(DIGITS, min_size=1))
def test_any_deletion_before_the_last_entry_is_found(gone: set[int]) -> None:
    entries = [entry for place, entry in enumerate(written()) if place not in gone]
    first = min(gone)
    if len(entries) > first:
        assert broken(entries).seq == first + 1
    else:
        assert chain.verify(Head.empty(ACME), entries).size == first


JSON_VALUES: st.SearchStrategy[JSON] = st.recursive(
    st.none() | st.booleans() | st.integers(1 - (1 << 53), (1 << 53) - 1) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(data=st.dictionaries(st.text(max_size=5), JSON_VALUES, max_size=4))
def test_what_an_admin_entry_takes_stands_in_the_chain_as_rfc_8785_has_it(data: dict[str, JSON]) -> None:
    try:
        draft = chain.admin("secret.put", at=NOON, actor="key-7", project=PROJECT, data=data)
    except InvalidValueError:
        assert any(ord(character) > 0xFFFF for character in json.dumps(data, ensure_ascii=False))
        return
    entry = draft.behind(Head.empty(ACME))
    assert entry.payload == rfc8785.dumps(json.loads(entry.payload))
    assert json.loads(entry.payload)["data"] == data
    assert chain.verify(Head.empty(ACME), [entry]) == entry.head


@pytest.mark.parametrize("kind", sorted(chain.ADMIN_KINDS))
def test_every_kind_of_admin_entry_is_a_noun_and_a_past_verb(kind: str) -> None:
    noun, verb = kind.split(".")
    assert noun.replace("-", "").isalpha()
    assert verb.endswith("ed") or verb in {"put", "made"}
    entry = chain.admin(kind, at=NOON, actor="a").behind(Head.empty(ACME))
    assert chain.verify(Head.empty(ACME), [entry]).size == 1


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"kind": "call"}, "not a kind of admin entry: 'call'"),
        ({"kind": "tenant.create"}, "not a kind"),
        ({"at": NOON.replace(tzinfo=None)}, "time zone"),
        ({"actor": ""}, "opaque label"),
        ({"actor": "a" * 129}, "opaque label"),
        ({"actor": "ann@example.com"}, "opaque label"),
        ({"actor": "a\nb"}, "opaque label"),
        ({"actor": "\ud800"}, "opaque label"),
        ({"data": {"n": 1.0}}, "no float"),
        ({"data": {"n": [1, {"m": 1.5}]}}, "no float"),
        ({"data": {"n": b"x"}}, "no bytes"),
        ({"data": {"n": 1 << 53}}, "below 2\\^53"),
        ({"data": {"n": -(1 << 53)}}, "below 2\\^53"),
        ({"data": {"n": "\udcff"}}, "lone surrogates"),
        ({"data": {"\udcff": 1}}, "lone surrogates"),
        ({"data": {"\U0001f600": 1}}, "Basic Multilingual Plane"),
        ({"data": {1: 1}}, "Basic Multilingual Plane"),
    ],
)
def test_an_admin_entry_that_the_chain_cannot_hold_is_refused(changes: dict[str, Any], text: str) -> None:
    arguments: dict[str, Any] = {"kind": "project.changed", "at": NOON, "actor": "a", **changes}
    with pytest.raises(InvalidValueError, match=text):
        chain.admin(arguments.pop("kind"), **arguments)


def test_the_longest_actor_and_the_largest_integers_are_taken() -> None:
    largest = (1 << 53) - 1
    draft = chain.admin("project.changed", at=NOON, actor="a" * 128, data={"n": [largest, -largest, True]})
    assert draft.data == {"n": [largest, -largest, True]}


def call(**changes: Any) -> dict[str, JSON]:
    arguments: dict[str, Any] = {
        "route": "chat",
        "base_url": "https://api.example.com/v1",
        "path_template": "/models/{model}",
        "method": "POST",
        "status": 200,
        "duration_ms": 12,
        "bytes_in": 3,
        "bytes_out": 4,
        "answered": "provider",
        "refusal": None,
        "query": ["b", "a", "b"],
        "caller": "0" * 32,
        **changes,
    }
    asked = {name: arguments.pop(name) for name in ("route", "base_url", "path_template", "method", "query", "caller")}
    return call_entries.call_data(call_entries.asked_data(**asked), **arguments)


def test_a_call_entry_says_what_happened_and_no_value() -> None:
    assert call() == {
        "route": "chat",
        "base_url": "https://api.example.com/v1",
        "path": "/models/{model}",
        "method": "POST",
        "status": 200,
        "duration_ms": 12,
        "bytes_in": 3,
        "bytes_out": 4,
        "answered": "provider",
        "refusal": None,
        "query": ["a", "b"],
        "caller": "0" * 32,
        "country": None,
    }


def test_a_call_entry_says_in_which_country_the_caller_is() -> None:
    assert call(country="DE") == {**call(), "country": "DE"}
    assert chain._is_plain(a_call(country="DE"))


@given(names=st.lists(st.text(st.characters(codec=None), max_size=100), max_size=80), count=st.integers(0, 1 << 70))
def test_a_call_entry_fits_the_chain_whatever_the_caller_sent(names: list[str], count: int) -> None:
    data = call(query=names, duration_ms=count, bytes_in=count, bytes_out=count)
    entry = LedgerDraft(at=NOON, kind="call", actor="gate", data=data).behind(Head.empty(ACME))
    assert chain.verify(Head.empty(ACME), [entry]) == entry.head
    kept = data["query"]
    assert isinstance(kept, list)
    assert len(kept) <= 64
    assert all(isinstance(name, str) and len(name) <= 64 for name in kept)


def test_a_pseudonym_is_half_an_hmac_of_the_address() -> None:
    key = bytes(range(32))
    whole = hmac.new(key, b"203.0.113.9", hashlib.sha256).hexdigest()
    assert chain.pseudonym(key, "203.0.113.9") == whole[:32]
    assert chain.pseudonym(key, "203.0.113.8") != whole[:32]
    assert chain.pseudonym(bytes(32), "203.0.113.9") != whole[:32]


# What is done to a log of ten good entries: case file "audit_chain_attacks".


def _edit(entries: Entries, place: int, name: str, value: Any) -> int:
    if name == "payload":
        payload = json.dumps(value, ensure_ascii=False).encode()
        entries[place] = dataclasses.replace(entries[place], payload=payload)
    else:
        assert name == "ts"
        entries[place] = dataclasses.replace(entries[place], at=datetime.fromtimestamp(value, UTC))
    return place + 1


def _delete(entries: Entries, place: int) -> int:
    del entries[place]
    return place + 1


def _insert(entries: Entries, place: int) -> int:
    forged = LedgerDraft(at=NOON, kind="call", actor="forger").behind(entries[place - 1].head)
    entries.insert(place, forged)
    return place + 2


def _duplicate(entries: Entries, place: int) -> int:
    entries.insert(place, entries[place])
    return place + 2


def _splice(entries: Entries, place: int) -> int:
    entries[place] = written(OTHER)[place]
    return place + 1


def _drop_and_restart(entries: Entries, count: int) -> int:
    entries[:] = entries[:count] + written(count=3)
    return count + 1


def _shift_fields(entries: Entries) -> int:
    entry = entries[5]
    shifted = canonical_json(json.loads(entry.payload) | {"actor": "gatec", "kind": "all"})
    entries[5] = dataclasses.replace(entry, actor="gatec", kind="all", payload=shifted)
    return 6


ATTACKS: dict[str, Callable[..., int]] = {
    "edit": _edit,
    "delete": _delete,
    "insert": _insert,
    "dup": _duplicate,
    "splice": _splice,
    "drop_and_restart": _drop_and_restart,
    "field_shift": _shift_fields,
}
NEED_A_HEAD_KEPT_ELSEWHERE = {
    "edit_rehash_tail": "everything behind the edit was written anew and holds by itself",
    "swap_rehash": "likewise behind the swap",
    "replace_all_and_anchor": "the whole chain was written anew",
    "anchor_missing": "there is no anchor yet that could be missing",
    "eatmydata": "a cut tail leaves a shorter chain that holds",
}
ABOUT_ANOTHER_ROOM = {
    "nested_entry": "below",
    "surrogate": "below",
    "same_ts": "below",
    "guc_formats": "the PostgreSQL store",
    "two_tenants": "the store",
    "verify_during_append": "the store",
    "pg_kill": "the PostgreSQL store",
    "audit_down": "the pipeline",
    "audit_hang": "the ledger",
    "completeness": "the pipeline",
    "sql_privs": "the PostgreSQL store",
    "big": "the ledger",
}


@pytest.mark.parametrize(
    "case",
    [case for case in cases("audit_chain_attacks") if case["op"][0] in ATTACKS],
    ids=lambda case: case["id"],
)
def test_an_attack_on_the_stored_log_is_found(case: dict[str, Any]) -> None:
    operation, *arguments = case["op"]
    entries = written()
    seq = ATTACKS[operation](entries, *arguments)
    assert case["expect"] == "detected"
    assert broken(entries).seq == seq


@pytest.mark.parametrize("case", cases("audit_chain_attacks"), ids=lambda case: case["id"])
def test_no_attack_is_forgotten(case: dict[str, Any]) -> None:
    assert case["op"][0] in {*ATTACKS, *NEED_A_HEAD_KEPT_ELSEWHERE, *ABOUT_ANOTHER_ROOM}


def test_a_payload_that_looks_like_an_entry_is_one_entry() -> None:
    inner = written(count=1)[0].payload.decode()
    entry = chain.admin("project.changed", at=NOON, actor="a", data={"name": inner + "\n" + inner}).behind(
        Head.empty(ACME)
    )
    assert chain.verify(Head.empty(ACME), [entry]).size == 1


def test_two_entries_of_one_moment_stand_in_the_order_of_their_numbers() -> None:
    first = LedgerDraft(at=NOON, kind="call", actor="a").behind(Head.empty(ACME))
    second = LedgerDraft(at=NOON, kind="call", actor="a").behind(first.head)
    assert chain.verify(Head.empty(ACME), [first, second]).size == 2
    assert broken([second, first]).seq == 1
