"""Answers that a sound OpenBao does not give, and how often it is asked."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from apikeychain.backends.openbao import AppRole, OpenBaoKeyService, Token
from apikeychain.errors import BackendUnavailableError, SettingsError
from apikeychain.model.keys import KeyContext
from apikeychain.secret import Secret
from apikeychain.testing.eventually import until
from apikeychain.testing.local_provider import LocalProvider, Visit
from outages import require_refused

CONTEXT = KeyContext(tenant="acme", purpose="tenant-secret")
KEY = bytes(32)
TOKEN = "s.a-made-up-token"
WRAPPED = b"vault:v1:" + b"A" * 80
GOOD_KEY = {"type": "aes256-gcm96", "derived": True, "latest_version": 3, "min_available_version": 0}
LOGGED_IN = {"auth": {"client_token": TOKEN, "lease_duration": 3600, "renewable": True}}


class Stand:
    """What stands where an OpenBao should: it answers each path with what it was told, one after another."""

    def __init__(self, provider: LocalProvider) -> None:
        self.provider = provider
        self.says("auth/approle/login", LOGGED_IN)
        self.says("transit/keys/apikeychain", {"data": GOOD_KEY})

    def says(self, path: str, *answers: object) -> None:
        """What is said of a path: a status, bytes, or an object; the last one again and again."""
        left = list(answers)

        async def answer(visit: Visit) -> None:
            said = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(said, int):
                lines = [(b"location", b"https://127.0.0.1:%d/v1/elsewhere" % self.provider.port)]
                await visit.answer(said, lines, b'{"errors":["a-text-of-the-server"]}')
            else:
                await visit.answer(200, body=said if isinstance(said, bytes) else json.dumps(said).encode())

        self.provider.on(f"/v1/{path}", answer)

    def asked(self, path: str) -> int:
        return sum(request.target == f"/v1/{path}".encode() for request in self.provider.requests)

    def service(self, **more: Any) -> OpenBaoKeyService:
        login = AppRole(role_id="role", secret_id=Secret("a-made-up-secret-id"))
        address = f"https://127.0.0.1:{self.provider.port}"
        given: dict[str, Any] = {"login": login, "ca_file": self.provider.ca_pem_path} | more
        return OpenBaoKeyService(address, **given)


@pytest.fixture
async def stand() -> AsyncGenerator[Stand, None]:
    async with LocalProvider("127.0.0.1") as provider:
        yield Stand(provider)


async def test_what_passes_is_asked_again_and_nobody_notices(stand: Stand) -> None:
    stand.says("transit/encrypt/apikeychain", 429, 503, {"data": {"ciphertext": WRAPPED.decode()}})
    async with stand.service() as service:
        assert await service.wrap(KEY, CONTEXT) == WRAPPED
    assert stand.asked("transit/encrypt/apikeychain") == 3


@pytest.mark.parametrize(
    ("status", "told", "times"),
    [
        (429, "throttled by a quota", 3),
        (503, "it is sealed", 3),
        (500, r"its answer \(500\) is not one that is known", 3),
        (502, r"its answer \(502\)", 3),
        (307, r"its answer \(307\)", 1),
        (412, r"it refuses \(412\)", 1),
        (400, r"it refuses \(400\): the transit key is not as it was", 1),
        (404, r"it refuses \(404\): the transit key", 1),
    ],
)
async def test_a_status_is_told_and_asked_for_again_where_that_may_help(
    stand: Stand, status: int, told: str, times: int
) -> None:
    stand.says("transit/encrypt/apikeychain", status)
    async with stand.service() as service:
        await require_refused(service, told)
    assert stand.asked("transit/encrypt/apikeychain") == times
    assert stand.asked("elsewhere") == 0


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"no json",
        b"[" * 30_000,
        b"[]",
        b'"text"',
        {},
        {"data": None},
        {"data": {"ciphertext": 1}},
        {"data": {"ciphertext": "vault:v0:" + "A" * 80}},
        {"data": {"ciphertext": "vault:v1:" + "A" * 78 + "/="}},
        {"data": {"ciphertext": WRAPPED.decode() + "\n"}},
    ],
)
async def test_an_answer_that_is_none_is_not_taken_for_a_wrapped_key(stand: Stand, said: object) -> None:
    stand.says("transit/encrypt/apikeychain", said)
    async with stand.service() as service:
        await require_refused(service, r"its answer \(200\) is not one that is known")


@pytest.mark.parametrize("said", [{}, {"data": {}}, {"data": {"plaintext": None}}, {"data": {"plaintext": "AB=="}}])
async def test_an_answer_that_is_none_is_not_taken_for_a_key(stand: Stand, said: object) -> None:
    stand.says("transit/decrypt/apikeychain", said)
    async with stand.service() as service:
        with pytest.raises(BackendUnavailableError):
            await service.unwrap(WRAPPED, CONTEXT)


async def test_an_answer_without_end_is_cut(stand: Stand) -> None:
    stand.says("transit/encrypt/apikeychain", b" " * 64 * 1024 + b"{}")
    async with stand.service() as service:
        await require_refused(service, "its answer is too long")


async def test_an_answer_that_drips_is_waited_for_five_seconds_in_all(stand: Stand) -> None:
    async def drip(visit: Visit) -> None:
        await visit.head(200, [(b"content-length", b"1000")])
        while True:
            await visit.write(b" ")
            await asyncio.sleep(0.5)

    stand.provider.on("/v1/transit/encrypt/apikeychain", drip)
    async with stand.service() as service:
        began = time.monotonic()
        await require_refused(service, "it does not answer")
        assert 4.5 < time.monotonic() - began < 6


async def test_a_rotation_and_a_login_are_asked_for_once(stand: Stand) -> None:
    stand.says("transit/keys/apikeychain/rotate", 500)
    async with stand.service() as service:
        with pytest.raises(BackendUnavailableError):
            await service.rotate()
    assert stand.asked("transit/keys/apikeychain/rotate") == 1
    stand.says("transit/keys/apikeychain/rotate", {"data": {"latest_version": "4"}})
    stand.says("transit/keys/apikeychain", {"data": GOOD_KEY})
    async with stand.service() as service:
        with pytest.raises(BackendUnavailableError, match="not one that is known"):
            await service.rotate()


async def test_a_retirement_that_is_refused_half_way_says_so(stand: Stand) -> None:
    full: Mapping[str, object] = GOOD_KEY | {"min_decryption_version": 1, "min_encryption_version": 0}
    stand.says("transit/keys/apikeychain", {"data": full})
    stand.says("transit/keys/apikeychain/config", {"data": full})
    stand.says("transit/keys/apikeychain/trim", 400)
    async with stand.service() as service:
        with pytest.raises(BackendUnavailableError, match=r"it refuses \(400\)"):
            await service.retire(1)


@pytest.mark.parametrize("said", [{"auth": {}}, {"auth": None}, {"auth": {"client_token": "short"}}, 500, 403, b"no"])
async def test_a_login_that_brings_no_token_closes(stand: Stand, said: object) -> None:
    stand.says("auth/approle/login", said)
    with pytest.raises(BackendUnavailableError):
        await stand.service().__aenter__()
    assert stand.asked("auth/approle/login") <= 3


async def test_a_token_that_cannot_be_looked_up_closes_and_one_that_may_not_look_serves(stand: Stand) -> None:
    stand.says("auth/token/lookup-self", 500)
    with pytest.raises(BackendUnavailableError, match=r"its answer \(500\)"):
        await stand.service(login=Token(Secret(TOKEN))).__aenter__()
    stand.says("auth/token/lookup-self", 403)
    async with stand.service(login=Token(Secret(TOKEN))):
        pass


async def test_an_answer_about_the_key_that_is_none_is_refused_at_the_opening(stand: Stand) -> None:
    stand.says("transit/keys/apikeychain", 400)
    with pytest.raises(BackendUnavailableError, match=r"it refuses \(400\)"):
        await stand.service().__aenter__()
    stand.says("transit/keys/apikeychain", {"data": GOOD_KEY | {"soft_deleted": True}})
    with pytest.raises(SettingsError, match="soft_deleted is wrong, it is deleted"):
        await stand.service().__aenter__()


async def test_what_is_sent_is_the_token_in_its_header_and_never_in_a_url(stand: Stand) -> None:
    stand.says("transit/encrypt/apikeychain", {"data": {"ciphertext": WRAPPED.decode()}})
    async with stand.service(namespace="team") as service:
        await service.wrap(KEY, CONTEXT)
    login, read, wrap, revoke = stand.provider.requests
    assert b"x-vault-token" not in dict(login.lines)
    assert revoke.target == b"/v1/auth/token/revoke-self"
    for request in (read, wrap, revoke):
        lines = dict(request.lines)
        assert lines[b"x-vault-token"] == TOKEN.encode()
        assert lines[b"x-vault-namespace"] == b"team"
        assert lines[b"x-vault-request"] == b"true"
        assert TOKEN.encode() not in request.target


@asynccontextmanager
async def proxied(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[list[bytes], None]:
    """A proxy that the environment names, and what came to it."""
    came: list[bytes] = []

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(await reader.read(100))
        writer.close()

    async with await asyncio.start_server(meet, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, address)
        yield came


async def test_a_proxy_of_the_environment_is_not_used(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    stand.says("transit/encrypt/apikeychain", {"data": {"ciphertext": WRAPPED.decode()}})
    async with proxied(monkeypatch) as came, stand.service() as service:
        await service.wrap(KEY, CONTEXT)
    assert came == []


async def test_a_token_that_is_refused_while_another_was_had_is_not_replaced_twice(stand: Stand) -> None:
    stand.says("transit/encrypt/apikeychain", {"data": {"ciphertext": WRAPPED.decode()}})
    async with stand.service() as service:
        tokens = service._line._tokens
        old = await tokens.current()
        assert tokens.refuse(old)
        new = await tokens.current()
        assert tokens.refuse(old)
        assert await tokens.current() is new
        assert not tokens.refuse(new)


async def renewed(stand: Stand, said: object, *, renewable: bool = True) -> tuple[bool, float]:
    """Whether a token that had 3,600 s is the same after its renewal, and for how long it is good."""
    stand.says("auth/token/renew-self", said)
    stand.says("auth/approle/login", {"auth": {"client_token": TOKEN, "lease_duration": 3600, "renewable": renewable}})
    async with stand.service() as service:
        tokens = service._line._tokens
        held = await tokens.current()
        stand.says("auth/approle/login", {"auth": {"client_token": "s.another-token", "lease_duration": 1800}}, 400)
        after = await tokens._renewed(held)
        return after.token.matches(held.token), after.seconds


async def test_a_token_is_renewed_and_replaced_where_that_gains_little_or_nothing(stand: Stand) -> None:
    assert await renewed(stand, {"auth": {"lease_duration": 2000}}) == (True, 2000)
    assert await renewed(stand, {"auth": {"lease_duration": 1000}}) == (False, 1800)
    assert await renewed(stand, {"auth": {"lease_duration": 0}}) == (False, 1800)
    assert await renewed(stand, 403) == (False, 1800)
    before = stand.asked("auth/token/renew-self")
    assert await renewed(stand, {"auth": {"lease_duration": 2000}}, renewable=False) == (False, 1800)
    assert stand.asked("auth/token/renew-self") == before


async def test_a_token_that_gained_little_is_kept_where_no_other_is_to_be_had(stand: Stand) -> None:
    async with stand.service() as service:
        tokens = service._line._tokens
        held = await tokens.current()
        stand.says("auth/approle/login", 400)
        stand.says("auth/token/renew-self", {"auth": {"lease_duration": 1000}})
        assert (await tokens._renewed(held)).seconds == 1000
        stand.says("auth/token/renew-self", 403)
        with pytest.raises(BackendUnavailableError):
            await tokens._renewed(held)


async def test_the_timer_renews_what_is_held_tries_again_and_leaves_what_has_ended(stand: Stand) -> None:
    async with stand.service() as service:
        tokens = service._line._tokens
        held = await tokens.current()
        stand.says("auth/token/renew-self", 500)
        stand.says("auth/approle/login", 400)
        before = tokens._timer
        tokens._renew()
        await until(lambda: tokens._timer not in {None, before})
        assert tokens._held is held
        assert tokens._timer is not None
        assert 1100 < tokens._timer.when() - asyncio.get_running_loop().time() <= 1200
        first = tokens._timer
        held.ends = 0.0
        tokens._see_to(held)
        assert tokens._timer is first
        await tokens.close()
        asked = len(stand.provider.requests)
        tokens._renew()
        await tokens.close()
        await asyncio.sleep(0.05)
        assert len(stand.provider.requests) == asked


async def test_one_that_was_never_asked_for_a_token_closes(stand: Stand) -> None:
    stand.says("auth/approle/login", 403)
    service = stand.service()
    with pytest.raises(BackendUnavailableError, match=r"it refuses \(403\): its AppRole is wrong"):
        await service.__aenter__()
    assert len(service._lines) == 0


async def test_whoever_leaves_waits_a_second_for_the_end_of_a_token(stand: Stand) -> None:
    left = asyncio.Event()

    async def hang(_: Visit) -> None:
        await left.wait()

    stand.provider.on("/v1/auth/token/revoke-self", hang)
    async with asyncio.timeout(4):
        async with stand.service():
            pass
    left.set()
    assert stand.asked("auth/token/revoke-self") == 1
