"""Per tenant, what comes of a group that was not written."""

import logging

import pytest

from apikeychain.errors import BackendUnavailableError, DamagedDataError, DoesNotExistError, LedgerUnavailableError
from apikeychain.ledger.outcome import place_of, reason_to_give_up, suspects
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head, LedgerDraft, LedgerEntry
from apikeychain.rules.chain import PLATFORM
from ledger_house import ACME, OTHER, House, draft


async def test_a_tenant_that_spoils_the_group_keeps_nobody_waiting(house: House) -> None:
    house.store.spoiled[ACME] = RuntimeError("a bug")
    house.call(1)
    house.call(2, OTHER)
    await house.ledger.flush()
    assert await house.store.numbers(OTHER) == ["2"]
    house.call(3)
    house.call(4, OTHER)
    house.store.groups.clear()
    await house.ledger.flush()
    assert house.store.groups == [{OTHER: 1}, {ACME: 2}]
    house.store.spoiled.clear()
    await house.ledger.flush()
    assert await house.store.numbers() == ["1", "3"]
    house.call(5)
    house.call(6, OTHER)
    house.store.groups.clear()
    await house.ledger.flush()
    assert house.store.groups == [{ACME: 1, OTHER: 1}]


async def test_a_store_that_goes_down_while_a_tenant_is_apart_loses_nothing(house: House) -> None:
    house.store.spoiled[ACME] = RuntimeError("a bug")
    house.call(1)
    await house.ledger.flush()
    house.store.cut = True
    with pytest.raises(BackendUnavailableError):
        await house.ledger.flush()
    house.store.cut = False
    house.store.spoiled.clear()
    await house.ledger.flush()
    assert await house.store.numbers() == ["1"]


