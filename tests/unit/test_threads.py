"""What may take long has a few threads of its own, and leaves the others to everybody else."""

import asyncio
import gc
import logging
import threading
import time
from collections.abc import Generator

import pytest

from apikeychain.testing.eventually import until
from apikeychain.threads import ThreadPlaces


class Slow:
    """A deed that waits for its door."""

    def __init__(self) -> None:
        self.door, self.lock = threading.Event(), threading.Lock()
        self.under_way = self.most = 0

    def __call__(self) -> str:
        with self.lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        assert self.door.wait(20)
        with self.lock:
            self.under_way -= 1
        return "done"

    async def are(self, number: int) -> None:
        """So many are under way, after a while in which more would have begun."""
        await until(lambda: self.under_way == number)
        await asyncio.sleep(0.1)
        assert self.under_way == number


@pytest.fixture
def slow() -> Generator[Slow, None, None]:
    deed = Slow()
    yield deed
    deed.door.set()


async def test_so_many_are_done_at_once_and_the_others_wait(slow: Slow) -> None:
    places = ThreadPlaces(2)
    waiting = [asyncio.create_task(places.bring(slow)) for _ in range(7)]
    await slow.are(2)
    slow.door.set()
    assert await asyncio.gather(*waiting) == ["done"] * 7
    assert slow.most == 2


async def test_who_leaves_has_the_place_until_the_thread_has_ended(slow: Slow) -> None:
    places = ThreadPlaces(2)
    leaving = [asyncio.create_task(places.bring(slow)) for _ in range(5)]
    await slow.are(2)
    assert all(one.cancel() for one in leaving)
    await asyncio.wait(leaving)
    coming = asyncio.create_task(places.bring(slow))
    await slow.are(2)
    slow.door.set()
    assert (await coming, slow.most) == ("done", 2)
    assert await places.bring(lambda: "next") == "next"


async def test_what_a_deed_raises_is_raised_and_is_logged_for_nobody_who_left(
    slow: Slow, caplog: pytest.LogCaptureFixture
) -> None:
    places = ThreadPlaces(1)

    def fails() -> str:
        slow()
        raise OSError(28, "No space left on device")

    leaving = asyncio.create_task(places.bring(fails))
    await slow.are(1)
    leaving.cancel()
    await asyncio.wait([leaving])
    slow.door.set()
    with pytest.raises(OSError, match="No space left"):
        await places.bring(fails)
    del leaving
    gc.collect()
    assert [one for one in caplog.records if one.levelno >= logging.ERROR] == []


def test_each_loop_has_places_of_its_own(slow: Slow) -> None:
    places = ThreadPlaces(1)

    async def many() -> list[float]:
        return await asyncio.gather(*(places.bring(time.monotonic) for _ in range(3)))

    slow.door.set()
    for _ in range(2):
        assert len(asyncio.run(many())) == 3
