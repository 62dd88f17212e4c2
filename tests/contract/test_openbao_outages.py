"""What becomes of a key service when its OpenBao is stopped, sealed, throttled, hung, or knows us no more."""

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from apikeychain.backends.openbao import AppRole, OpenBaoKeyService, Token
from apikeychain.backends.openbao.tokens import DOUBT_SECONDS
from apikeychain.errors import BackendUnavailableError, InvalidValueError, NotOpenError, SealedValueError, SettingsError
from apikeychain.secret import Secret
from apikeychain.testing.eventually import until
from apikeychain.testing.servers.openbao import OpenBaoServer
from outages import CONTEXT, KEY, KEY_IN_BASE64, SHUT, all_heard, require_closed, require_open, require_patience

_NAMES = itertools.count(1)


@pytest.fixture
def key(openbao: OpenBaoServer) -> str:
    """A transit key of the test's own."""
    name = f"outage-{next(_NAMES)}"
    openbao.new_key(name)
    return name


@pytest.fixture
async def service(openbao: OpenBaoServer, key: str) -> AsyncGenerator[OpenBaoKeyService, None]:
    async with openbao.key_service(openbao.app_role("gate", key=key), key=key) as opened:
        yield opened


def of(openbao: OpenBaoServer, key: str, login: AppRole | Token) -> OpenBaoKeyService:
    return OpenBaoKeyService(openbao.address, login=login, key=key, ca_file=openbao.ca_file)


async def test_one_that_was_stopped_serves_again_when_it_runs(
    openbao: OpenBaoServer, service: OpenBaoKeyService, caplog: pytest.LogCaptureFixture
) -> None:
    wrapped = await service.wrap(KEY, CONTEXT)
    openbao.stop()
    began = time.monotonic()
    await require_closed(service, wrapped, "it does not answer")
    assert time.monotonic() - began < 2
    openbao.start()
    await asyncio.sleep(SHUT)
    await require_open(service, wrapped)
    assert "OpenBao is no key service now: it does not answer" in caplog.text


async def test_one_that_is_sealed_says_so_and_serves_again_when_it_is_open(
    openbao: OpenBaoServer, service: OpenBaoKeyService
) -> None:
    wrapped = await service.wrap(KEY, CONTEXT)
    openbao.seal()
    await require_closed(service, wrapped, "it is sealed")
    openbao.unseal()
    await asyncio.sleep(SHUT)
    await require_open(service, wrapped)


async def test_one_that_hangs_is_waited_for_once_and_refused_at_once_after_that(
    openbao: OpenBaoServer, service: OpenBaoKeyService
) -> None:
    await require_patience(openbao, service)


async def test_one_that_throttles_says_so_and_serves_again_when_it_has_room(
    openbao: OpenBaoServer, service: OpenBaoKeyService
) -> None:
    wrapped = await service.wrap(KEY, CONTEXT)
    quota = "sys/quotas/rate-limit/outage"
    openbao.ask("POST", quota, {"path": "transit", "rate": 1, "interval": "60s"})
    try:
        await require_open(service, wrapped)
        await require_closed(service, wrapped, "throttled by a quota")
    finally:
        openbao.ask("DELETE", quota)
    await asyncio.sleep(SHUT)
    await require_open(service, wrapped)


def accessors(openbao: OpenBaoServer) -> set[str]:
    """Of all tokens that there are."""
    return set(openbao.ask("LIST", "auth/token/accessors")["data"]["keys"])