async def test_a_tenant_that_is_gone_loses_its_entries_and_the_platform_says_so(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.store.spoiled[ACME] = DoesNotExistError("acme")
    house.call(1)
    house.call(2)
    house.call(3, OTHER)
    await house.ledger.flush()
    await house.ledger.flush()
    (gap,) = await house.store.read(PLATFORM)
    assert gap.kind == "gap"
    assert b'"data":{"entries":2,"reason":"gone","tenant":"acme"}' in gap.payload
    assert await house.store.numbers(OTHER) == ["3"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_a_tenant_that_fails_for_a_minute_is_given_up_without_the_text_of_its_error(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.store.spoiled[ACME] = RuntimeError("what was to be written")
    house.call(1)
    await house.ledger.flush()
    house.seconds = 59.9
    await house.ledger.flush()
    [group, kept] = caplog.messages
    assert group.startswith("a group of ledger entries failed: each tenant's are written alone\n")
    assert kept == "ledger entries of tenant acme cannot be written, its calls are refused: RuntimeError"
    house.seconds = 60.0
    await house.ledger.flush()
    await house.ledger.flush()
    (gap,) = await house.store.read(PLATFORM)
    assert b'"data":{"entries":1,"reason":"RuntimeError","tenant":"acme"}' in gap.payload
    assert caplog.messages[2:] == ["gave up 1 ledger entries of tenant acme: RuntimeError"]
    assert "what was to be written" not in caplog.text
    house.store.spoiled.clear()
    house.call(2)
    await house.ledger.flush()
    assert await house.store.numbers() == ["2"]


async def test_a_platform_chain_that_is_gone_ends_in_the_log(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.store.spoiled = {ACME: DoesNotExistError("acme"), PLATFORM: DoesNotExistError("platform")}
    house.call(1)
    await house.ledger.flush()
    await house.ledger.flush()
    await house.ledger.flush()
    assert caplog.messages == [
        "gave up 1 ledger entries of tenant acme: gone",
        "gave up 1 ledger entries of tenant platform: gone",
    ]


# damaged data


async def test_a_tenant_whose_chain_is_damaged_is_closed_and_nobody_else(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.store.damaged = {ACME}
    for second in range(100):
        house.seconds = float(second)
        if second < 5:
            house.call(second)
        else:
            with pytest.raises(LedgerUnavailableError):
                house.ledger.reserve(ACME)
        house.call(second, OTHER)
        await house.ledger.flush()
        assert (await house.store.numbers(OTHER))[-1] == str(second)
    told = (
        "ledger entries of tenant acme cannot be written, its calls are refused: the head of the ledger of the tenant "
        "'acme' cannot be read, it was damaged or changed from outside: restore it from a backup"
    )
    assert caplog.messages == [told, "gave up 5 ledger entries of tenant acme: DamagedDataError"]
    house.store.damaged.clear()
    await house.ledger.flush()
    house.call("again")
    await house.ledger.flush()
    assert await house.store.numbers() == ["again"]


async def test_the_others_of_a_group_are_written_in_the_same_turn(house: House) -> None:
    third = TenantId("third")
    house.store.damaged = {ACME, third}
    for tenant in (ACME, OTHER, third):
        house.call(1, tenant)
    await house.ledger.flush()
    assert await house.store.numbers(OTHER) == ["1"]
    assert house.store.groups == [{OTHER: 1}]


async def test_a_tenant_that_failed_long_before_is_given_a_minute_for_what_it_has_now(house: House) -> None:
    slow = house.ledger.reserve(ACME)
    house.store.damaged = {ACME}
    house.call(1)
    await house.ledger.flush()
    house.seconds = 60.0
    await house.ledger.flush()
    slow.fill(draft(2))
    house.seconds = 119.9
    await house.ledger.flush()
    house.store.damaged.clear()
    await house.ledger.flush()
    assert await house.store.numbers() == ["2"]


async def test_a_tenant_that_is_gone_and_has_nothing_left_is_forgotten(house: House) -> None:
    house.store.damaged = {ACME}
    house.call(1)
    await house.ledger.flush()
    house.seconds = 60.0
    await house.ledger.flush()
    await house.ledger.flush()
    house.store.bugs.append(DoesNotExistError("acme"))
    await house.ledger.flush()
    tries = house.store.tries
    await house.ledger.flush()
    assert house.store.tries == tries
    assert len(await house.store.read(PLATFORM)) == 1


# the decisions


def test_who_is_named_is_the_only_suspect() -> None:
    group = [ACME, OTHER]
    assert suspects(group, DamagedDataError("a head", OTHER)) == [OTHER]
    assert suspects(group, DamagedDataError("a head", "third")) == group
    assert suspects(group, DamagedDataError("a head")) == group
    assert suspects(group, RuntimeError()) == group


def test_what_is_gone_is_given_up_at_once_and_everything_else_after_a_minute() -> None:
    assert reason_to_give_up(DoesNotExistError("acme"), 0.0) == "gone"
    assert reason_to_give_up(RuntimeError("text"), 59.9) == ""
    assert reason_to_give_up(RuntimeError("text"), 60.0) == "RuntimeError"


def entries(*drafts: LedgerDraft) -> list[LedgerEntry]:
    head, found = Head.empty(ACME), list[LedgerEntry]()
    for each in drafts:
        found.append(each.behind(head))
        head = found[-1].head
    return found


@pytest.mark.parametrize(
    ("stored", "sent", "first"),
    [
        ("", "a", None),
        ("a", "a", 2),
        ("a", "ab", None),
        ("xab", "ab", 3),
        ("abx", "ab", 2),
        ("axb", "ab", None),
        ("ba", "ab", None),
        ("aab", "ab", 3),
        ("a", "aa", None),
        ("aa", "aa", 2),
    ],
)
def test_what_one_transaction_put_stands_as_one_run(stored: str, sent: str, first: int | None) -> None:
    chain = entries(draft("before"), *map(draft, stored))
    assert place_of([*map(draft, sent)], chain[1:], ACME, 1) == first
    assert place_of([*map(draft, sent)], chain[1:], OTHER, 1) is None
