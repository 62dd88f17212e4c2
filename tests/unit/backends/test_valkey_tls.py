"""The way to Valkey by TLS: 1.3, verified, or none at all."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing
from pathlib import Path

import pytest
import trustme

from apikeychain.backends.valkey import ValkeyGuard, ValkeySignals
from apikeychain.errors import BackendUnavailableError, InvalidValueError
from apikeychain.model.quota import Quota, Spend
from apikeychain.ports.signals import Change
from apikeychain.testing.servers.valkey import ValkeyServer
from tls_front import tls_front

_SPENDS = [Spend("bucket", "address", Quota(5, 60))]
_V1_2, _V1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trust(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture(scope="module")
def server() -> Generator[ValkeyServer, None, None]:
    with ValkeyServer() as server:
        yield server


@pytest.fixture
async def port(server: ValkeyServer, authority: trustme.CA) -> AsyncGenerator[int, None]:
    async with tls_front(server.port, authority, _V1_3) as port:
        yield port


async def require_refused(guard: ValkeyGuard) -> None:
    with pytest.raises(BackendUnavailableError, match="valkey does not answer"):
        await guard.__aenter__()


@pytest.mark.parametrize("scheme", ["valkeys", "rediss"])
async def test_limits_and_changes_go_by_tls_1_3(port: int, trust: Path, scheme: str) -> None:
    url = f"{scheme}://localhost:{port}/0"
    async with ValkeyGuard(url, trust=trust) as guard, ValkeySignals(url, trust=trust) as signals:
        (balance,) = await guard.spend(_SPENDS)
        assert balance.admitted
        async with aclosing(signals.subscribe()) as changes:
            assert await anext(changes) == Change(None)
            await signals.publish(Change(None))
            assert await asyncio.wait_for(anext(changes), 5) == Change(None)


async def test_a_certificate_of_an_unknown_authority_is_refused(port: int, tmp_path: Path) -> None:
    await require_refused(ValkeyGuard(f"valkeys://localhost:{port}"))
    another = tmp_path / "another.pem"
    trustme.CA().cert_pem.write_to_path(str(another))
    await require_refused(ValkeyGuard(f"valkeys://localhost:{port}", trust=another))


async def test_a_certificate_of_another_name_is_refused(port: int, trust: Path) -> None:
    await require_refused(ValkeyGuard(f"valkeys://127.0.0.1:{port}", trust=trust))


async def test_an_older_tls_is_refused(server: ValkeyServer, authority: trustme.CA, trust: Path) -> None:
    async with tls_front(server.port, authority, _V1_2) as port:
        await require_refused(ValkeyGuard(f"valkeys://localhost:{port}", trust=trust))


async def test_a_server_without_tls_is_refused(server: ValkeyServer, trust: Path) -> None:
    await require_refused(ValkeyGuard(f"valkeys://localhost:{server.port}", trust=trust))


def test_authorities_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    for plug in (ValkeyGuard, ValkeySignals):
        with pytest.raises(InvalidValueError, match=r"none\.pem' cannot be read: FileNotFoundError"):
            plug("valkeys://localhost", trust=tmp_path / "none.pem")


async def test_the_keys_of_the_session_are_written_nowhere(
    port: int, trust: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "keys.log"
    monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
    async with ValkeyGuard(f"valkeys://localhost:{port}", trust=trust) as guard:
        await guard.spend(_SPENDS)
    assert "TRAFFIC_SECRET" not in keys.read_text()


async def test_a_socket_is_reached_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "a socket"
    with ValkeyServer({"unixsocket": f'"{path}"'}) as server:
        server.ask("CONFIG", "SET", "requirepass", "a made-up password")
        async with ValkeyGuard(f"unix://:a%20made-up%20password@{path}".replace("a socket", "a%20socket")) as guard:
            (balance,) = await guard.spend(_SPENDS)
            assert balance.admitted
