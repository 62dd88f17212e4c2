import asyncio

from apikeychain.loops import OfLoop


def test_each_loop_has_one_of_its_own_and_makes_it_once() -> None:
    locks = OfLoop(asyncio.Lock)

    async def two() -> tuple[asyncio.Lock, asyncio.Lock]:
        return locks.here(), locks.here()

    (first, again), (second, _) = asyncio.run(two()), asyncio.run(two())
    assert first is again
    assert first is not second


async def test_what_was_let_go_is_made_anew() -> None:
    locks = OfLoop(asyncio.Lock)
    before = locks.here()
    locks.forget()
    assert locks.here() is not before
