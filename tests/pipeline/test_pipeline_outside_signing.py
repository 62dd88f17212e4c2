"""Attacks on signed requests that others wrote down, end to end: raw bytes on a socket of uvicorn, the gate, and a
provider that writes down what reaches it. Where the folder of cases is absent there are no tests.

Each case comes in the three manners in which a client of ours may sign. The wall clock stands still within a case.
"""

import asyncio
import dataclasses
import itertools
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, get_args

import pytest
import pytest_asyncio

from apikeychain import (
    APIKeyChainMiddleware,
    APIKeyChainSettings,
    HeaderCredential,
    Provider,
    ProxyRoute,
    RawBody,
    Secret,
    residence,
)
from apikeychain.backends.memory_replay_guard import MemoryReplayGuard
from apikeychain.tenants.project import ProjectAdmin
from gate import KEY, Answer, Gate, host, open_gate
from signer import Signer
from signing_cases import ATTACKS, BASE, Attempt, Manner, attempts
from still_clock import StillClock
from wire import exchange, request, served

CAP = 64 * 1024
# After which whatever a call leaves behind was written: three times as long as entries are held for a group.
WRITTEN = 0.3
NEVER = [(b"x-forwarded-proto", b"https")]
# What contracts 3 decides where a case's author left it open, by what is asked.
STRICTER = {"signature in upper-case hex": "reject"}
# What the words of a case ask beyond one request as it stands.
STORIES = {"sig-order-02", "sig-order-06", "sig-order-08", "sig-order-10", "sig-order-11", "sig-window-16"}
PLAIN = [case for case in ATTACKS if case["id"] not in STORIES]

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Site:
    """A server in front of a provider, with two projects that sign and one that does not.

    Attributes:
        signers: by the name of the project; that of p3 has a key that nobody was given.
    """

    port: int
    gate: Gate
    clock: StillClock
    signers: dict[str, Signer]
    addresses: "itertools.count[int]"

    @property
    def now(self) -> int:
        return int(self.clock.moment.timestamp())

    def next_second(self, part: float = 0.0) -> int:
        """Set the clock to a second that no case has seen, and `part` of one; the second."""
        self.clock.moment = self.clock.moment.replace(microsecond=0)
        self.clock.go_on(1 + part)
        return self.now

    def written(self, attempt: Attempt) -> bytes:
        """The bytes of an attempt, from an address that nothing was refused to yet."""
        number = next(self.addresses)
        address = f"198.18.{number >> 8 & 255}.{number & 255}".encode()
        lines = [*NEVER, (b"x-forwarded-for", address), *attempt.lines]
        if attempt.body or attempt.method in {"POST", "PUT"}:
            lines.append((b"content-length", b"%d" % len(attempt.body)))
        raw = request(attempt.method, attempt.target, lines)
        return raw.replace(b"HTTP/1.1", b"HTTP/" + attempt.version.encode(), 1) + attempt.body

    async def send(self, attempt: Attempt) -> tuple[list[Answer], int]:
        """The answers to its copies, and how many whole requests the provider saw of them."""
        self.clock.go_on(attempt.advance)
        before = len(self.gate.provider.requests)
        answers = await asyncio.gather(*(exchange(self.port, self.written(attempt)) for _ in range(attempt.copies)))
        seen = [received for received in self.gate.provider.requests[before:] if received.is_whole]
        return [answer for (answer,) in answers], len(seen)

    async def send_one(self, attempt: Attempt) -> Answer:
        (answer,), _ = await self.send(attempt)
        return answer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site() -> AsyncGenerator[Site, None]:
    clock = StillClock()
    settings = APIKeyChainSettings(trusted_proxies=("127.0.0.1",))
    async with AsyncExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(residence, "_now", clock.now)
        guard = MemoryReplayGuard(now=clock.seconds)
        gate = await stack.enter_async_context(open_gate(settings=settings, routes=[], replay_guard=guard))
        signers: dict[str, Signer] = {}
        for name in ("p1", "p2", "p3"):
            project = await _project(gate, name)
            key_id, key = f"k_{'a' * 10}", b"aks_" + b"a" * 43
            if name != "p3":
                shown = await project.add_signing_key()
                key_id, key = shown.id, shown.key.reveal()
            signers[name] = Signer(key_id, key, project.id)
        await asyncio.sleep(0.02)  # until the changes were heard
        port = await stack.enter_async_context(served(APIKeyChainMiddleware(host, gate.keychain)))
        yield Site(port, gate, clock, signers, itertools.count())


async def _project(gate: Gate, name: str) -> ProjectAdmin:
    project = await gate.acme.create_project(name)
    base = f"https://weather.localhost:{gate.provider.port}"
    routes = [
        ProxyRoute(
            route,
            provider="weather",
            path=f"/{route}",
            tail=True,
            undeclared="forward",
            methods=["GET", "POST", "PUT"],
            body=RawBody(["application/json"]),
            max_body_bytes=CAP,
        )
        for route in ("demo", "other")
    ]
    await project.configure(
        providers=[Provider("weather", base, HeaderCredential("x-key"))],
        secrets={"weather": Secret(KEY)},
        routes=routes,
        quota="100000/minute",
        address_quota="100000/minute",
        enabled=True,
    )
    return project


