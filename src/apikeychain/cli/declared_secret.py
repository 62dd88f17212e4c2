"""A secret as a TOML file declares it: where it is, never what it is."""

import re
from dataclasses import dataclass
from pathlib import Path

from apikeychain.cli.fields import Place, as_table
from apikeychain.cli.given import read_secret
from apikeychain.errors import InvalidValueError
from apikeychain.model.ids import parse_name
from apikeychain.secret import Secret
from apikeychain.tenants.configure import ProviderSecret

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NO_VALUE = 'a secret never stands in this file: write { env = "NAME" } or { file = "PATH" }'


@dataclass(frozen=True, slots=True)
class _SecretTable:
    env: str | None = None
    file: str | None = None
    provider: str | None = None


def declared_secret(place: Place, name: str, value: object, folder: Path) -> ProviderSecret | None:
    """The secret that a table points to, or None after its problems were noted. No problem shows a value.

    Args:
        place: where the table is.
        name: of the secret, and of its provider unless the table names another.
        value: the table.
        folder: where relative paths begin.
    """
    place.attempt(parse_name, name, "secret")
    table = as_table(value) or {}
    if (table.keys() & {"env", "file"}) not in ({"env"}, {"file"}):
        place.note(_NO_VALUE)
        return None
    told = place.build(_SecretTable, table)
    secret = place.attempt(_read, told, folder) if told else None
    return ProviderSecret(secret, told.provider or name) if told and secret else None


def _read(told: _SecretTable, folder: Path) -> Secret:
    if told.file is not None:
        return read_secret(folder / told.file)
    if not _VARIABLE.fullmatch(told.env or ""):
        raise InvalidValueError(_NO_VALUE)
    return Secret.from_env(told.env or "")
