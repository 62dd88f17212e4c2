"""What asks a provider: bounded, by the registered address alone, and it tells nothing of an answer."""

import asyncio
import base64
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from apikeychain import AWSCredential
from apikeychain.backends.upstream_aiohttp import AiohttpUpstream
from apikeychain.errors import BackendUnavailableError, RotationRefusedError
from apikeychain.model.key_steps import Step
from apikeychain.model.provider import BasicCredential, Credential, HeaderCredential, Provider, QueryCredential
from apikeychain.model.route import MIB
from apikeychain.rotation import line as lines
from apikeychain.rotation.access import Access, tried
from apikeychain.rotation.answer import Answer, bounded
from apikeychain.rules.forwarding import USER_AGENT
from apikeychain.rules.key_steps import Asked
from apikeychain.secret import Secret
from apikeychain.testing.local_provider import LocalProvider, Visit
from apikeychain.testing.upstream_scene import LocalGuard
from described_api import HOST, access_to

KEY = Secret("a-made-up-key")
ASKED = Asked(method="GET", path=b"/keys", query=b"a=b")
IN_HEADER = HeaderCredential("X-Key")
TRY = Step(method="GET", path="/keys")


@asynccontextmanager
async def reached(credential: Credential = IN_HEADER) -> AsyncGenerator[tuple[LocalProvider, Access]]:
    async with LocalProvider(HOST) as local, AiohttpUpstream(LocalGuard()) as upstream:
        provider = Provider("p", f"https://{HOST}:{local.port}/v1", credential, headers=(("X-Version", "7"),))
        yield local, access_to(upstream, local, {"admin": provider, "turned": provider}, {"admin": KEY}, "turned")


@pytest.mark.parametrize(
    ("credential", "line", "target"),
    [
        (HeaderCredential("X-Key", "Key "), (b"x-key", b"Key a-made-up-key"), b"/v1/keys?a=b"),
        (BasicCredential("user"), (b"authorization", b"Basic dXNlcjphLW1hZGUtdXAta2V5"), b"/v1/keys?a=b"),
        (QueryCredential("key"), None, b"/v1/keys?a=b&key=a-made-up-key"),
    ],
    ids=["header", "basic", "query"],
)
async def test_a_request_goes_to_the_registered_address_with_the_secret_where_the_provider_wants_it(
    credential: Credential, line: tuple[bytes, bytes] | None, target: bytes
) -> None:
    async with reached(credential) as (local, access):
        asked = replace(ASKED, headers=((b"x-key", b"not-this"), (b"x-more", b"1")))
        answer = await (await access.line("p", "admin")).ask(asked)
    (received,) = local.requests
    assert answer == Answer(200, b"")
    assert (received.method, received.target) == ("GET", target)
    sent = dict(received.lines)
    assert sent[b"x-version"] == b"7"
    assert sent[b"user-agent"] == USER_AGENT
    assert sent[b"accept-encoding"] == b"identity"
    assert sent[b"x-more"] == b"1"
    assert b"content-type" not in sent
    assert line is None or received.headers.all(line[0]) == (line[1],)


async def test_a_query_of_the_credential_alone_begins_with_a_mark() -> None:
    async with reached(QueryCredential("key")) as (local, access):
        await (await access.line("p", "admin")).ask(replace(ASKED, query=b""))
    assert local.requests[0].target == b"/v1/keys?key=a-made-up-key"


async def test_a_line_without_a_secret_sends_none_and_a_providers_own_agent() -> None:
    async with reached() as (local, access):
        held = await access.held("admin")
        await access.bare_line(replace(held, provider=replace(held.provider, user_agent="own/1"))).ask(ASKED)
    assert b"x-key" not in local.requests[0].headers
    assert local.requests[0].headers.get(b"user-agent") == b"own/1"


async def test_a_redirect_is_not_followed_and_says_nothing() -> None:
    async with reached() as (local, access):
        local.on("/v1/keys", lambda visit: visit.answer(302, [(b"location", b"/v1/elsewhere")]))
        line = await access.line("p", "admin")
        answer = await line.ask(ASKED)
        with pytest.raises(BackendUnavailableError, match="did not say what came of it"):
            line.require(answer, "make a key")
    assert [request.target for request in local.requests] == [b"/v1/keys?a=b"]


@pytest.mark.parametrize("way", ["whole", "chunked"])
async def test_an_answer_is_read_to_a_mebibyte(way: str) -> None:
    async with reached() as (local, access):

        async def long(visit: Visit) -> None:
            if way == "whole":
                await visit.answer(200, body=b"x" * (MIB + 1))
                return
            await visit.head(200, [(b"transfer-encoding", b"chunked")])
            for _ in range(1000):
                await visit.chunk(b"x" * 65_536)

        local.on("/v1/keys", long)
        with pytest.raises(BackendUnavailableError, match="longer than 1 MiB"):
            await (await access.line("p", "admin")).ask(ASKED)
        local.on("/v1/keys", lambda visit: visit.answer(200, body=b"x" * MIB))
        assert len((await (await access.line("p", "admin")).ask(ASKED)).body) == MIB


async def test_an_answer_that_breaks_off_says_nothing() -> None:
    async with reached() as (local, access):

        async def cut(visit: Visit) -> None:
            await visit.head(200, [(b"content-length", b"100")])
            await visit.write(b"half")
            visit.cut()

        local.on("/v1/keys", cut)
        with pytest.raises(BackendUnavailableError, match="broke off") as error:
            await (await access.line("p", "admin")).ask(ASKED)
    assert error.value.__suppress_context__


