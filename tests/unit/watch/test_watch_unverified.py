"""Of callers of whom nothing is known only so many bodies are held."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from apikeychain.errors import BodyTimeoutError, RateLimitedError
from apikeychain.model.call import Call
from apikeychain.rules.caller import Caller
from apikeychain.testing.eventually import until
from apikeychain.watch import unverified as module
from apikeychain.watch.unverified import MOST, MOST_OF_AN_ADDRESS, Unverified
from sample_project import a_call

LARGE = a_call((b"content-length", b"65537"), method="POST")
CHUNKED = a_call((b"transfer-encoding", b"chunked"), method="POST")
SMALL = a_call((b"content-length", b"65536"), method="POST")


def caller(number: int, address: str = "192.0.2.{}") -> Caller:
    return Caller(address.format(number), "https", "app.example.com")


async def is_refused(unverified: Unverified, call: Call, caller: Caller) -> bool:
    try:
        async with unverified.one(call, caller):
            return False
    except RateLimitedError as refused:
        return refused.headers == ((b"retry-after", b"1"),)


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8:1:{}::1"])
async def test_one_address_holds_a_few_and_the_others_go_on(address: str) -> None:
    unverified = Unverified()
    async with AsyncExitStack() as stack:
        for number, call in enumerate((LARGE, CHUNKED) * (MOST_OF_AN_ADDRESS // 2)):
            await stack.enter_async_context(unverified.one(call, caller(number, address)))
        assert await is_refused(unverified, LARGE, caller(9, address))
        assert not await is_refused(unverified, SMALL, caller(9, address))
        assert not await is_refused(unverified, LARGE, caller(2))
    assert not await is_refused(unverified, LARGE, caller(1, address))


async def test_all_together_hold_so_many() -> None:
    unverified = Unverified()
    async with AsyncExitStack() as stack:
        for number in range(MOST):
            await stack.enter_async_context(unverified.one(LARGE, caller(number)))
        assert await is_refused(unverified, CHUNKED, caller(MOST))
    assert not unverified._held


async def test_where_all_places_are_taken_the_one_held_longest_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    unverified = Unverified()
    ended: list[int] = []

    async def hold(number: int) -> None:
        try:
            async with unverified.one(CHUNKED, caller(number)):
                await asyncio.Event().wait()
        except BodyTimeoutError:
            ended.append(number)

    async with asyncio.TaskGroup() as holders:
        tasks = [holders.create_task(hold(number)) for number in range(MOST)]
        await asyncio.sleep(0)
        assert await is_refused(unverified, LARGE, caller(MOST))
        monkeypatch.setattr(module, "SURE_SECONDS", 0.0)
        for _ in range(2):
            assert not await is_refused(unverified, LARGE, caller(MOST))
        await until(lambda: ended == [0])
        async with unverified.one(LARGE, caller(MOST)):
            assert not await is_refused(unverified, LARGE, caller(MOST + 1))
        await until(lambda: ended == [0, 1])
        for task in tasks:
            task.cancel()
    assert not unverified._held
