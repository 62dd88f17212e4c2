"""What a signed call needs is pulled, one at a time; and a restart between two sends of one request."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from apikeychain import APIKeyChain, APIKeyChainMiddleware, APIKeyChainSettings, Provider, QueryCredential, Secret
from apikeychain.backends.file_replay_guard import FileReplayGuard
from apikeychain.backends.memory_keys import MemoryKeyService
from apikeychain.backends.memory_limiter import MemoryRateLimiter
from apikeychain.backends.memory_replay_guard import MemoryReplayGuard
from apikeychain.errors import BackendUnavailableError
from apikeychain.model.headers import Line
from apikeychain.model.quota import Balance, Spend
from apikeychain.ports.replay_guard import Claim
from apikeychain.testing.local_provider import LocalProvider
from gate import APP, KEY, WEATHER, Answer, Gate, echo_key, host, open_gate
from signer import Signer, signer_of

QUERY = b"q=Paris"


class Switched(MemoryReplayGuard):
    """A guard that can be out of reach."""

    off = False

    async def claim(self, token: bytes, timestamp: int) -> Claim:
        if self.off:
            msg = "out of reach, said with the token " + token.hex()
            raise BackendUnavailableError(msg)
        return await super().claim(token, timestamp)


async def send(gate: Gate, lines: list[Line]) -> Answer:
    return await gate.call(gate.shop.url("weather"), QUERY, headers=lines)


def signed(gate: Gate, signer: Signer) -> list[Line]:
    return signer.sign(gate.shop.url("weather"), QUERY)


@pytest.mark.usefixtures("left")
async def test_a_guard_that_is_down_closes_the_gate_to_signed_calls_and_claims_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    guard = Switched()
    async with open_gate(replay_guard=guard) as gate:
        signer = await signer_of(gate)
        lines = signed(gate, signer)
        guard.off = True
        answer = await send(gate, lines)
        assert (answer.status, answer.code) == (503, "backend-unavailable")
        assert b"token" not in answer.body
        assert (await gate.get()).status == 200
        guard.off = False
        assert (await send(gate, lines)).status == 200
        assert len(gate.provider.requests) == 2
    assert signer.key.decode() not in caplog.text


@pytest.mark.usefixtures("left")
async def test_a_key_service_that_is_down_closes_the_gate_to_keys_that_are_not_open() -> None:
    service = MemoryKeyService()
    async with open_gate(key_service=service) as gate:
        signer = await signer_of(gate)
        assert (await send(gate, signed(gate, signer))).status == 200
        gate.keychain._office.vault.forget(gate.shop.id)
        service.reachable = False
        assert (await send(gate, signed(gate, signer))).code == "backend-unavailable"
        service.reachable = True
        assert (await send(gate, signed(gate, signer))).status == 200


@pytest.mark.usefixtures("left")
async def test_a_claim_outlives_a_limiter_that_is_down() -> None:
    class Down(MemoryRateLimiter):
        off = True

        async def spend(self, spends: Sequence[Spend]) -> tuple[Balance, ...]:
            if self.off:
                raise BackendUnavailableError
            return await super().spend(spends)

    limiter = Down()
    async with open_gate(rate_limiter=limiter) as gate:
        lines = signed(gate, await signer_of(gate))
        assert (await send(gate, lines)).code == "backend-unavailable"
        limiter.off = False
        assert (await send(gate, lines)).code == "replayed"
        assert gate.provider.requests == []


@pytest.mark.usefixtures("left")
async def test_a_caller_who_leaves_while_a_signature_is_verified_leaves_nothing() -> None:
    class Slow(MemoryReplayGuard):
        async def claim(self, token: bytes, timestamp: int) -> Claim:
            await asyncio.sleep(30)
            return await super().claim(token, timestamp)

    async with open_gate(replay_guard=Slow()) as gate:
        signer = await signer_of(gate)
        answer = await gate.call(gate.shop.url("weather"), QUERY, headers=signed(gate, signer), leave_after=0.1)
        assert answer.status == 0
        assert gate.provider.requests == []


async def test_a_restart_of_the_embedded_default_between_two_sends_forgets_no_claim(tmp_path: Path) -> None:
    async with LocalProvider("weather.localhost") as provider:
        provider.on("/data/2.5/weather", echo_key)
        base = f"https://weather.localhost:{provider.port}"
        lines: list[Line] = []
        codes: list[str] = []
        for _ in range(2):
            keychain = APIKeyChain.embedded(
                tmp_path / "data", settings=APIKeyChainSettings(kdf="pbkdf2-sha512"), network={base: provider.network}
            )
            async with keychain:
                acme = await keychain.ensure_tenant("acme")
                shop = await acme.ensure_project("shop")
                await shop.configure(
                    origins=[APP],
                    providers=[Provider("weather", base, QueryCredential("appid"))],
                    secrets={"weather": Secret(KEY)},
                    routes=[WEATHER],
                    enabled=True,
                )
                gate = Gate(keychain, provider, acme, shop, APIKeyChainMiddleware(host, keychain))
                lines = lines or signed(gate, await signer_of(gate))
                codes += [(await send(gate, lines)).code, (await send(gate, lines)).code]
        assert codes == ["", "replayed", "timestamp-refused", "timestamp-refused"]
        assert len(provider.requests) == 1


async def test_the_embedded_default_writes_its_mark_beside_the_database(tmp_path: Path) -> None:
    guard = APIKeyChain.embedded(tmp_path / "data")._plugs.replay_guard
    assert isinstance(guard, FileReplayGuard)
    async with APIKeyChain.embedded(tmp_path / "data") as keychain:
        claim = await keychain._plugs.replay_guard.claim(b"t" * 32, int(time.time()))
    assert claim == "claimed"
    assert (tmp_path / "data" / "claims.mark").exists()