def _part(case: dict[str, Any]) -> float:
    """The part of a second that the clock shows, so that whole timestamps lie at the case's distance."""
    return float(round(-case.get("ts_offset", 0) % 1, 3))


def _expected(case: dict[str, Any]) -> list[str]:
    return list(case.get("expect_each", [STRICTER.get(case["name"], case["expect"])]))


def _require(expected: str, answers: Sequence[Answer], seen: int) -> None:
    taken = [answer for answer in answers if 200 <= answer.status < 300]
    refused = [answer for answer in answers if 400 <= answer.status < 500]
    assert len(taken) + len(refused) == len(answers)
    assert len(taken) == seen == (0 if expected == "reject" else 1)
    assert all(answer.code for answer in refused)
    if expected == "accept":
        assert not refused


if PLAIN:

    @pytest.mark.parametrize("manner", get_args(Manner))
    @pytest.mark.parametrize("case", PLAIN, ids=lambda case: case["id"])
    async def test_a_signed_request_that_others_tried_passes_or_is_refused(
        case: dict[str, Any], manner: Manner, site: Site
    ) -> None:
        steps = attempts(case, site.signers, site.next_second(_part(case)), manner)
        for expected, attempt in zip(_expected(case), steps, strict=True):
            answers, seen = await site.send(attempt)
            _require(expected, answers, seen)

    @pytest.mark.parametrize("manner", get_args(Manner))
    async def test_a_body_beyond_the_cap_is_refused_under_a_good_signature(manner: Manner, site: Site) -> None:
        (attempt,) = attempts(_signed(body="x" * (CAP + 1)), site.signers, site.next_second(), manner)
        answers, seen = await site.send(attempt)
        _require("reject", answers, seen)
        assert (answers[0].status, answers[0].code) == (413, "body-too-large")

    @pytest.mark.parametrize("manner", get_args(Manner))
    async def test_an_encoded_body_is_refused_under_a_good_signature(manner: Manner, site: Site) -> None:
        case = _signed(body_hex="1f8b08000000000000030300000000000000000000")
        case["send"] = {"extra": [["Content-Encoding", "gzip"]]}
        (attempt,) = attempts(case, site.signers, site.next_second(), manner)
        answers, seen = await site.send(attempt)
        _require("reject", answers, seen)
        assert (answers[0].status, answers[0].code) == (415, "type-refused")

    async def test_no_key_a_wrong_key_and_a_wrong_mac_look_the_same_from_outside(site: Site) -> None:
        now = site.next_second()
        unknown = dict(site.signers, p1=dataclasses.replace(site.signers["p1"], key_id="k_unknown"))
        keyless = _signed(project="p3", target=BASE["target"].replace("p1", "p3"))
        answers = [
            await site.send_one(attempts(case, signers, now, "nonce")[0])
            for case, signers in (
                (_signed() | {"sig": "zero"}, site.signers),
                (_signed() | {"sig": "key:key-of-p2"}, site.signers),
                (_signed(), unknown),
                (keyless, site.signers),
            )
        ]
        assert {(answer.status, answer.code, answer.body) for answer in answers} == {
            (401, "signature-refused", answers[0].body)
        }
        nameless = [[name for name, _ in answer.headers] for answer in answers]
        assert all(names == nameless[0] for names in nameless)

    async def test_a_thousand_refused_requests_keep_no_good_one_out(site: Site) -> None:
        now = site.next_second()
        bad = [attempts(_signed(body=f"{n}") | {"sig": "zero"}, site.signers, now, "nonce")[0] for n in range(1000)]
        good = attempts(_signed(), site.signers, now, "nonce")[0]
        before = len(site.gate.provider.requests)
        # Ten connections at once, and the good one while they are busy.
        floods = [asyncio.create_task(exchange(site.port, *map(site.written, bad[start::10]))) for start in range(10)]
        await asyncio.sleep(0.05)
        answer = await site.send_one(good)
        busy = [flood for flood in floods if not flood.done()]
        refused = [answer for answers in await asyncio.gather(*floods) for answer in answers]
        assert (answer.status, len(site.gate.provider.requests) - before) == (200, 1)
        assert busy
        assert {answer.code for answer in refused} == {"signature-refused"}

    async def test_a_refused_request_writes_nothing_of_its_own(site: Site) -> None:
        now = site.next_second()
        await asyncio.sleep(WRITTEN)
        before = len(await site.gate.acme.entries(0, 10_000))
        for how in ("zero", "flip_last", "trunc:63"):
            (attempt,) = attempts(_signed() | {"sig": how}, site.signers, now, "nonce")
            assert (await site.send_one(attempt)).status == 401
        await asyncio.sleep(WRITTEN)
        entries = (await site.gate.acme.entries(0, 10_000))[before:]
        # The watch tells of the others of this minute.
        assert {entry.kind for entry in entries} <= {"refusals", "watch.noticed"}

    async def test_the_window_is_no_ones_to_set(site: Site) -> None:
        names = {field.name for field in dataclasses.fields(APIKeyChainSettings)}
        assert not [name for name in names if "window" in name or "skew" in name or "clock" in name]


def _signed(**sign: Any) -> dict[str, Any]:
    return {"id": "own", "sign": sign}