async def test_a_token_that_was_revoked_is_replaced_by_one_login_for_all(
    openbao: OpenBaoServer, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = accessors(openbao)
    async with openbao.key_service(openbao.app_role("gate", key=key), key=key) as service:
        wrapped = await service.wrap(KEY, CONTEXT)
        [own] = accessors(openbao) - before
        openbao.ask("POST", "auth/token/revoke-accessor", {"accessor": own})
        await asyncio.gather(*(require_open(service, wrapped) for _ in range(20)))
        assert len(accessors(openbao) - before) == 1
    assert "OpenBao" not in caplog.text


async def test_a_token_that_ended_is_replaced_and_one_that_nobody_uses_is_renewed(
    openbao: OpenBaoServer, key: str
) -> None:
    short = openbao.app_role("gate", key=key, token_ttl="2s", token_max_ttl="1h", secret_id_num_uses=1)
    ending = openbao.app_role("operator", key=key, token_ttl="2s", token_max_ttl="2s")
    async with of(openbao, key, short) as idle, of(openbao, key, ending) as replaced:
        wrapped = await idle.wrap(KEY, CONTEXT)
        before = accessors(openbao)
        await asyncio.sleep(4.5)
        await require_open(idle, wrapped)
        async with asyncio.timeout(10):
            # OpenBao counts ages in whole seconds.
            while not accessors(openbao) - before:
                await require_open(replaced, wrapped)
                await asyncio.sleep(0.2)
        await require_open(replaced, wrapped)


async def test_a_token_is_renewed_for_as_long_as_it_can_be_when_no_other_is_to_be_had(
    openbao: OpenBaoServer, key: str
) -> None:
    role = openbao.app_role("gate", key=key, token_ttl="3s", token_max_ttl="5s", secret_id_num_uses=1)
    async with of(openbao, key, role) as service:
        wrapped = await service.wrap(KEY, CONTEXT)
        await asyncio.sleep(3.3)
        await require_open(service, wrapped)
        # OpenBao counts ages in whole seconds: a token renewed just before its end lives up to a second longer.
        await asyncio.sleep(3.2)
        await require_closed(service, wrapped, "its AppRole is wrong, or the secret id is used up or expired")


async def test_a_renewal_that_finds_nobody_is_tried_again(openbao: OpenBaoServer, key: str) -> None:
    role = openbao.app_role("gate", key=key, token_ttl="6s", token_max_ttl="1h", secret_id_num_uses=1)
    async with of(openbao, key, role) as service:
        wrapped = await service.wrap(KEY, CONTEXT)
        tokens = service._line._tokens
        openbao.seal()
        before = tokens._timer
        tokens._renew()
        await until(lambda: tokens._timer not in {None, before})
        openbao.unseal()
        await asyncio.sleep(3)
        assert tokens._held is not None
        assert tokens._held.ends - asyncio.get_running_loop().time() > 3
        await require_open(service, wrapped)


async def test_a_secret_id_that_is_used_up_closes_and_a_new_one_in_its_file_opens_without_a_restart(
    openbao: OpenBaoServer, key: str, tmp_path: Path
) -> None:
    file = tmp_path / "secret-id"
    role = openbao.app_role("gate", key=key, secret_id_num_uses=1)
    write(file, role)
    before = accessors(openbao)
    async with of(openbao, key, replace(role, secret_id=file)) as service:
        wrapped = await service.wrap(KEY, CONTEXT)
        [own] = accessors(openbao) - before
        openbao.ask("POST", "auth/token/revoke-accessor", {"accessor": own})
        await require_closed(service, wrapped, "its AppRole is wrong, or the secret id is used up")
        file.unlink()
        await asyncio.sleep(SHUT)
        await require_closed(service, wrapped, "secret-id cannot be read")
        file.write_text("short\n")
        await asyncio.sleep(SHUT)
        await require_closed(service, wrapped, "holds no token or secret id")
        write(file, openbao.app_role("gate", key=key))
        await asyncio.sleep(SHUT)
        await require_open(service, wrapped)


def write(file: Path, role: AppRole) -> None:
    assert isinstance(role.secret_id, Secret)
    file.write_bytes(role.secret_id.reveal() + b"\n")


async def test_what_the_policies_do_not_allow_is_refused_and_all_else_goes_on(
    openbao: OpenBaoServer, service: OpenBaoKeyService, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    wrapped = await service.wrap(KEY, CONTEXT)
    for _ in range(3):
        with pytest.raises(BackendUnavailableError, match="policies of its token do not allow <mount>/rewrap/<key>"):
            await service.rewrap(wrapped, CONTEXT)
        await require_open(service, wrapped)
    with pytest.raises(BackendUnavailableError, match="do not allow <mount>/keys/<key>/rotate"):
        await service.rotate()
    assert caplog.text.count("<mount>/rewrap") == 1
    operator = openbao.app_role("operator", key=key)
    async with of(openbao, key, operator) as other:
        await other.rotate()
        with pytest.raises(BackendUnavailableError, match="do not allow"):
            await other._ask("keys", {"exportable": True}, "/config")


async def test_a_policy_that_is_taken_away_closes_without_a_login_for_each_call(
    openbao: OpenBaoServer, service: OpenBaoKeyService, key: str
) -> None:
    wrapped = await service.wrap(KEY, CONTEXT)
    openbao.ask("PUT", f"sys/policies/acl/gate-{key}", {"policy": 'path "nothing" { capabilities = ["read"] }'})
    before = accessors(openbao)
    for _ in range(5):
        await require_closed(service, wrapped, "policies of its token")
    assert len(accessors(openbao) - before) == 1
    openbao.app_role("gate", key=key)
    await require_open(service, wrapped)


async def test_a_token_by_hand_is_used_and_a_new_one_in_its_file_opens_without_a_restart(
    openbao: OpenBaoServer, key: str, tmp_path: Path
) -> None:
    openbao.app_role("gate", key=key)
    file = tmp_path / "token"
    file.write_text(made_token(openbao, key))
    async with of(openbao, key, Token(file)) as service, of(openbao, key, Token(Secret(openbao.root_token))) as root:
        wrapped = await service.wrap(KEY, CONTEXT)
        await require_open(root, wrapped)
        openbao.ask("POST", "auth/token/revoke", {"token": file.read_text()})
        await require_closed(service, wrapped, "policies of its token")
        file.write_text(made_token(openbao, key, no_default_policy=True))
        await require_closed(service, wrapped, "policies of its token")
        await asyncio.sleep(DOUBT_SECONDS)
        await require_open(service, wrapped)


def made_token(openbao: OpenBaoServer, key: str, **more: object) -> str:
    body = {"policies": [f"gate-{key}"], "ttl": "1h"} | more
    return str(openbao.ask("POST", "auth/token/create", body)["auth"]["client_token"])


async def test_a_key_that_is_deleted_is_told_apart_from_one_that_does_not_open(
    openbao: OpenBaoServer, service: OpenBaoKeyService, key: str
) -> None:
    wrapped = await service.wrap(KEY, CONTEXT)
    openbao.ask("POST", f"transit/keys/{key}/config", {"deletion_allowed": True})
    openbao.ask("DELETE", f"transit/keys/{key}")
    await require_closed(service, wrapped, "the transit key is not as it was")
    openbao.new_key(key)
    with pytest.raises(SealedValueError):
        await service.unwrap(wrapped, CONTEXT)


async def test_a_key_that_a_promise_would_break_with_is_refused_at_the_opening(openbao: OpenBaoServer) -> None:
    wrong: dict[str, dict[str, object]] = {
        "derived is wrong, without it OpenBao takes no notice of whom": {"derived": False},
        "convergent_encryption is wrong": {"convergent_encryption": True},
        "exportable is wrong, the key could leave OpenBao": {"exportable": True},
        "allow_plaintext_backup is wrong": {"allow_plaintext_backup": True},
        "type is wrong": {"type": "chacha20-poly1305"},
    }
    for number, (told, more) in enumerate(wrong.items()):
        openbao.new_key(f"wrong-{number}", **more)
        login = openbao.app_role("gate", key=f"wrong-{number}")
        with pytest.raises(SettingsError, match=told):
            await of(openbao, f"wrong-{number}", login).__aenter__()
    with pytest.raises(SettingsError, match="there is no transit key of that name at that mount"):
        await of(openbao, "no-such-key", openbao.app_role("gate", key="no-such-key")).__aenter__()


async def test_a_version_takes_the_older_ones_with_it_once_and_for_good(openbao: OpenBaoServer, key: str) -> None:
    async with of(openbao, key, openbao.app_role("operator", key=key)) as service:
        first = await service.wrap(KEY, CONTEXT)
        assert [await service.rotate(), await service.rotate(), await service.rotate()] == [2, 3, 4]
        kept = await service.rewrap(first, CONTEXT)
        await service.retire(2)
        await service.retire(2)
        await service.retire(1)
        for never in (-1, 0, 4, 5):
            with pytest.raises(InvalidValueError, match="1 to 3 can"):
                await service.retire(never)
        with pytest.raises(SealedValueError):
            await service.unwrap(first, CONTEXT)
        await require_open(service, kept)
        told = openbao.ask("GET", f"transit/keys/{key}")["data"]
        assert (told["min_available_version"], told["min_decryption_version"]) == (3, 3)
        assert sorted(told["keys"]) == ["3", "4"]


async def test_a_spelling_that_openbao_would_open_too_is_refused(service: OpenBaoKeyService) -> None:
    wrapped = (await service.wrap(b'{"n":1}', CONTEXT)).decode()
    head, _, body = wrapped.rpartition(":")
    assert body.endswith("=")
    last = body.rstrip("=")[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = body.replace(last + "=", alphabet[alphabet.index(last) ^ 1] + "=")
    twins = [f"vault:v0:{body}", f"vault:v01:{body}", f"vault:v+1:{body}", f"{wrapped}\n", f"{head}:\n{body}"]
    for twin in (*twins, f"{head}:{other}"):
        # Asked as it is, OpenBao opens it.
        answer = await service._ask("decrypt", {"ciphertext": twin, **bound()})
        assert answer.is_good, twin
        with pytest.raises(SealedValueError):
            await service.unwrap(twin.encode(), CONTEXT)


def bound() -> dict[str, str]:
    from apikeychain.backends.openbao.key_service import _bound  # noqa: PLC0415 - one test looks behind the door

    return _bound(CONTEXT)


async def test_a_restart_keeps_what_was_wrapped(openbao: OpenBaoServer, service: OpenBaoKeyService) -> None:
    wrapped = await service.wrap(KEY, CONTEXT)
    openbao.stop()
    openbao.start()
    await require_open(service, wrapped)


async def test_it_is_reached_through_its_socket_and_over_plain_http_on_this_machine(
    openbao: OpenBaoServer, key: str
) -> None:
    async with OpenBaoKeyService(openbao.socket_address, login=openbao.app_role("gate", key=key), key=key) as service:
        await require_open(service, await service.wrap(KEY, CONTEXT))
    with OpenBaoServer(tls=False) as plain:
        assert plain.address.startswith("http://127.0.0.1:")
        plain.new_key()
        async with plain.key_service(plain.app_role("gate")) as service:
            await require_open(service, await service.wrap(KEY, CONTEXT))


async def test_a_certificate_that_nobody_vouches_for_is_named(openbao: OpenBaoServer, key: str) -> None:
    login = openbao.app_role("gate", key=key)
    with pytest.raises(BackendUnavailableError, match="its certificate is not trusted: give ca_file="):
        await OpenBaoKeyService(openbao.address, login=login, key=key).__aenter__()
    with pytest.raises(SettingsError, match="cannot be read"):
        await OpenBaoKeyService(openbao.address, login=login, key=key, ca_file="no-such.pem").__aenter__()


async def test_it_is_open_for_as_long_as_anybody_holds_it_open(openbao: OpenBaoServer, key: str) -> None:
    service = openbao.key_service(openbao.app_role("gate", key=key), key=key)
    async with service:
        async with service:
            wrapped = await service.wrap(KEY, CONTEXT)
        await require_open(service, wrapped)
    with pytest.raises(NotOpenError):
        await service.unwrap(wrapped, CONTEXT)


def test_each_event_loop_has_its_own_connections(openbao: OpenBaoServer, key: str) -> None:
    service = openbao.key_service(openbao.app_role("gate", key=key), key=key)

    async def left_open() -> bytes:
        await service.__aenter__()
        wrapped = await service.wrap(KEY, CONTEXT)
        await service._line.aclose()  # its sockets, which a loop that ends leaves open
        return wrapped

    async def opened(wrapped: bytes) -> int:
        async with service:
            await require_open(service, wrapped)
            return len(service._lines)

    assert asyncio.run(opened(asyncio.run(left_open()))) == 1


async def failure(service: OpenBaoKeyService, wrapped: bytes) -> BaseException:
    with pytest.raises(BackendUnavailableError) as failed:
        await service.unwrap(wrapped, CONTEXT)
    return failed.value


async def test_neither_token_nor_secret_id_nor_key_is_in_a_log_a_repr_or_an_error(
    openbao: OpenBaoServer, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    login = openbao.app_role("gate", key=key, secret_id_num_uses=1)
    assert isinstance(login.secret_id, Secret)
    async with all_heard(caplog) as heard, of(openbao, key, login) as service:
        wrapped = await service.wrap(KEY, CONTEXT)
        await require_open(service, wrapped)
        held = await service._line._tokens.current()
        token = held.token.reveal().decode()
        answer = await service._ask("decrypt", {"ciphertext": wrapped.decode(), **bound()})
        errors: list[BaseException] = []
        openbao.stop()
        # With the token in the request that fails, and then with the secret id in it.
        errors.append(await failure(service, wrapped))
        openbao.start()
        openbao.ask("POST", "auth/token/revoke", {"token": token})
        await asyncio.sleep(SHUT)
        errors.append(await failure(service, wrapped))
        openbao.stop()
        await asyncio.sleep(SHUT)
        errors.append(await failure(service, wrapped))
        heard += [repr(thing) for thing in (held, login, answer, service, vars(service), vars(service._line))]
        heard += [repr((error, error.__context__, error.__cause__, vars(error))) for error in errors]
    told = "\n".join(heard)
    assert "OpenBao is no key service now" in told
    secret_id = login.secret_id.reveal().decode()
    for secret in (token, secret_id, KEY.hex(), repr(KEY), KEY_IN_BASE64):
        assert secret not in told
