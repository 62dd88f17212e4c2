"""Timelines of calls that others wrote down, over sockets: as many as the quota admits pass, at the time it is by then.

Where the folder of cases is absent there are no tests.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from apikeychain import APIKeyChainSettings
from apikeychain.backends.memory_limiter import MemoryRateLimiter
from gate import APP, open_gate
from outside import cases
from wire import exchange, request, served

# Several workers and steps of the wall clock are the limiter's own affair (test_rate_limiter_timelines.py).
CASES = [case for case in cases("rate_limit") if "runs" in case and not {"workers", "skew", "clock_step"} & case.keys()]
LINES = [(b"origin", APP.encode()), (b"x-forwarded-proto", b"https"), (b"x-forwarded-for", b"203.0.113.9")]


def moments(case: dict[str, Any]) -> Iterator[float]:
    """When the calls of a case come, in seconds."""
    yield from sorted(start + index * gap for start, count, gap in case["runs"] for index in range(count))


@pytest.mark.parametrize("exact", [False, True], ids=["sliding", "moving"])
@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
async def test_a_timeline_that_others_wrote_admits_what_it_may(case: dict[str, Any], exact: bool) -> None:
    now = 1000.0
    settings = APIKeyChainSettings(trusted_proxies=("127.0.0.1",))
    async with open_gate(settings=settings, rate_limiter=MemoryRateLimiter(clock=lambda: now)) as gate:
        quota = f"{case['limit']}/{case['window_s']} seconds{' moving-window' if exact else ''}"
        await gate.shop.configure(quota="100000000/second", address_quota=quota)
        sent = request("GET", gate.shop.url("weather") + "?q=Paris", LINES)
        told: Counter[int] = Counter()
        async with served(gate.app) as port:
            for moment in moments(case):
                now = 1000.0 + moment
                (answer,) = await exchange(port, sent)
                told[answer.status] += 1
        assert told.keys() <= {200, 429}
        most = case["admitted_max_strict" if exact else "admitted_max_any"]
        assert case["admitted_min"] <= told[200] <= most
        assert len(gate.provider.requests) == told[200]
