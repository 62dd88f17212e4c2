import asyncio
import math

import pytest

from apikeychain.backends.connections import Connection


class Wire(asyncio.Transport):
    """A transport that remembers what is done to it."""

    def __init__(self) -> None:
        super().__init__()
        self.cuts: list[float] = []
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return bool(self.cuts)

    def abort(self) -> None:
        self.cuts.append(asyncio.get_running_loop().time())


def connected(lost: list[Connection]) -> tuple[Connection, Wire]:
    connection, wire = Connection(asyncio.get_running_loop(), lost.append), Wire()
    connection.connection_made(wire)
    return connection, wire


@pytest.mark.parametrize(
    ("said", "expected"),
    [([0.1], 0.1), ([0.1, 0.3], 0.3), ([0.3, 0.1], 0.1), ([0.1, 0.3, 0.2], 0.2), ([0.1, math.inf, 0.3], 0.3)],
    ids=repr,
)
async def test_it_is_cut_when_it_was_said_last(said: list[float], expected: float) -> None:
    lost: list[Connection] = []
    connection, wire = connected(lost)
    began = asyncio.get_running_loop().time()
    for seconds in said:
        connection.watch(seconds, math.inf)
    await asyncio.sleep(max(0.05, expected - 0.05))
    assert (wire.cuts, connection.is_late) == ([], False)
    await asyncio.sleep(0.1)
    (cut,) = wire.cuts
    assert expected <= cut - began < expected + 0.05
    assert (connection.is_late, lost) == (True, [connection])


async def test_it_is_cut_at_the_latest_when_its_call_is_over() -> None:
    connection, wire = connected([])
    connection.watch(60, asyncio.get_running_loop().time() + 0.05)
    await asyncio.sleep(0.1)
    assert len(wire.cuts) == 1


async def test_an_alarm_that_was_put_off_for_ever_does_not_ring() -> None:
    connection, wire = connected([])
    connection.watch(0.05, math.inf)
    connection.watch(math.inf, math.inf)
    await asyncio.sleep(0.1)
    assert wire.cuts == []


@pytest.mark.parametrize("watched", [True, False])
async def test_one_that_is_lost_is_forgotten_and_neither_rings_nor_sends(*, watched: bool) -> None:
    lost: list[Connection] = []
    connection, wire = connected(lost)
    if watched:
        connection.watch(0.05, math.inf)
    connection.connection_lost(None)
    await asyncio.sleep(0.1)
    assert connection.is_late is False
    with pytest.raises(ConnectionError):
        connection.send(b"x")
    assert wire.written == b""
    connection.cut()
    assert set(lost) == {connection}


async def test_what_is_said_to_one_at_rest_makes_it_useless() -> None:
    connection, _ = connected([])
    connection.begin("GET")
    connection.rest()
    assert connection.is_usable
    connection.data_received(b"H")
    assert not connection.is_usable
