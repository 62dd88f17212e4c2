"""Keys are made at the least cost; and a real PostgreSQL for who asks for one."""

from key_costs import low_key_costs
from served_postgres import database, empty_database, postgres, started_postgres

__all__ = ["database", "empty_database", "low_key_costs", "postgres", "started_postgres"]
