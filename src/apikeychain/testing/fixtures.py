"""Real servers as pytest fixtures: a test names the one that it wants.

::

    # conftest.py
    pytest_plugins = ["apikeychain.testing.fixtures"]


    # test_mine.py
    async def test_it(valkey):
        async with ValkeyGuard(valkey.url) as guard: ...

`postgres`, `valkey`, `openbao`, `aws` and `s3` are there again for the next test, whatever a test did to them. Each is
started when the first test asks for it and serves the whole session (``..._server``), so keep to databases, keys and
buckets of your own. A conftest may as well import the ones that it wants, ``valkey`` together with ``valkey_server``.
"""

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from apikeychain.testing.servers.aws import AWSServer
    from apikeychain.testing.servers.openbao import OpenBaoServer
    from apikeychain.testing.servers.postgres import PostgresServer
    from apikeychain.testing.servers.s3 import S3Server
    from apikeychain.testing.servers.valkey import ValkeyServer

__all__ = [
    "aws",
    "aws_server",
    "openbao",
    "openbao_server",
    "postgres",
    "postgres_server",
    "s3",
    "s3_server",
    "valkey",
    "valkey_server",
]


@pytest.fixture(scope="session")
def postgres_server() -> Generator["PostgresServer", None, None]:
    """A PostgreSQL for the whole session, with no database of yours in it."""
    from apikeychain.testing.servers.postgres import PostgresServer  # noqa: PLC0415 - who asks for one loads one

    with PostgresServer() as server:
        yield server


@pytest.fixture
def postgres(postgres_server: "PostgresServer") -> Generator["PostgresServer", None, None]:
    """The PostgreSQL of the session, which a test may stop or freeze."""
    yield postgres_server
    if postgres_server.is_running:
        postgres_server.thaw()
    else:
        postgres_server.start()


@pytest.fixture(scope="session")
def valkey_server() -> Generator["ValkeyServer", None, None]:
    """A Valkey for the whole session."""
    from apikeychain.testing.servers.valkey import ValkeyServer  # noqa: PLC0415 - who asks for one loads one

    with ValkeyServer() as server:
        yield server


@pytest.fixture
def valkey(valkey_server: "ValkeyServer") -> Generator["ValkeyServer", None, None]:
    """The Valkey of the session, which a test may stop or kill."""
    yield valkey_server
    if not valkey_server.is_running:
        valkey_server.start()


@pytest.fixture(scope="session")
def openbao_server() -> Generator["OpenBaoServer", None, None]:
    """An OpenBao for the whole session."""
    from apikeychain.testing.servers.openbao import OpenBaoServer  # noqa: PLC0415 - who asks for one loads one

    with OpenBaoServer() as server:
        yield server


@pytest.fixture
def openbao(openbao_server: "OpenBaoServer") -> Generator["OpenBaoServer", None, None]:
    """The OpenBao of the session, which a test may stop, seal or hang."""
    yield openbao_server
    openbao_server.start()


@pytest.fixture(scope="session")
def aws_server() -> Generator["AWSServer", None, None]:
    """A local AWS for the whole session."""
    from apikeychain.testing.servers.aws import AWSServer  # noqa: PLC0415 - who asks for one loads one

    with AWSServer() as server:
        yield server


@pytest.fixture
def aws(aws_server: "AWSServer") -> Generator["AWSServer", None, None]:
    """The local AWS of the session, which a test may stop or hang; it serves whoever asks."""
    yield aws_server
    aws_server.start()
    aws_server.enforce(enforced=False)


@pytest.fixture(scope="session")
def s3_server() -> Generator["S3Server", None, None]:
    """An S3 server for the whole session."""
    from apikeychain.testing.servers.s3 import S3Server  # noqa: PLC0415 - who asks for one loads one

    with S3Server() as server:
        yield server


@pytest.fixture
def s3(s3_server: "S3Server") -> Generator["S3Server", None, None]:
    """The S3 server of the session, which a test may stop or hang."""
    yield s3_server
    s3_server.resume()
    if not s3_server.is_running:
        s3_server.start()