async def test_a_provider_that_answers_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "CALL_SECONDS", 0.05)
    async with reached() as (local, access):
        local.on("/v1/keys", Visit.gone)
        with pytest.raises(BackendUnavailableError, match="did not answer within"):
            await (await access.line("p", "admin")).ask(ASKED)


async def test_a_deed_is_bounded() -> None:
    with pytest.raises(BackendUnavailableError, match="provider 'p' did not answer within 0 s"):
        await bounded(asyncio.Event().wait(), 0.01, "'p'")


async def test_what_is_not_there_is_refused_before_anything_is_sent() -> None:
    async with reached() as (local, access):
        with pytest.raises(RotationRefusedError, match="'admin' belongs to the provider 'p': put one for 'q'"):
            await access.line("q", "admin")
        with pytest.raises(RotationRefusedError, match="no secret 'other' that opens for the address of its"):
            await access.line("p", "other")
        with pytest.raises(RotationRefusedError, match="a port of its own"):
            replace(access, networks={}).line_with(KEY)
    assert not local.requests


async def test_a_provider_at_the_usual_port_needs_no_entry_of_the_host() -> None:
    async with reached() as (local, access):
        known = Provider("p", "https://api.provider.test", HeaderCredential("X-Key"))
        public = replace(access, provider=known, networks={})
        # Nothing is listening there: that it was dialled is what the error says.
        with pytest.raises(BackendUnavailableError, match="was not reached"):
            await public.line_with(KEY).ask(ASKED)
    assert not local.requests


async def test_a_secret_that_cannot_be_part_of_a_request_is_refused() -> None:
    secret = Secret("a-made-up-key")
    secret._value = b"a-made-up\nkey"  # as no secret can be made
    async with reached() as (local, access):
        with pytest.raises(RotationRefusedError, match="or sign one: put another"):
            await access.line_with(secret).ask(ASKED)
    assert not local.requests


async def test_a_new_key_that_is_refused_at_first_is_tried_again() -> None:
    waited: list[float] = []

    async def pause(seconds: float) -> None:
        waited.append(seconds)

    statuses = [403, 401, 200]
    async with reached() as (local, access):
        local.on("/v1/keys", lambda visit: visit.answer(statuses.pop(0)))
        await tried(replace(access, pause=pause), TRY, KEY)
        assert waited == [1.0, 2.0]
        statuses += [403] * 5
        with pytest.raises(RotationRefusedError, match=r"refused to take the new key \(HTTP 403\)"):
            await tried(replace(access, pause=pause), TRY, KEY)
        assert waited == [1.0, 2.0, 1.0, 2.0, 4.0, 8.0]
        assert not statuses


@pytest.mark.parametrize(("status", "error"), [(404, RotationRefusedError), (500, BackendUnavailableError)])
async def test_a_trial_that_says_nothing_of_the_key_is_made_once(status: int, error: type[Exception]) -> None:
    async with reached() as (local, access):
        local.on("/v1/keys", lambda visit: visit.answer(status))
        with pytest.raises(error):
            await tried(access, TRY, KEY)
    assert len(local.requests) == 1


@pytest.mark.parametrize(
    ("credential", "key", "hidden", "kept"),
    [
        (IN_HEADER, "a-made-up-key", "a-made-up-key", "other"),
        (QueryCredential("key"), "a-made-up-key", "a-made-up-key", "other"),
        (BasicCredential(), "the-name:a-made-up-key", "a-made-up-key", "other"),
        (BasicCredential(), "a-made-up-key:api_token", "a-made-up-key", "other"),
        (
            AWSCredential("us-east-1", "iam"),
            "AKIAIOSFODNN7EXAMPLE:a-made-up-key",
            "a-made-up-key",
            "AKIAIOSFODNN7EXAMPLE",
        ),
    ],
    ids=["header", "query", "pair", "name", "aws"],
)
async def test_what_was_sent_of_a_secret_is_struck_from_an_answer(
    credential: Credential, key: str, hidden: str, kept: str
) -> None:
    async with reached(credential) as (local, access):

        async def echo(visit: Visit) -> None:
            lines = b"".join(name + b": " + value + b"\n" for name, value in visit.received.lines)
            coded = base64.b64encode(hidden.encode())
            told = b"\n".join([visit.received.target, lines, coded, hidden.encode(), f"-{kept}-".encode()])
            await visit.answer(200, body=b"x" * 70_000 + told)

        local.on("/v1/keys", echo)
        answer = await access.line_with(Secret(key)).ask(ASKED)
    assert hidden.encode() not in answer.body
    assert base64.b64encode(hidden.encode()) not in answer.body
    assert f"-{kept}-".encode() in answer.body
    received = local.requests[0].headers.get(b"authorization") or b""
    signature = received.rpartition(b"Signature=")[2] if isinstance(credential, AWSCredential) else b""
    assert not signature or signature not in answer.body


async def test_what_was_sent_in_a_form_is_struck_from_an_answer() -> None:
    async with reached() as (local, access):

        async def echo(visit: Visit) -> None:
            await visit.read_all()
            await visit.answer(200, body=bytes(visit.received.body))

        local.on("/v1/keys", echo)
        asked = Asked(method="POST", path=b"/keys", body=b"s=a-made-up%26key", secrets=(b"a-made-up&key",))
        answer = await access.bare_line(await access.held("admin")).ask(asked)
    assert answer.body.startswith(b"s=[redacted]")
