"""The way to PostgreSQL: TLS 1.3, verified, or a socket of this machine."""

import ssl
from collections.abc import Generator
from pathlib import Path

import pytest
import trustme
from sqlalchemy import NullPool, text
from sqlalchemy.ext.asyncio import create_async_engine

from apikeychain.backends.sql import SQLStore, migrate_postgres
from apikeychain.errors import BackendUnavailableError, InvalidValueError, SettingsError
from apikeychain.testing.servers.postgres import PostgresServer
from served_postgres import WEB, Database


@pytest.fixture
def old_tls(postgres: PostgresServer) -> Generator[None, None, None]:
    postgres.configure(ssl_min_protocol_version="TLSv1.2", ssl_max_protocol_version="TLSv1.2")
    yield
    postgres.configure(ssl_min_protocol_version="", ssl_max_protocol_version="")


@pytest.fixture
def no_tls(postgres: PostgresServer) -> Generator[None, None, None]:
    postgres.configure(ssl="off")
    yield
    postgres.configure(ssl="on")


async def open_host(database: Database, context: ssl.SSLContext | bool) -> None:
    """A store on a host's engine with TLS of its own choice."""
    engine = create_async_engine(database.tls_url, connect_args={"ssl": context}, poolclass=NullPool)
    async with SQLStore.postgres(engine):
        pass


def context_of(database: Database) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=database.server.authority)


async def test_the_port_is_reached_by_tls_1_3_alone(database: Database) -> None:
    store = SQLStore.postgres(database.tls_url, trust=database.server.authority)
    async with store, store.engine.connect() as connection:
        found = await connection.execute(text("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
        assert tuple(found.one()) == (True, "TLSv1.3")


async def test_a_certificate_of_an_unknown_authority_is_refused(database: Database, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    for trust in (None, tmp_path / "other.pem"):
        with pytest.raises(BackendUnavailableError, match="SSLCertVerificationError"):
            async with SQLStore.postgres(database.tls_url, trust=trust):
                pass


async def test_a_certificate_of_another_name_is_refused(database: Database) -> None:
    # It leads to 127.0.0.1, which is not what it says.
    url = database.server.tls_url(database.name, WEB, "made-up", host="127.1")
    with pytest.raises(BackendUnavailableError, match="SSLCertVerificationError"):
        async with SQLStore.postgres(url, trust=database.server.authority):
            pass


@pytest.mark.usefixtures("old_tls")
async def test_an_older_tls_is_refused(database: Database) -> None:
    with pytest.raises(BackendUnavailableError, match="SSL"):
        async with SQLStore.postgres(database.tls_url, trust=database.server.authority):
            pass
    with pytest.raises(SettingsError, match=r"the connection is TLSv1\.2"):
        await open_host(database, context_of(database))


@pytest.mark.usefixtures("no_tls")
async def test_a_server_without_tls_is_refused_and_sees_no_password(database: Database) -> None:
    with pytest.raises(BackendUnavailableError, match="ConnectionError"):
        async with SQLStore.postgres(database.tls_url, trust=database.server.authority):
            pass


async def test_a_hosts_engine_without_tls_is_refused(database: Database) -> None:
    with pytest.raises(SettingsError, match="not encrypted"):
        await open_host(database, context=False)


async def test_a_hosts_engine_that_verifies_nothing_is_refused(database: Database) -> None:
    lax = ssl.create_default_context()
    lax.check_hostname, lax.verify_mode = False, ssl.CERT_NONE
    with pytest.raises(SettingsError, match="not verified"):
        await open_host(database, lax)
    nameless = context_of(database)
    nameless.check_hostname = False
    with pytest.raises(SettingsError, match="not verified"):
        await open_host(database, nameless)


async def test_a_hosts_engine_with_tls_1_3_serves(database: Database) -> None:
    await open_host(database, context_of(database))


async def test_migrations_are_as_careful(database: Database) -> None:
    engine = create_async_engine(
        database.server.tls_url(database.name), connect_args={"ssl": False}, poolclass=NullPool
    )
    with pytest.raises(SettingsError, match="not encrypted"):
        await migrate_postgres(engine)


@pytest.mark.parametrize("option", ["ssl=prefer", "sslmode=disable", "sslrootcert=/tmp/ca.pem"])
def test_a_url_has_no_say_in_tls(option: str) -> None:
    with pytest.raises(InvalidValueError, match="TLS is always verified"):
        SQLStore.postgres(f"postgresql+asyncpg://web@db.example/keys?{option}")


@pytest.mark.parametrize(
    "options", ["port=hunter2X", "host=a&host=b&port=1", "connect_timeout=10", "application_name=shop", "port=1&port=2"]
)
def test_an_option_that_the_driver_would_not_understand_is_refused_by_its_name(options: str) -> None:
    with pytest.raises(InvalidValueError, match="out of the URL") as caught:
        SQLStore.postgres(f"postgresql+asyncpg://web@/keys?{options}")
    assert options.partition("=")[0] in str(caught.value)
    assert "hunter2X" not in str(caught.value)


def test_authorities_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match=r"none\.pem' cannot be read: FileNotFoundError"):
        SQLStore.postgres("postgresql+asyncpg://web@db.example/keys", trust=tmp_path / "none.pem")


def test_a_url_of_another_database_or_driver_is_refused() -> None:
    for url in ("sqlite+aiosqlite:///x", "postgresql+psycopg://web:password@db.example/keys"):
        with pytest.raises(InvalidValueError, match="not a URL of PostgreSQL") as caught:
            SQLStore.postgres(url)
        assert "password" not in str(caught.value)
