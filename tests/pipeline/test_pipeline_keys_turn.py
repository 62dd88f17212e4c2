"""The keys of many projects turn in one process while another serves calls; the first is killed, and taken up again."""

import json
import signal
import sys
import time
from pathlib import Path

import pytest

from apikeychain.testing.local_provider import LocalProvider
from gate import echo_key
from turning_house import House

# What a third of all values would take if they were kept is more; what signing the ledger takes meanwhile is less.
SAME_KILOBYTES = 20_000


async def turn_while_calls_flow(folder: Path, *, tenants: int, projects: int, values: int, calls: int) -> None:
    async with LocalProvider("weather.localhost") as provider:
        provider.on("/data/2.5/weather", echo_key)
        house = House(folder, provider)
        await house.set_up(tenants=tenants, projects=projects, values=values)
        everything, owners = tenants * projects, [*house.projects]
        async with house.calls():
            await house.p99_of(len(house.paths))  # what is read and opened at first is not what is compared
            before = await house.p99_of(calls)
            killed = await house.rotating("--projects")
            await house.until_turned(everything // 3)
            little = house.peak(killed)
            killed.send_signal(signal.SIGKILL)
            assert await killed.wait() == -signal.SIGKILL
            halfway, during = await house.numbers(), house.p99()
            assert set(map(tuple, halfway.values())) == {(1,), (2,)}
            await house.require_open(values)
            whole = [owner for owner in owners if all(halfway[one] == [2] for one in house.projects[owner])]
            house.seconds.clear()
            began = time.monotonic()
            code, much, told = await house.rotate("--projects", "--after", whole[-1], "--json")
            took, after = time.monotonic() - began, house.p99()
        came = json.loads(told)
        rest = (tenants - len(whole)) * projects
        assert (code, came["projects"], came["values"], came["failed"]) == (0, rest, rest * values, [])
        ended = await house.numbers()
        untouched = {one for owner in whole for one in house.projects[owner]}
        assert ended == {one: [key + (one not in untouched)] for one, (key,) in halfway.items()}
        await house.require_open(values)
    assert house.statuses == {200}
    assert much - little < SAME_KILOBYTES
    sys.stderr.write(
        f"{rest * values / took:.0f} values/s; p99 in ms: {before:.1f} before, {during:.1f} and {after:.1f} while keys "
        f"turned; KB at most: {little} after a third, {much} at the end\n"
    )


async def test_the_keys_of_9_projects_turn_while_calls_flow_and_again_after_a_kill(tmp_path: Path) -> None:
    await turn_while_calls_flow(tmp_path / "data", tenants=3, projects=3, values=50, calls=200)


@pytest.mark.long
async def test_100000_values_turn_while_calls_flow_and_again_after_a_kill(tmp_path: Path) -> None:
    await turn_while_calls_flow(tmp_path / "data", tenants=10, projects=10, values=1000, calls=5000)
