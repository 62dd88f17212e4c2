"""A whole keychain whose platform key is in a real OpenBao: it serves, rides an outage out, rotates and retires."""

import asyncio
import itertools
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import canary
from apikeychain import APIKeyChain, APIKeyChainMiddleware, APIKeyChainSettings, Secret
from apikeychain.backends.openbao import OpenBaoKeyService
from apikeychain.errors import BackendUnavailableError, KeyFileError
from apikeychain.residence import Residence
from apikeychain.testing.local_provider import LocalProvider
from apikeychain.testing.servers.openbao import OpenBaoServer
from gate import APP, Gate, echo_key, host, weather_shop
from still_clock import GoingClock

QUICK = APIKeyChainSettings(kdf="pbkdf2-sha512")
FIVE_MINUTES = 300.0
SHUT = 1.05
_NAMES = itertools.count(1)


@asynccontextmanager
async def opened(directory: Path, service: OpenBaoKeyService, clock: Callable[[], float]) -> AsyncGenerator[Gate, None]:
    """The embedded default with its platform key in OpenBao, two projects, and a provider behind them."""
    async with LocalProvider("weather.localhost") as local:
        local.on("/data/2.5/weather", echo_key)
        base = f"https://weather.localhost:{local.port}"
        keychain = APIKeyChain.embedded(directory, key_service=service, settings=QUICK, network={base: local.network})
        keychain._residence = Residence(keychain._plugs, keychain.settings, keychain._networks, clock=clock)
        async with keychain:
            acme = await keychain.ensure_tenant("acme")
            for name in ("cold", "shop"):
                shop = await weather_shop(acme, base, name)
            await asyncio.sleep(1.2)  # until the news of the change were heard: they drop what is held
            yield Gate(keychain, local, acme, shop, APIKeyChainMiddleware(host, keychain))


@pytest.fixture
def key(openbao: OpenBaoServer) -> str:
    """A transit key of the test's own."""
    name = f"keychain-{next(_NAMES)}"
    openbao.new_key(name)
    return name


async def statuses(gate: Gate) -> tuple[int, int]:
    """What a call gets at the project that was called before, and at the one that was not."""
    cold = await gate.acme.project("cold")
    warm_answer = await gate.get()
    cold_answer = await gate.call(cold.url("weather"), b"q=Paris", headers=[(b"origin", APP.encode())])
    for answer in (warm_answer, cold_answer):
        assert answer.code == ("" if answer.status == 200 else "backend-unavailable")
    return warm_answer.status, cold_answer.status


@pytest.mark.parametrize("outage", ["stopped", "sealed"])
async def test_in_an_outage_opened_keys_serve_out_their_five_minutes_and_all_comes_back_without_a_restart(
    openbao: OpenBaoServer, key: str, tmp_path: Path, outage: str
) -> None:
    clock = GoingClock()
    service = openbao.key_service(openbao.app_role("gate", key=key), key=key)
    async with opened(tmp_path, service, clock) as gate:
        assert (await gate.get()).status == 200
        if outage == "stopped":
            openbao.stop()
        else:
            openbao.seal()
        assert await statuses(gate) == (200, 503)
        await gate.until_written()  # it grows old by the same clock
        clock.ahead += FIVE_MINUTES - 20
        assert await statuses(gate) == (200, 503)
        await asyncio.sleep(SHUT)
        clock.ahead += 20
        assert await statuses(gate) == (503, 503)
        openbao.start()
        await asyncio.sleep(SHUT)
        assert await statuses(gate) == (200, 200)
        assert (await gate.acme.verify_ledger()).size


