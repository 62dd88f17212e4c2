"""One transaction on one tenant's rows, in PostgreSQL."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Insert, Table, Text, cast, column, extract, func, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY

from apikeychain.backends.sql.schema import Shelf
from apikeychain.backends.sql.scope import Scope
from apikeychain.backends.sql.tenant_store import SQLTenantStore
from apikeychain.model.codec import dump
from apikeychain.model.records import Key, Project, Record

CHANNEL = "apikeychain"


class PostgresScope(Scope):
    """Statements that can reach rows of one tenant only, as PostgreSQL has them."""

    def insert_new(self, table: Table, **values: object) -> Insert:
        """A row of the tenant, or none where its key is taken: an error would end the transaction."""
        return postgresql.insert(table).values(tenant=self.tenant, **values).on_conflict_do_nothing()


class PostgresTenantStore(SQLTenantStore):
    """See TenantStore."""

    scopes = PostgresScope

    async def _change_all(self, shelf: Shelf, records: Sequence[Record]) -> int:
        """By one statement: of many, the driver does not say how many rows changed."""
        keys = [cast([record.key[place] for record in records], ARRAY(Text)) for place in range(len(shelf.names))]
        generations = cast([record.generation for record in records], ARRAY(BigInteger))
        bodies = cast([dump(record) for record in records], ARRAY(Text))
        names = [column(name, Text) for name in shelf.names]
        new = column("after", BigInteger), column("now", Text)
        given = func.unnest(*keys, generations, bodies).table_valued(*names, *new, name="given").render_derived()
        same: list[ColumnElement[bool]] = [
            key == given.c[name] for name, key in zip(shelf.names, shelf.columns, strict=True)
        ]
        statement = self._scope.update(shelf.table).where(*same, shelf.table.c.generation == given.c.after - 1)
        return await self._change(statement.values(generation=given.c.after, body=given.c.now))

    async def _drop_bodies(self, first: int, last: int) -> None:
        """By the one function that may: of a chain this role may only read and append."""
        await self._rows(select(func.apikeychain.drop_bodies(first, last)))

    def _now(self) -> Any:  # noqa: ANN401  # the database's word for it
        """The database's clock, which all workers share."""
        return cast(extract("epoch", func.clock_timestamp()) * 1000, BigInteger)

    async def _stamp(self, kind: str, key: Key) -> None:
        """Let every worker hear that a project changed, as soon as the change can be seen and not before."""
        if kind == Project.kind:
            await self._rows(select(func.pg_notify(CHANNEL, key[0])))
