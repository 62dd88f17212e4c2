"""The real servers that contracts run on: one of each for a whole run."""

import pytest

from apikeychain.testing.fixtures import (
    openbao,
    openbao_server,
    postgres,
    postgres_server,
    s3,
    s3_server,
)
from apikeychain.testing.servers.aws import AWSServer, aws_server
from served_postgres import database, empty_database, template

__all__ = [
    "aws",
    "aws_server",
    "database",
    "empty_database",
    "openbao",
    "openbao_server",
    "postgres",
    "postgres_server",
    "s3",
    "s3_server",
    "template",
]


@pytest.fixture
def aws(aws_server: AWSServer) -> AWSServer:
    """The local AWS of the run, serving whoever asks, also where the test before stopped or hung it."""
    aws_server.start()
    aws_server.enforce(enforced=False)
    return aws_server
