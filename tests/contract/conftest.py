"""The real servers that contracts run on: one of each for a whole run."""

import pytest

from apikeychain.testing.servers.aws import AWSServer, aws_server
from apikeychain.testing.servers.openbao import OpenBaoServer, openbao_server
from served_postgres import database, empty_database, postgres, started_postgres

__all__ = ["aws_server", "database", "empty_database", "openbao_server", "postgres", "started_postgres"]


@pytest.fixture
def openbao(openbao_server: OpenBaoServer) -> OpenBaoServer:
    """The OpenBao of the run, serving, also where the test before stopped, sealed or hung it."""
    openbao_server.start()
    return openbao_server


@pytest.fixture
def aws(aws_server: AWSServer) -> AWSServer:
    """The local AWS of the run, serving whoever asks, also where the test before stopped or hung it."""
    aws_server.start()
    aws_server.enforce(enforced=False)
    return aws_server
