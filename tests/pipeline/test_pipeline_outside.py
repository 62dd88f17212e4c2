"""Origins, preflights and allow-list entries that others wrote down, end to end: raw bytes on a socket of uvicorn, the
gate, and a provider that writes down what reaches it. Where the folder of cases is absent there are no tests.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio

from apikeychain import (
    APIKeyChain,
    APIKeyChainMiddleware,
    APIKeyChainSettings,
    Provider,
    QueryCredential,
    Secret,
)
from apikeychain.errors import InvalidValueError
from apikeychain.model.headers import Line
from apikeychain.model.origin import parse_origin
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.testing.local_provider import LocalProvider, Visit
from gate import KEY, WEATHER, Answer, Gate, host
from outside import cases
from wire import exchange, request, served

ORIGINS, PREFLIGHTS, ENTRIES = cases("cors_origin"), cases("cors_preflight"), cases("cors_config")
HTTPS = (b"x-forwarded-proto", b"https")
MODES = {False: "/gate", True: "/development-gate"}
REFUSED = {"no_cors", "preflight_refused", "4xx or preflight_refused", "per_tier"}

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def readable_to_all(visit: Visit) -> None:
    """A provider that opens itself to every page."""
    lines = [(b"Access-Control-Allow-Origin", b"*"), (b"Access-Control-Allow-Credentials", b"true")]
    await visit.answer(200, lines, b"fine")


@dataclass
class Site:
    """A server in front of a provider, with one gate for production and one for development.

    Attributes:
        gates: by whether it is that of development.
        projects: one for each allow-list, as they were needed.
    """

    port: int
    provider: LocalProvider
    gates: dict[bool, Gate]
    projects: dict[tuple[str, ...], ProjectAdmin] = field(default_factory=dict[tuple[str, ...], ProjectAdmin])

    async def project(self, allowed: Sequence[str]) -> ProjectAdmin:
        """The project with that allow-list, as far as it can be expressed; http origins live in development only."""
        origins = tuple(_allowed(allowed))
        if origins not in self.projects:
            development = any(origin.startswith("http://") for origin in origins)
            project = await self.gates[development].acme.create_project(f"p{len(self.projects)}")
            base = f"https://weather.localhost:{self.provider.port}"
            await project.configure(
                origins=origins,
                providers=[Provider("weather", base, QueryCredential("appid"))],
                secrets={"weather": Secret(KEY)},
                routes=[WEATHER],
                quota="100000/minute",
                address_quota="100000/minute",
                enabled=True,
            )
            self.projects[origins] = project
        return self.projects[origins]

    async def get(self, project: ProjectAdmin, lines: Sequence[Line]) -> tuple[Answer, int]:
        """The answer to a call, and how many requests the provider saw of it."""
        if not any({0x00, 0x0A, 0x0D} & set(value) for _, value in lines):
            (answer,), seen = await self.send(project, "GET", lines)
            return answer, seen
        # uvicorn would refuse or divide the value: what another server might hand on is handed on here.
        before = len(self.provider.requests)
        path = project.url("weather")
        answer = await self.gates[path.startswith(MODES[True])].call(path, b"q=Paris", headers=lines)
        return answer, len(self.provider.requests) - before

    async def send(self, project: ProjectAdmin, method: str, *calls: Sequence[Line]) -> tuple[list[Answer], int]:
        """The answers to calls on one connection, and how many requests the provider saw of them."""
        before = len(self.provider.requests)
        target = "*" if method == "OPTIONS *" else project.url("weather") + "?q=Paris"
        sent = [request(method.partition(" ")[0], target, [HTTPS, *lines]) for lines in calls]
        return await exchange(self.port, *sent), len(self.provider.requests) - before


def _allowed(texts: Sequence[str]) -> list[str]:
    allowed: list[str] = []
    for text in texts:
        try:
            allowed.append(parse_origin(text, development=True))
        except InvalidValueError:
            assert text.startswith("http://")
    return allowed


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site() -> AsyncGenerator[Site, None]:
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(LocalProvider("weather.localhost"))
        provider.on("/data/2.5/weather", readable_to_all)
        network = {f"https://weather.localhost:{provider.port}": provider.network}
        app, gates = host, dict[bool, Gate]()
        for development, prefix in MODES.items():
            settings = APIKeyChainSettings(prefix=prefix, development=development, trusted_proxies=("127.0.0.1",))
            keychain = await stack.enter_async_context(APIKeyChain.in_memory(settings=settings, network=network))
            acme = await keychain.ensure_tenant("acme")
            app = APIKeyChainMiddleware(app, keychain)
            gates[development] = Gate(keychain, provider, acme, await acme.ensure_project("entries"), app)
        yield Site(await stack.enter_async_context(served(app)), provider, gates)


if ORIGINS:

    @pytest.mark.parametrize("case", ORIGINS, ids=lambda case: case["id"])
    async def test_an_origin_that_others_tried_is_let_in_or_stays_out(case: dict[str, Any], site: Site) -> None:
        values = [bytes.fromhex(value) for value in case["origin_hex"]]
        project = await site.project(case["allowed"])
        answer, seen = await site.get(project, [(b"origin", value) for value in values])
        allows = answer.headers.all(b"access-control-allow-origin")
        # Blanks round a value are the server's: they are no part of it on the wire (RFC 9110, 5.5).
        if case["expect"] == "allow":
            assert (answer.status, allows, seen) == (200, (values[0].strip(b" \t"),), 1)
            return
        assert (allows, seen) == ((), 0)
        repeated = len(values) > 1
        assert (answer.status, answer.code) == ((400, "header-refused") if repeated else (403, "origin-refused"))


if PREFLIGHTS:

    @pytest.mark.parametrize("case", PREFLIGHTS, ids=lambda case: case["id"])
    async def test_a_preflight_or_call_that_others_tried_goes_as_it_should(case: dict[str, Any], site: Site) -> None:
        expected, asked = case["expect"], case["request"]
        project, page = await site.project(case["allowed"]), (b"origin", case["allowed"][0].encode())
        lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in asked["headers"]]
        before = expected.get("before", "")
        removed, again = "remove the entry" in before, "same connection" in before
        if removed:
            await project.remove_origin(case["allowed"][0])
        (*_, answer), seen = await site.send(project, asked["method"], *([[page]] if again else []), lines)
        if removed:
            await project.allow_origin(case["allowed"][0])
        _require(case, answer, seen - again)


def _require(case: dict[str, Any], answer: Answer, seen: int) -> None:
    expected, outcome = case["expect"], case["expect"]["outcome"]
    names = {name for name, _ in answer.headers}
    hidden = expected.get("not_echoed", "nothing")
    hidden = dict(case["request"]["headers"])["Access-Control-Request-Headers"] if hidden is True else hidden
    assert seen == (1 if outcome == "served" else 0)
    assert expected.get("no_header", "").lower().encode() not in names
    assert hidden not in repr(answer.headers.lines) + repr(answer.body)
    if outcome in REFUSED:
        assert answer.status == 403
        assert not [name for name in names if name.startswith(b"access-control-")]
    elif outcome in {"served", "preflight_ok", "plain_options"}:
        assert answer.status == {"served": 200, "preflight_ok": 204, "plain_options": 405}[outcome]
        assert answer.headers.all(b"access-control-allow-origin") == (expected["acao"].encode(),)
        assert answer.headers.all(b"access-control-allow-credentials") == (b"true",)
    else:
        # What was meant as one value with a line end in it is two lines on the wire; ``OPTIONS *`` is the host's own.
        assert outcome in {"refused", "4xx or plain_options"}
        return
    assert answer.headers.get(b"vary") == b"Origin"


if ENTRIES:

    @pytest.mark.parametrize("development", [False, True], ids=["production", "development"])
    @pytest.mark.parametrize("case", ENTRIES, ids=lambda case: case["id"])
    async def test_an_entry_that_others_tried_is_taken_or_refused(
        case: dict[str, Any], development: bool, site: Site
    ) -> None:
        project = site.gates[development].shop
        text = bytes.fromhex(case["entry_hex"]).decode()
        # Plain http is for this machine alone, whatever a case's author would take.
        if case["expect"] == "accept" and not text.startswith("http://"):
            await project.allow_origin(text)
            assert [entry.origin for entry in await project.list_origins()] == [text]
            await project.remove_origin(text)
        else:
            assert case["expect"] == "reject" or case["doubtful"]
            with pytest.raises(InvalidValueError):
                await project.allow_origin(text)
        assert await project.list_origins() == []
