"""The real servers that contracts run on: one of each for a whole run."""

from apikeychain.testing.fixtures import (
    aws,
    aws_server,
    openbao,
    openbao_server,
    postgres,
    postgres_server,
    s3,
    s3_server,
)
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
