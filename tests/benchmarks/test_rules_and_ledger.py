"""Each rule of a call alone, the vault and the ledger: ``pytest tests/benchmarks -n 0 --no-cov --benchmark-enable``.

In a common run each is only tried once.
"""

import time
from collections.abc import Callable
from typing import Any

import pytest

from apikeychain import HeaderCredential, Provider, ProxyRoute, QueryParameter, Secret
from apikeychain.backends.memory_limiter import MemoryRateLimiter
from apikeychain.backends.memory_replay_guard import MemoryReplayGuard
from apikeychain.backends.memory_store import MemoryStore
from apikeychain.backends.registry_countries import RegistryCountries
from apikeychain.client.signing import Signer, sign
from apikeychain.ledger.ledger import Ledger
from apikeychain.ledger.passage import Passage
from apikeychain.model.call import Call, Reply, UpstreamReply
from apikeychain.model.headers import Headers
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head
from apikeychain.model.origin import Origin
from apikeychain.model.quota import Quota, Spend
from apikeychain.primitives import open_value, random_bytes, seal_value
from apikeychain.rules import (
    answer,
    chain,
    cors,
    headers,
    injection,
    observation,
    quotas,
    redaction,
    routing,
    signature,
)
from apikeychain.rules.caller import identify, parse_trusted
from apikeychain.rules.signed_text import NOTHING_SHA256
from apikeychain.watch.countries import Countries
from apikeychain.watch.observer import Observer
from benchmarks.ledger import a_draft
from benchmarks.load import BROWSER, ORIGIN
from exchange import NOW
from sample_project import PROJECT, a_snapshot

Benchmark = Callable[..., Any]

PARAMETERS = (
    QueryParameter("q", pattern="[A-Za-z ,]{1,64}", required=True),
    QueryParameter("limit", type="integer", minimum=1, maximum=100),
)
THING = ProxyRoute("thing", provider="things", path="/v1/thing", parameters=PARAMETERS)
PROVIDER = Provider("things", "https://api.things.example", HeaderCredential("x-api-key"))
PROJECT_OF_IT = a_snapshot(origins=[ORIGIN], routes=[THING], providers=[PROVIDER])
ROUTE = PROJECT_OF_IT.routes[b"thing"]
KEY = Secret("aks_" + "k" * 43)
SECRET = Secret("sk-test-0123456789abcdef0123456789abcdef")
TARGET = f"/api/apikeychain/{PROJECT}/proxy/thing?q=Paris&limit=10".encode()
SIGNATURE = sign(
    Signer.of("k_1", KEY),
    method="GET",
    target=TARGET,
    headers=BROWSER,
    body_sha256=NOTHING_SHA256.decode(),
    timestamp=int(time.time()),
    nonce="n" * 24,
)
CALL = Call(
    method="GET",
    scheme="https",
    project=PROJECT,
    area="proxy",
    path=b"thing",
    query=b"q=Paris&limit=10",
    headers=Headers([*BROWSER, *SIGNATURE]),
    peer="127.0.0.1",
    body=None,  # type: ignore[arg-type]  # a GET has none
)
TRUSTED = parse_trusted(("127.0.0.1",))
CALLER = identify(CALL, TRUSTED)
BODY = b'{"items":[' + b",".join(b'{"n":%d,"v":"%s"}' % (n, b"x" * 40) for n in range(16)) + b"]}"
ANSWER = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY)), (b"x-request-id", b"r-1")]
NEEDLES = redaction.needles(PROVIDER, SECRET)
DRAFT = a_draft()
HEAD = Head.empty(TenantId("acme"))
ENTRY = DRAFT.behind(HEAD)
SPENDS = [
    Spend(f"{PROJECT}:address:203.0.113.7", "address", Quota(10**8, 60)),
    Spend(f"{PROJECT}:project", "project", Quota(10**8, 60)),
]


def test_headers(benchmark: Benchmark) -> None:
    assert benchmark(Headers, [*BROWSER, *SIGNATURE]).get(b"origin") == ORIGIN.encode()


def test_identify(benchmark: Benchmark) -> None:
    assert benchmark(identify, CALL, TRUSTED).address == "203.0.113.7"


def test_a_country_that_is_remembered(benchmark: Benchmark) -> None:
    known = Countries(RegistryCountries())
    caller = CALLER._replace(address="193.0.6.139")
    assert benchmark(known.of, caller) == "NL"


