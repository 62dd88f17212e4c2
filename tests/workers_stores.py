"""The stores of several workers on the same data, in SQLite or PostgreSQL."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from apikeychain.backends.sql import SQLStore
from apikeychain.backends.sql.postgres.store import PostgresStore
from served_postgres import Database

OneStore = SQLStore | PostgresStore
PLACES = ("SQLite", "PostgreSQL")


def opening(request: pytest.FixtureRequest, folder: Path) -> Callable[[], OneStore]:
    """What makes the store of one more worker, where the parameter of the fixture says: one of `PLACES`."""
    if request.param == "SQLite":
        return lambda: SQLStore.sqlite(folder / "store.sqlite3")
    database: Database = request.getfixturevalue("database")
    return lambda: SQLStore.postgres(database.url)


@asynccontextmanager
async def opened_stores(made: Sequence[OneStore]) -> AsyncGenerator[list[OneStore], None]:
    """All of them, open."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(store) for store in made]
