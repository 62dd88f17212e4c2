"""Each entry is written once, also where the store wrote it and did not say so."""

import asyncio
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apikeychain.errors import BackendUnavailableError
from apikeychain.ledger import writer
from apikeychain.model.ledger import Head
from ledger_house import ACME, OTHER, House, draft


async def flush_in_vain(house: House) -> None:
    with pytest.raises(BackendUnavailableError):
        await house.ledger.flush()


async def test_a_group_whose_acknowledgement_is_lost_is_written_once(house: House) -> None:
    house.call(1)
    house.call(2)
    house.call(1, OTHER)
    house.store.lost = 1
    await flush_in_vain(house)
    house.call(3)
    await house.ledger.flush()
    assert await house.store.numbers() == ["1", "2", "3"]
    assert await house.store.numbers(OTHER) == ["1"]
    assert house.store.groups == [{ACME: 2, OTHER: 1}, {ACME: 1}]


async def test_a_group_is_of_so_many_tenants_at_most(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MAX_GROUP", 1)
    for number in range(2):
        house.call(number)
        house.call(number, OTHER)
    await house.ledger.flush()
    assert house.store.groups == [{ACME: 2}, {OTHER: 2}]


async def test_acknowledgements_that_are_lost_one_after_the_other_double_nothing(house: House) -> None:
    house.store.lost = 3
    for number in range(3):
        house.call(number)
        house.call(number, OTHER)
        await flush_in_vain(house)
        house.store.cut = True
        await flush_in_vain(house)
        house.store.cut = False
    house.call(3)
    await house.ledger.flush()
    assert await house.store.numbers() == ["0", "1", "2", "3"]
    assert await house.store.numbers(OTHER) == ["0", "1", "2"]


@pytest.mark.parametrize("lost", [True, False])
async def test_what_another_worker_writes_in_between_is_left_alone(house: House, *, lost: bool) -> None:
    worker = house.store.sibling()
    house.call("old")
    await house.ledger.flush()
    await worker.append_many({ACME: [draft("x")]})
    house.call("a")
    house.call("b")
    house.store.cut, house.store.lost = not lost, 1
    await flush_in_vain(house)
    house.store.cut, house.store.lost = False, 0
    await worker.append_many({ACME: [draft("a"), draft("y")]})
    house.call("c")
    await house.ledger.flush()
    written = ["old", "x", "a", "b", "a", "y", "c"] if lost else ["old", "x", "a", "y", "a", "b", "c"]
    assert await house.store.numbers() == written


async def test_drafts_that_are_equal_are_all_written_and_once(house: House) -> None:
    house.call("same")
    await house.ledger.flush()
    house.call("same")
    house.call("same")
    house.store.lost = 1
    await flush_in_vain(house)
    house.call("same")
    await house.ledger.flush()
    assert await house.store.numbers() == ["same"] * 4
    house.call("same")
    house.store.cut = True
    await flush_in_vain(house)
    house.store.cut = False
    await house.ledger.flush()
    assert await house.store.numbers() == ["same"] * 5


@pytest.mark.parametrize("between", [0, 1, 9, 10, 11, 25])
async def test_the_run_is_found_on_any_page(house: House, between: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "PAGE", 10)
    house.call("first")
    await house.ledger.flush()
    worker = house.store.sibling()
    await worker.append_many({ACME: [draft("x") for _ in range(between)]})
    house.call("a")
    house.call("b")
    house.store.lost = 1
    await flush_in_vain(house)
    await worker.append_many({ACME: [draft("y") for _ in range(between)]})
    await house.ledger.flush()
    assert await house.store.numbers() == ["first", *["x"] * between, "a", "b", *["y"] * between]


async def test_a_bug_behind_the_commit_doubles_nothing(house: House) -> None:
    whole = house.store.append_many

    async def append_many(payloads: object) -> object:
        heads = await whole(payloads)  # type: ignore[arg-type]  # passed on
        if any(heads[tenant].size == 1 for tenant in heads):
            raise ZeroDivisionError
        return heads

    house.store.append_many = append_many  # type: ignore[method-assign,assignment]  # a plug with a bug
    house.call(1)
    await house.ledger.flush()
    house.store.append_many = whole  # type: ignore[method-assign]  # the bug is mended
    await house.ledger.flush()
    assert await house.store.numbers() == ["1"]


async def test_a_turn_that_is_cancelled_behind_the_commit_doubles_nothing(house: House) -> None:
    committed = asyncio.Event()

    async def append_and_hang(payloads: object) -> object:
        heads = await whole(payloads)  # type: ignore[arg-type]  # passed on
        if payloads[ACME]:  # type: ignore[index]  # a mapping
            committed.set()
            await asyncio.sleep(60)
        return heads

    whole, house.store.append_many = house.store.append_many, append_and_hang  # type: ignore[method-assign,assignment]  # as above
    house.call(1)
    waiting = asyncio.create_task(house.ledger.flush())
    await committed.wait()
    writing = house.ledger._writing
    assert writing
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    house.store.append_many = whole  # type: ignore[method-assign]  # as above
    house.call(2)
    await house.ledger.flush()
    assert await house.store.numbers() == ["1", "2"]


async def test_the_ends_of_many_chains_are_not_all_remembered(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MAX_HEADS", 1)
    for number in range(3):
        house.call(number)
        house.call(number, OTHER)
        await house.ledger.flush()
    assert len(house.ledger._writer._heads) == 1
    assert await house.store.numbers() == await house.store.numbers(OTHER) == ["0", "1", "2"]


async def test_a_chain_that_is_shorter_than_before_holds_nothing_that_was_sent(house: House) -> None:
    house.call(1)
    house.call(2)
    await house.ledger.flush()
    house.call(3)
    house.store.lost = 1
    await flush_in_vain(house)
    del house.store._house.rooms[ACME]
    await house.ledger.flush()
    assert await house.store.numbers() == ["3"]
    assert (await house.store.append_many({ACME: ()}))[ACME] != Head.empty(ACME)


@settings(deadline=None)
@given(steps=st.lists(st.sampled_from(["call", "other", "worker", "lose", "cut", "mend", "flush"]), max_size=40))
async def test_whatever_is_lost_each_call_leaves_one_entry_in_its_order(steps: list[str]) -> None:
    house, called, others = House(), 0, 0
    worker = house.store.sibling()
    for step in [*steps, "mend", "flush", "flush"]:
        if step == "call":
            house.call(called)
            called += 1
        elif step == "worker":
            await worker.append_many({ACME: [draft("w")]})
        elif step == "other":
            house.call(others, OTHER)
            others += 1
        elif step == "lose":
            house.store.lost += 1
        elif step == "flush":
            with suppress(BackendUnavailableError):
                await house.ledger.flush()
        else:
            house.store.cut = step == "cut"
            house.store.lost = 0
    assert [n for n in await house.store.numbers() if n != "w"] == [str(number) for number in range(called)]
    assert await house.store.numbers(OTHER) == [str(number) for number in range(others)]