def test_origin(benchmark: Benchmark) -> None:
    assert benchmark(cors.admit, CALL, PROJECT_OF_IT, CALLER) == ORIGIN


def test_signature(benchmark: Benchmark) -> None:
    def judged() -> bytes:
        return signature.require_mac(KEY, signature.read(CALL.headers), CALL, (), NOTHING_SHA256)

    assert len(benchmark(judged)) == 32


def test_quotas(benchmark: Benchmark) -> None:
    def spends() -> object:
        return quotas.spends(PROJECT_OF_IT, ROUTE, CALLER, origin=Origin(ORIGIN), user=None, proven=True)

    assert benchmark(spends)


def test_route(benchmark: Benchmark) -> None:
    assert benchmark(routing.match, CALL, PROJECT_OF_IT) is ROUTE


def test_parameters(benchmark: Benchmark) -> None:
    assert benchmark(routing.fill, CALL, ROUTE, None).query == b"q=Paris&limit=10"


def test_injection(benchmark: Benchmark) -> None:
    target = routing.fill(CALL, ROUTE, None)
    assert (b"x-api-key", SECRET.reveal()) in benchmark(injection.inject, target, SECRET, NOW).headers


def test_answer(benchmark: Benchmark) -> None:
    upstream = UpstreamReply(200, Headers(ANSWER), BODY)
    assert benchmark(answer.pass_on, upstream, ROUTE, b"/").body == BODY


@pytest.mark.parametrize("body", [BODY, BODY + SECRET.reveal()], ids=["clean", "echoed"])
def test_redaction(benchmark: Benchmark, body: bytes) -> None:
    reply = benchmark(redaction.scrub, Reply(200, tuple(ANSWER), body), NEEDLES)
    assert SECRET.reveal() not in reply.body
    assert len(reply.body) == len(body)


def test_answer_lines(benchmark: Benchmark) -> None:
    lines = cors.expose(tuple(ANSWER), Origin(ORIGIN))
    assert (b"x-content-type-options", b"nosniff") in benchmark(headers.secure, lines, CALL, CALLER, development=False)


def test_limiter(benchmark: Benchmark) -> None:
    limiter = MemoryRateLimiter()
    assert all(balance.admitted for balance in benchmark(_done, lambda: limiter.spend(SPENDS)))


def test_replay_guard(benchmark: Benchmark) -> None:
    guard = MemoryReplayGuard()
    now = int(time.time())
    assert benchmark(_done, lambda: guard.claim(random_bytes(32), now))


def test_opening_a_sealed_value(benchmark: Benchmark) -> None:
    key, context = random_bytes(32), b"context"
    sealed = seal_value(key, random_bytes(16), SECRET.reveal(), context)
    assert benchmark(open_value, key, sealed, context) == SECRET.reveal()


def test_chaining(benchmark: Benchmark) -> None:
    assert benchmark(DRAFT.behind, HEAD).seq == 1


def test_verification(benchmark: Benchmark) -> None:
    assert benchmark(chain.verify, HEAD, [ENTRY]) == ENTRY.head


def _done(deed: Callable[[], Any]) -> Any:
    """What an awaitable brings that waits for nothing."""
    work = deed()
    try:
        work.send(None)
    except StopIteration as over:
        return over.value
    msg = "it waits"
    raise AssertionError(msg)


def test_watch(benchmark: Benchmark) -> None:
    """What the watch takes of a call with two parameters: those that it judges, and the count of it at its end."""
    observer, target = Observer(), routing.fill(CALL, ROUTE, None)
    passage = Passage(CALL, CALLER, NOW, time.monotonic, observer)
    passage.project, passage.route, passage.page = PROJECT_OF_IT, ROUTE, Origin(ORIGIN)
    passage.country, passage.answered = "DE", "provider"
    passage.veil(b"k" * 32)
    passage.slot = Ledger(MemoryStore(), now=lambda: NOW).reserve(TenantId("acme"), None)

    def observed() -> None:
        passage.values = observation.taken(target, 7)
        observer(passage, 200, 1000)

    benchmark(observed)
    (counted,) = observer.take(is_last=True).popitem()[1].values()
    tally = counted.tallies()["thing"]
    assert (tally.calls, {*tally.parameters}) == (sum(tally.callers.values()), {"q", "limit"})
