"""Every statement on a tenant's rows, with the tenant in it: SQLite has no other wall between tenants."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sqlalchemy import Delete, Executable, Insert, Select, Table, Update, delete, insert, select, update

from apikeychain.model.ids import TenantId

# The execution options of a statement about one row that is found by its key.
OF_ONE_ROW = MappingProxyType({"of_one_row": True})


def is_of_one_row(statement: Executable) -> bool:
    """Whether a statement is about one row that is found by its key."""
    return OF_ONE_ROW.items() <= statement.get_execution_options().items()


@dataclass(frozen=True, slots=True)
class Scope:
    """Statements that can reach rows of one tenant only."""

    tenant: TenantId

    def select(self, table: Table) -> "Select[*tuple[Any, ...]]":
        """The tenant's rows."""
        return select(table).where(table.c.tenant == self.tenant)

    def insert(self, table: Table, **values: object) -> Insert:
        """A row of the tenant."""
        return insert(table).values(tenant=self.tenant, **values)

    def insert_new(self, table: Table, **values: object) -> Insert:
        """A row of the tenant; where its key is taken, an error or no row."""
        return self.insert(table, **values)

    def update(self, table: Table) -> Update:
        """A change of the tenant's rows."""
        return update(table).where(table.c.tenant == self.tenant)

    def delete(self, table: Table) -> Delete:
        """An end of the tenant's rows."""
        return delete(table).where(table.c.tenant == self.tenant)
