"""Keys are made at the least cost; and real servers for who asks for one."""

from apikeychain.testing.fixtures import postgres, postgres_server, s3, s3_server
from key_costs import low_key_costs
from served_postgres import database, empty_database, template

__all__ = [
    "database",
    "empty_database",
    "low_key_costs",
    "postgres",
    "postgres_server",
    "s3",
    "s3_server",
    "template",
]