async def test_a_hung_openbao_holds_up_no_call_of_what_is_open(
    openbao: OpenBaoServer, key: str, tmp_path: Path
) -> None:
    clock = GoingClock()
    service = openbao.key_service(openbao.app_role("gate", key=key), key=key)
    async with opened(tmp_path, service, clock) as gate:
        assert (await gate.get()).status == 200
        openbao.hang()
        # Due to be opened anew: that goes on in the background.
        await gate.until_written()  # it grows old by the same clock
        clock.ahead += FIVE_MINUTES - 20
        async with asyncio.timeout(2):
            assert [(await gate.get()).status for _ in range(5)] == [200] * 5
        openbao.resume()


async def test_the_platform_key_turns_everything_is_rewrapped_and_the_old_versions_open_nothing(
    openbao: OpenBaoServer, key: str, tmp_path: Path
) -> None:
    service = openbao.key_service(openbao.app_role("operator", key=key), key=key)
    async with opened(tmp_path, service, GoingClock()) as gate:
        before = openbao.ask("GET", f"transit/keys/{key}")["data"]
        assert before["latest_version"] == 1
        assert await service.rotate() == 2
        assert await gate.acme.rewrap_keys() == 3
        await service.retire(1)
        await asyncio.sleep(1.2)
        assert await statuses(gate) == (200, 200)
    # A second start opens it all with what is left.
    service = openbao.key_service(openbao.app_role("gate", key=key), key=key)
    async with opened(tmp_path, service, GoingClock()) as gate:
        assert await statuses(gate) == (200, 200)


async def test_a_key_that_was_retired_too_early_or_is_another_s_is_told_at_the_start(
    openbao: OpenBaoServer, key: str, tmp_path: Path
) -> None:
    login = openbao.app_role("operator", key=key)
    async with opened(tmp_path, openbao.key_service(login, key=key), GoingClock()) as gate:
        assert (await gate.get()).status == 200
    async with openbao.key_service(login, key=key) as service:
        await service.rotate()
        await service.retire(1)
    with pytest.raises(KeyFileError, match="this platform key does not open what is stored"):
        await APIKeyChain.embedded(tmp_path, key_service=openbao.key_service(login, key=key)).open()


async def test_a_start_without_openbao_says_so_and_the_next_one_with_it_opens(
    openbao: OpenBaoServer, key: str, tmp_path: Path
) -> None:
    keychain = APIKeyChain.embedded(
        tmp_path, key_service=openbao.key_service(openbao.app_role("gate", key=key), key=key), settings=QUICK
    )
    openbao.stop()
    with pytest.raises(BackendUnavailableError, match="it does not answer"):
        await keychain.open()
    openbao.start()
    async with keychain:
        await keychain.ensure_tenant("acme")


async def test_neither_the_token_nor_a_key_nor_the_secret_is_in_a_log_at_debug(
    openbao: OpenBaoServer, key: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    login = openbao.app_role("gate", key=key)
    assert isinstance(login.secret_id, Secret)
    service = Listening(openbao.address, login=login, key=key, ca_file=openbao.ca_file)
    async with opened(tmp_path, service, GoingClock()) as gate:
        assert await statuses(gate) == (200, 200)
        token = (await service._line._tokens.current()).token.reveal().decode()
        openbao.stop()
        gate.residence.office.vault.forget(None)
        assert await statuses(gate) == (503, 503)
    told = caplog.text + "".join(repr(record.__dict__) for record in caplog.records)
    assert "OpenBao is no key service now" in told
    assert len(service.heard) >= 4
    secrets = [token, login.secret_id.reveal().decode()]
    for raw in service.heard:
        secrets += [raw.hex(), repr(raw)]
    assert not [secret for secret in secrets if secret in told]
    assert not canary.holds(told)


class Listening(OpenBaoKeyService):
    """Notes every key that it opens."""

    def __init__(self, *arguments: object, **more: object) -> None:
        super().__init__(*arguments, **more)  # type: ignore[arg-type]  # its arguments
        self.heard: list[bytes] = []

    async def unwrap(self, wrapped: bytes, context: object) -> bytes:
        key = await super().unwrap(wrapped, context)  # type: ignore[arg-type]  # its argument
        self.heard.append(key)
        return key
