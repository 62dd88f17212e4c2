"""Databases of the first version, as it made them: by its own step, and by nothing that came later."""

from importlib import import_module
from pathlib import Path

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from apikeychain.backends.sql.opening import MIGRATIONS, VERSION_TABLE, VERSIONS
from apikeychain.backends.sql.postgres.roles import APPLICATION, OWNER, as_owner, block, role, schema
from apikeychain.backends.sql.postgres.walls import walls
from apikeychain.backends.sql.schema import SCHEMA

_FIRST = VERSIONS[0]
LATER = (
    "signing_keys",
    "checkpoint_keys",
    "checkpoints",
    "workers",
    "open_entries",
    "rotations",
    "provider_keys",
    "alerts",
    "errands",
    "cryptoperiods",
    "watch_policies",
    "watch_memories",
    "counted_windows",
    "tightened_quotas",
    "findings",
    "assets",
    "asset_versions",
    "loose_objects",
    "asset_token_keys",
)


def make_first_file(path: Path) -> None:
    """A SQLite file of the first version, empty."""
    engine = create_engine(f"sqlite:///{path}", execution_options={"schema_translate_map": {SCHEMA: None}})
    with engine.begin() as connection:
        _take_first_step(connection, None)
    engine.dispose()
    path.chmod(0o600)


async def make_first_version(url: str, *, owner: str = OWNER, application: str = APPLICATION) -> None:
    """Roles, tables and walls of the first version in PostgreSQL."""
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        for name in (owner, application):
            found = await connection.exec_driver_sql(f"SELECT FROM pg_roles WHERE rolname = '{name}'")  # constants
            if not found.rowcount:
                await connection.exec_driver_sql(block(role(name, granted=name == owner)))
        await connection.exec_driver_sql(schema(owner))
        await connection.exec_driver_sql(as_owner(owner))
        await connection.run_sync(_take_first_step, SCHEMA)
        for statement in walls(owner, application):
            if not any(f"{SCHEMA}.{later}" in statement for later in LATER):
                await connection.exec_driver_sql(statement)
    await engine.dispose()


def _take_first_step(connection: Connection, where: str | None) -> None:
    options = {"version_table": VERSION_TABLE, "version_table_schema": where}
    context = MigrationContext.configure(connection, opts=options)
    with Operations.context(context):
        import_module(f"apikeychain.backends.sql.migrations.versions.{_FIRST}").upgrade()
    context.stamp(ScriptDirectory(MIGRATIONS), _FIRST)
