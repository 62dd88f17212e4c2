"""One transaction on one tenant's rows, in PostgreSQL."""

from typing import Any

from sqlalchemy import BigInteger, Insert, Table, cast, extract, func, select
from sqlalchemy.dialects import postgresql

from apikeychain.backends.sql.scope import Scope
from apikeychain.backends.sql.tenant_store import SQLTenantStore
from apikeychain.model.records import Key, Project

CHANNEL = "apikeychain"


class PostgresScope(Scope):
    """Statements that can reach rows of one tenant only, as PostgreSQL has them."""

    def insert_new(self, table: Table, **values: object) -> Insert:
        """A row of the tenant, or none where its key is taken: an error would end the transaction."""
        return postgresql.insert(table).values(tenant=self.tenant, **values).on_conflict_do_nothing()


class PostgresTenantStore(SQLTenantStore):
    """See TenantStore."""

    scopes = PostgresScope

    def _now(self) -> Any:  # noqa: ANN401  # the database's word for it
        """The database's clock, which all workers share."""
        return cast(extract("epoch", func.clock_timestamp()) * 1000, BigInteger)

    async def _stamp(self, kind: str, key: Key) -> None:
        """Let every worker hear that a project changed, as soon as the change can be seen and not before."""
        if kind == Project.kind:
            await self._rows(select(func.pg_notify(CHANNEL, key[0])))
