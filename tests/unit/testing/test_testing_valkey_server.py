"""The server that tests start, itself."""

import secrets
from pathlib import Path

import pytest

from apikeychain.testing.servers.valkey import ValkeyServer

server_settings = {"maxmemory-policy": "allkeys-lru", "databases": "3"}


def test_it_starts_where_it_was_and_forgets_what_it_had() -> None:
    with ValkeyServer() as server:
        url = server.url
        server.ask("SET", "a", "1")
        server.restart()
        assert (server.url, server.is_running, server.ask("EXISTS", "a")) == (url, True, 0)
        server.kill()
        assert not server.is_running
    assert not server.is_running


def test_it_keeps_what_it_had_in_a_folder(tmp_path: Path) -> None:
    with ValkeyServer(folder=tmp_path) as server:
        server.ask("SET", "a", "1")
        server.ask("SAVE")
        server.restart()
        assert server.ask("GET", "a") == b"1"


def test_its_settings_can_be_others() -> None:
    with ValkeyServer(server_settings) as server:
        for name, value in server_settings.items():
            assert server.ask("CONFIG", "GET", name) == [name.encode(), value.encode()]


def test_a_port_that_somebody_has_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with ValkeyServer() as one:
        ports = iter([one.port - 12_000, secrets.randbelow(10_000)])
        monkeypatch.setattr(secrets, "randbelow", lambda _: next(ports))
        assert ValkeyServer().port != one.port
        assert next(ports, None) is None
