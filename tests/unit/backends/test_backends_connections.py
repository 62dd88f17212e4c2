import asyncio
import math

import pytest

from apikeychain.backends.connections import Connection
from hurried_loop import at, hurried


class Wire(asyncio.Transport):
    """A transport that remembers what is done to it."""

    def __init__(self) -> None:
        super().__init__()
        self.cuts = 0
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return bool(self.cuts)

    def abort(self) -> None:
        self.cuts += 1


def connected(lost: list[Connection]) -> tuple[Connection, Wire]:
    connection, wire = Connection(asyncio.get_running_loop(), lost.append), Wire()
    connection.connection_made(wire)
    return connection, wire


@pytest.mark.parametrize(
    ("said", "expected"),
    [([100], 100), ([100, 300], 300), ([300, 100], 100), ([100, 300, 200], 200), ([100, math.inf, 300], 300)],
    ids=repr,
)
def test_it_is_cut_when_it_was_said_last(said: list[float], expected: float) -> None:
    async def watched() -> None:
        lost: list[Connection] = []
        connection, wire = connected(lost)
        for seconds in said:
            connection.watch(seconds, math.inf)
        for seconds in (min(said), expected - 10):
            await at(seconds - 5)
            assert (wire.cuts, connection.is_late) == (0, False)
        await at(expected + 1)
        assert (wire.cuts, connection.is_late, lost) == (1, True, [connection])

    hurried(watched())


def test_it_is_cut_at_the_latest_when_its_call_is_over() -> None:
    async def watched() -> None:
        connection, wire = connected([])
        connection.watch(60, asyncio.get_running_loop().time() + 30)
        await at(31)
        assert wire.cuts == 1

    hurried(watched())


def test_an_alarm_that_was_put_off_for_ever_does_not_ring() -> None:
    async def watched() -> None:
        connection, wire = connected([])
        connection.watch(100, math.inf)
        connection.watch(math.inf, math.inf)
        await at(1_000_000)
        assert wire.cuts == 0

    hurried(watched())


@pytest.mark.parametrize("watched", [True, False])
def test_one_that_is_lost_is_forgotten_and_neither_rings_nor_sends(*, watched: bool) -> None:
    async def lost_one() -> None:
        lost: list[Connection] = []
        connection, wire = connected(lost)
        if watched:
            connection.watch(100, math.inf)
        connection.connection_lost(None)
        await at(200)
        assert connection.is_late is False
        with pytest.raises(ConnectionError):
            connection.send(b"x")
        assert wire.written == b""
        connection.cut()
        assert set(lost) == {connection}

    hurried(lost_one())


async def test_what_is_said_to_one_at_rest_makes_it_useless() -> None:
    connection, _ = connected([])
    connection.begin("GET")
    connection.rest()
    assert connection.is_usable
    connection.data_received(b"H")
    assert not connection.is_usable
