"""`apikeychain migrate`: the tables of this version, made where the code is deployed."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from apikeychain.cli.invocation import Call
from apikeychain.embedded import DATABASE
from apikeychain.environment.choices import migration_place
from apikeychain.environment.variables import PREFIX, plain
from apikeychain.errors import DataDirectoryError, InvalidValueError, SettingsError

if TYPE_CHECKING:
    from apikeychain.backends.sql.opening import Migrated

_URL = PREFIX + "MIGRATION_URL"
_Switch = Parameter(negative="", show_default=False)


async def migrate(
    *,
    database_url_file: Path | None = None,
    owner: str | None = None,
    application: str | None = None,
    sql: Annotated[bool, _Switch] = False,
    since: str | None = None,
    call: Call,
) -> None:
    """Take a database to this version, or print the SQL that does it.

    PostgreSQL by the URL of a role that may create, else the data directory. A URL is never an argument: it may hold a
    password. One that is of this version is left alone; a newer one is refused, and there is no way back.

    Args:
        database_url_file: a file that holds the URL; else APIKEYCHAIN_MIGRATION_URL, or the file that
            APIKEYCHAIN_MIGRATION_URL_FILE names.
        owner: the role that owns the tables; apikeychain_owner without it.
        application: the role that workers are in; apikeychain_app without it.
        sql: print the SQL for PostgreSQL and change nothing; no database is asked.
        since: with --sql, the version that the database has; without it the SQL is for one without tables.
    """
    roles = {name: role for name, role in (("owner", owner), ("application", application)) if role}
    if since and not sql:
        msg = "--since is for --sql: a database that is asked knows its version"
        raise InvalidValueError(msg)
    if sql:
        from apikeychain.backends.sql import migration_script  # noqa: PLC0415 - it needs the extra `postgres`

        sys.stdout.write(migration_script(**roles, since=since))
        return
    done = await _migrated(call, database_url_file, roles)
    if done.before == done.after:
        sentence = f"the database has version {done.after} already"
        if done.mended:
            sentence += "; walls between tenants that were not as they were made are up again"
    else:
        sentence = f"the database is migrated from {done.before or 'nothing'} to {done.after}"
    call.done(sentence, before=done.before, after=done.after, mended=done.mended)


async def _migrated(call: Call, file: Path | None, roles: dict[str, str]) -> "Migrated":
    if call.data and not file:
        return await _in_directory(call.data)
    url, trust = migration_place(_variables(file))
    if url:
        from apikeychain.backends.sql import migrate_postgres  # noqa: PLC0415 - it needs the extra `postgres`

        return await migrate_postgres(plain(url), trust=trust, **roles)
    choices = call.environment().choices
    if choices.database_url:
        msg = f"{_URL}: who migrates is not who serves: set it, or {_URL}_FILE, or say --database-url-file"
        raise SettingsError([msg])
    return await _in_directory(choices.data or Path())


def _variables(file: Path | None) -> dict[str, str]:
    if file is None:
        return dict(os.environ)
    given = {name: text for name, text in os.environ.items() if name != _URL}
    return given | {f"{_URL}_FILE": str(Path.cwd() / file)}


async def _in_directory(data: Path) -> "Migrated":
    from apikeychain.backends.sql import migrate_sqlite  # noqa: PLC0415 - it needs the extra `embedded`

    if not (data / DATABASE).exists():
        msg = f"there is no keychain in {str(data)!r} to migrate; a new one is made in this version"
        raise DataDirectoryError(msg)
    return await migrate_sqlite(data / DATABASE)
