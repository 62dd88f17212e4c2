"""The whole scenario over real HTTP, without a browser: what was done, what was expected, what happened.

A step tells both in the same words: it holds when they are equal.
"""

import asyncio
import dataclasses
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import final

import httpx

from apikeychain.cli.demo import ledger
from apikeychain.cli.demo.house import House
from apikeychain.cli.demo.running import LIMITED_CALLS
from apikeychain.cli.demo.weather import EVENT_SECONDS, EVENTS
from apikeychain.errors import APIKeyChainError

PATIENCE_SECONDS = 3.0
_POLL_SECONDS = 0.05
_OK, _FORBIDDEN = 200, 403


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One step of the scenario."""

    deed: str
    expected: str
    happened: str

    @property
    def holds(self) -> bool:
        """Whether what happened was expected."""
        return self.expected == self.happened


async def scenario(house: House) -> list[Step]:
    """Every step, in order; one that breaks is told and the others go on."""
    before = await ledger.calls(house)
    async with httpx.AsyncClient(base_url=house.api, timeout=PATIENCE_SECONDS, trust_env=False) as client:
        visitor = Visitor(house, client, before)
        return [await _taken(deed, step) for deed, step in visitor.steps()]


async def _taken(deed: str, step: Callable[[], Awaitable[tuple[str, str]]]) -> Step:
    try:
        return Step(deed, *await step())
    except (APIKeyChainError, httpx.HTTPError) as error:
        return Step(deed, "an answer", f"{type(error).__name__}: {error}")


@final
class Visitor:
    """Calls as a browser would, and compares with what it can see behind the gate.

    Args:
        before: the calls that stood in the ledger already.
    """

    def __init__(self, house: House, client: httpx.AsyncClient, before: int) -> None:
        self._house, self._client, self._before = house, client, before
        self._recorded = 0

    def steps(self) -> list[tuple[str, Callable[[], Awaitable[tuple[str, str]]]]]:
        """What is done, and how: expected and happened."""
        return [
            ("Preflight from the allowed origin", self.preflight),
            ("Call from the allowed origin", self.call),
            ("A provider that sends the key back", self.echo),
            ("Call from a foreign origin", self.foreign_call),
            ("Preflight from a foreign origin", self.foreign_preflight),
            ("A parameter that does not fit", self.bad_parameter),
            ("A route that does not exist", self.unknown_route),
            (f"{LIMITED_CALLS + 1} calls of a route with {LIMITED_CALLS} a minute", self.quota),
            ("The route is suspended, then lifted", self.suspension),
            ("A stream of events", self.stream),
            ("Reading the secret back", self.reading_back),
            ("Verifying the ledger", self.verified),
            ("One byte changed in a copy of the ledger", self.tampered),
        ]

    async def preflight(self) -> tuple[str, str]:
        """Approved for this origin."""
        reply = await self._preflight(self._house.own)
        return "204, allowed for its origin", f"{reply.status_code}, allowed for {self._allowed(reply)}"

    async def call(self) -> tuple[str, str]:
        """Answered, with the key on one side only."""
        reply = await self._call("weather", "?q=Lisbon")
        name = reply.json().get("name")
        here = "secret in the answer" if self._leaks(reply) else "no secret in the answer"
        there = "right key at the provider" if self._house.weather.saw_key() else "no key at the provider"
        return (
            "200 for Lisbon, no secret in the answer, right key at the provider",
            f"{reply.status_code} for {name}, {here}, {there}",
        )

    async def echo(self) -> tuple[str, str]:
        """Overwritten in header and body; the length stays true."""
        reply = await self._call("echo")
        body, header = reply.json().get("you sent the key", ""), reply.headers.get("x-request-id", "")
        key = len(self._house.weather.key)
        marked = all(text.startswith("[redacted]") for text in (body, header)) and not self._leaks(reply)
        told = "redacted in header and body" if marked else "not redacted"
        size = "same length" if {len(body), len(header)} == {key} else "another length"
        return "200, redacted in header and body, same length", f"{reply.status_code}, {told}, {size}"

    async def foreign_call(self) -> tuple[str, str]:
        """Refused, unreadable for the page, and nothing upstream."""
        before = self._house.weather.calls
        reply = await self._call("weather", "?q=Lisbon", origin=self._house.foreign)
        return "403 origin-refused, allowed for nobody, 0 calls upstream", self._refusal(reply, before)

    async def foreign_preflight(self) -> tuple[str, str]:
        """Refused likewise."""
        before = self._house.weather.calls
        reply = await self._preflight(self._house.foreign)
        return "403 origin-refused, allowed for nobody, 0 calls upstream", self._refusal(reply, before)

    async def bad_parameter(self) -> tuple[str, str]:
        """Refused, and nothing upstream."""
        before = self._house.weather.calls
        reply = await self._call("weather", "?q=Lisbon%26appid=mine")
        return "400 parameter-refused, allowed for its origin, 0 calls upstream", self._refusal(reply, before)

    async def unknown_route(self) -> tuple[str, str]:
        """Not there."""
        before = self._house.weather.calls
        reply = await self._call("no-such-route")
        return "404 not-found, allowed for its origin, 0 calls upstream", self._refusal(reply, before)

    async def quota(self) -> tuple[str, str]:
        """The quota admits as many as it says, and then names a time."""
        replies = [await self._call("limited") for _ in range(LIMITED_CALLS + 1)]
        statuses = " ".join(str(reply.status_code) for reply in replies)
        later = "with" if int(replies[-1].headers.get("retry-after", "0")) > 0 else "without"
        return f"{'200 ' * LIMITED_CALLS}429, with Retry-After", f"{statuses}, {later} Retry-After"

    async def suspension(self) -> tuple[str, str]:
        """In effect within a second, and over when it is lifted."""
        await self._house.project.suspend("route", "weather", reason="the demo shows it")
        closed = await self._until(_FORBIDDEN)
        await self._house.project.lift("route", "weather")
        opened = await self._until(_OK)
        return "403 suspended, then 200", f"{closed.status_code} {_code(closed)}, then {opened.status_code}"

    async def stream(self) -> tuple[str, str]:
        """No event waits for the next one."""
        url = self._house.project.url("forecast")
        async with self._client.stream("GET", url, headers={"origin": self._house.own}) as reply:
            moments = [time.monotonic() async for line in reply.aiter_lines() if line.startswith("data:")]
        self._recorded += 1
        gaps = [after - before for before, after in itertools.pairwise(moments)]
        how = "one by one" if gaps and min(gaps) > EVENT_SECONDS / 3 else "in a heap"
        return f"{EVENTS} events, one by one", f"{len(moments)} events, {how}"

    async def reading_back(self) -> tuple[str, str]:
        """Neither by a verb nor from the files."""
        project, tenant = self._house.project, self._house.tenant
        told = [
            await project.show(),
            await project.list_secrets(),
            await project.list_providers(),
            await project.list_routes(),
            await project.list_origins(),
            await project.list_suspensions(),
            await project.put_secret("weather", self._house.weather.key, provider="weather"),
            await tenant.list_projects(),
            await tenant.entries(0, 10_000),
        ]
        texts = [repr(told).encode(), *await asyncio.to_thread(self._files)]
        leaks = sum(map(self._house.weather.leaks_into, texts))
        return "in 0 of all verbs and files", f"in {leaks} of all verbs and files"

    async def verified(self) -> tuple[str, str]:
        """One entry for each call that passed the gate, and the chain holds."""
        found = await self._found()
        return f"it holds, with {self._recorded} calls", f"it holds, with {found} calls"

    async def tampered(self) -> tuple[str, str]:
        """Found, exactly."""
        seq = await ledger.middle(self._house)
        broken = await ledger.verdict_on_tampered_copy(self._house, seq)
        return f"broken at entry {seq}", f"broken at entry {broken.seq}" if broken else "it holds"

    async def _call(self, route: str, query: str = "", *, origin: str | None = None) -> httpx.Response:
        url = self._house.project.url(route) + query
        reply = await self._client.get(url, headers={"origin": origin or self._house.own})
        # What passed gate and quota stands in the ledger by itself, also where its parameters were refused.
        self._recorded += reply.status_code == _OK or _code(reply) == "parameter-refused"
        return reply

    async def _preflight(self, origin: str) -> httpx.Response:
        headers = {"origin": origin, "access-control-request-method": "GET"}
        return await self._client.options(self._house.project.url("weather"), headers=headers)

    async def _until(self, status: int) -> httpx.Response:
        """The first answer with `status`, or the last one within a second and some."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            reply = await self._call("weather", "?q=Lisbon")
            if reply.status_code == status or time.monotonic() > end:
                return reply
            await asyncio.sleep(_POLL_SECONDS)

    async def _found(self) -> int:
        """How many of our calls stand in the ledger, once they are all there or have had their time."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            found = await ledger.calls(self._house) - self._before
            if found >= self._recorded or time.monotonic() > end:
                return found
            await asyncio.sleep(_POLL_SECONDS)

    def _refusal(self, reply: httpx.Response, before: int) -> str:
        upstream = self._house.weather.calls - before
        return f"{reply.status_code} {_code(reply)}, allowed for {self._allowed(reply)}, {upstream} calls upstream"

    def _allowed(self, reply: httpx.Response) -> str:
        """Whose page may read the answer."""
        origin = reply.headers.get("access-control-allow-origin", "nobody")
        return "its origin" if origin == self._house.own else origin

    def _leaks(self, reply: httpx.Response) -> bool:
        lines = [b"%s: %s" % line for line in reply.headers.raw]
        return self._house.weather.leaks_into(b"\n".join([*lines, reply.content]))

    def _files(self) -> list[bytes]:
        return [file.read_bytes() for file in self._house.directory.iterdir() if file.is_file()]


def _code(reply: httpx.Response) -> str:
    return str(reply.headers.get("x-apikeychain-error", ""))
