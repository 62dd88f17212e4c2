"""A flood of refused calls keeps no honest caller out, and leaves a handful of entries in the ledger (contracts 6)."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import pytest
import pytest_asyncio

from apikeychain import APIKeyChainMiddleware, APIKeyChainSettings, residence
from apikeychain.backends.memory_replay_guard import MemoryReplayGuard
from apikeychain.model.headers import Line
from gate import APP, Gate, host, open_gate
from signer import Signer
from still_clock import StillClock
from wire import exchange, request, served

CONNECTIONS, EACH = 8, 50
HONEST = 40
# After which whatever a call leaves behind is being written: three times as long as entries are held for a group.
WRITTEN = 0.3
PAGE = (b"origin", APP.encode())
# What is refused before it is known whose call it is, so that there is no ledger that could count it.
BEFORE_THE_PROJECT = {"unknown-projects"}
Refused = Callable[["Site", int], bytes]

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Site:
    """A server in front of a provider.

    Attributes:
        replayed: the signing headers of a request that has passed.
        flooding: the address that refused calls come from.
    """

    port: int
    gate: Gate
    clock: StillClock
    signer: Signer
    replayed: list[Line]
    flooding: str = ""

    @property
    def path(self) -> str:
        return self.gate.shop.url("weather")

    def signing(self, signer: Signer, *, away: float = 0, announce: bool = False) -> list[Line]:
        return signer.sign(self.path, b"q=Paris", at=self.clock.seconds() + away, announce=announce)


def written(path: str, address: str, *lines: Line, method: str = "GET") -> bytes:
    forwarded = [(b"x-forwarded-proto", b"https"), (b"x-forwarded-for", address.encode())]
    return request(method, f"{path}?q=Paris", [*forwarded, *lines])


def flood(site: Site, *lines: Line, path: str = "", method: str = "GET") -> bytes:
    """One of the calls of the flood, which all come from one address."""
    return written(path or site.path, site.flooding, *lines, method=method)


def other_project(site: Site, number: int) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz"
    name = letters[number // 26 % 26] + letters[number % 26]
    return site.path.replace(site.gate.shop.id, f"p_{name * 10}")


FLOODS: dict[str, tuple[str, Refused]] = {
    "a-foreign-page": ("origin-refused", lambda site, n: flood(site, (b"origin", b"https://p%d.example" % n))),
    "no-origin": ("origin-refused", lambda site, _: flood(site)),
    "a-header-twice": ("header-refused", lambda site, _: flood(site, PAGE, PAGE)),
    "navigation": ("destination-refused", lambda site, _: flood(site, PAGE, (b"sec-fetch-mode", b"navigate"))),
    "a-foreign-preflight": (
        "origin-refused",
        lambda site, _: flood(
            site,
            (b"origin", b"https://evil.example"),
            (b"access-control-request-method", b"GET"),
            method="OPTIONS",
        ),
    ),
    "a-wrong-mac": (
        "signature-refused",
        lambda site, _: flood(site, *site.signing(replace(site.signer, key=b"wrong"))),
    ),
    "an-unknown-key": (
        "signature-refused",
        lambda site, n: flood(site, *site.signing(replace(site.signer, key_id=f"k_{n}"))),
    ),
    "an-old-signature": ("timestamp-refused", lambda site, _: flood(site, *site.signing(site.signer, away=-30))),
    "a-replay": ("replayed", lambda site, _: flood(site, *site.replayed)),
    "an-unknown-route": ("not-found", lambda site, n: flood(site, PAGE, path=site.gate.shop.url(f"r{n}"))),
    "another-method": ("method-refused", lambda site, _: flood(site, PAGE, method="DELETE")),
    "unknown-projects": ("not-found", lambda site, n: flood(site, PAGE, path=other_project(site, n))),
    "beyond-the-quota": ("rate-limited", lambda site, _: flood(site, PAGE)),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site() -> AsyncGenerator[Site, None]:
    clock = StillClock()
    settings = APIKeyChainSettings(trusted_proxies=("127.0.0.1",))
    async with AsyncExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(residence, "_now", clock.now)
        guard = MemoryReplayGuard(now=clock.seconds)
        gate = await stack.enter_async_context(open_gate(settings=settings, replay_guard=guard))
        await gate.shop.configure(quota="100000/minute", address_quota="20/hour")
        shown = await gate.shop.add_signing_key()
        await asyncio.sleep(0.02)  # until the changes were heard
        port = await stack.enter_async_context(served(APIKeyChainMiddleware(host, gate.keychain)))
        yield Site(port, gate, clock, Signer(shown.id, shown.key.reveal(), gate.shop.id), [])


async def _entries_after(site: Site, seq: int) -> Counter[str]:
    """What the ledger has beyond `seq` once the 10 s of every group of refusals are over: entries by kind and code.

    What the watch says of a flood comes once its minute is over, in the middle of whatever runs then.
    """
    site.clock.go_on(10)
    await asyncio.sleep(WRITTEN)
    await site.gate.until_written()
    entries = [entry for entry in await site.gate.acme.entries(seq, 10_000) if entry.actor != "watch"]
    data = [json.loads(entry.payload)["data"] for entry in entries]
    return Counter(f"{entry.kind} {said.get('code', '')}".strip() for entry, said in zip(entries, data, strict=True))


@pytest.mark.parametrize("kind", FLOODS)
async def test_a_flood_of_refused_calls_keeps_nobody_out_and_fills_no_ledger(kind: str, site: Site) -> None:
    code, refused = FLOODS[kind]
    site.replayed = site.signing(site.signer)
    (first,) = await exchange(site.port, written(site.path, f"198.19.0.{list(FLOODS).index(kind)}", *site.replayed))
    assert first.status == 200
    site.flooding = f"198.18.0.{list(FLOODS).index(kind)}"
    await _entries_after(site, 0)
    before = (await site.gate.acme.entries(0, 10_000))[-1].seq
    calls = [[refused(site, line * EACH + n) for n in range(EACH)] for line in range(CONNECTIONS)]
    floods = [asyncio.create_task(exchange(site.port, *line)) for line in calls]
    pages = [written(site.path, f"198.51.100.{n}", PAGE) for n in range(HONEST)]
    statuses: list[int] = []
    for page in pages:
        (answer,) = await exchange(site.port, page)
        statuses.append(answer.status)
    answers = [answer for line in await asyncio.gather(*floods) for answer in line]
    assert statuses == [200] * HONEST
    passed = sum(answer.status == 200 for answer in answers)
    assert passed == (20 if kind == "beyond-the-quota" else 0)
    # A caller of whom too much was refused is told so instead.
    codes = {answer.code for answer in answers if answer.status != 200}
    assert code in codes
    assert codes <= {code, "rate-limited"}
    found = await _entries_after(site, before)
    assert found.pop("call") == HONEST + passed
    told = Counter(f"refusals {told}" for told in codes)
    assert found <= told
    assert found == told or kind in BEFORE_THE_PROJECT


async def test_a_flood_keeps_out_nobody_at_its_own_address_who_signs_and_announces(site: Site) -> None:
    site.flooding = "198.18.1.1"
    wrong = replace(site.signer, key=b"wrong")
    calls = [[flood(site, *site.signing(wrong)) for _ in range(EACH)] for _ in range(CONNECTIONS)]
    refused = [answer for line in await asyncio.gather(*(exchange(site.port, *c) for c in calls)) for answer in line]
    assert Counter(answer.code for answer in refused).keys() == {"signature-refused", "rate-limited"}
    good = [flood(site, *site.signing(site.signer, announce=True)) for _ in range(10)]
    assert [answer.status for answer in await exchange(site.port, *good)] == [200] * 10
    (unsigned,) = await exchange(site.port, flood(site, PAGE))
    assert (unsigned.status, unsigned.code) == (429, "rate-limited")
    (foreign,) = await exchange(site.port, flood(site, (b"origin", b"https://evil.example")))
    assert (foreign.status, foreign.code) == (403, "origin-refused")
