"""What was chosen, and all that is wrong with it.

What is chosen shows nothing of itself in a repr: any text of the environment may be a secret in the wrong place.

Source: contracts 10; architecture "State, and many workers".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from apikeychain.environment.variables import PLUGS, PREFIX, SETTINGS, Variables, plain
from apikeychain.errors import SettingsError
from apikeychain.secret import Secret
from apikeychain.settings import APIKeyChainSettings

URLS = ("DATABASE_URL", "VALKEY_URL")
_POSTGRESQL = ("postgresql", "postgresql+asyncpg")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class OpenBao:
    """A key service in OpenBao.

    Attributes:
        role_id, secret_id_file: of an AppRole.
        token_file: instead of them.
    """

    address: str
    role_id: str
    secret_id_file: Path | None
    token_file: Path | None
    key: str
    mount: str
    namespace: str
    ca_file: Path | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Choices:
    """What the operator chose.

    Attributes:
        data: of the embedded default; beside a database, of one process's claims.
        database_url, valkey_url: they may hold passwords.
        signals: ``"database"`` or ``"valkey"``.
        openbao: None where the platform key is in a file.
        url_files: the files that the URLs come from.
    """

    settings: APIKeyChainSettings = field(default_factory=APIKeyChainSettings)
    data: Path | None = None
    key_file: Path | None = None
    database_url: Secret | None = None
    database_ca_file: Path | None = None
    valkey_url: Secret | None = None
    valkey_ca_file: Path | None = None
    signals: str = "database"
    openbao: OpenBao | None = None
    url_files: tuple[Path, ...] = ()

    @property
    def secret_files(self) -> tuple[Path, ...]:
        """The files whose content is as good as a password."""
        openbao = (self.openbao.secret_id_file, self.openbao.token_file) if self.openbao else ()
        return (*self.url_files, *(path for path in openbao if path))

    @property
    def is_shared(self) -> bool:
        """Whether several processes may serve."""
        return bool(self.database_url and self.valkey_url)


def migration_place(given: Mapping[str, str]) -> tuple[Secret | None, Path | None]:
    """The URL by which to migrate, or None, and the authorities of its server.

    Args:
        given: all variables of the environment.

    Raises:
        SettingsError: with every problem of these two, and of names.
    """
    variables = Variables(given)
    # A traceback that shows locals shows no password.
    del given
    place = _postgresql(variables, "MIGRATION_URL"), variables.authorities("DATABASE_CA_FILE")
    if variables.problems:
        raise SettingsError(variables.problems)
    return place


def choose(variables: Variables) -> Choices:
    """What was chosen. What is wrong with it is noted in `variables`.

    Args:
        variables: of the environment.
    """
    choices = Choices(
        settings=_settings(variables),
        data=variables.directory("DATA"),
        key_file=variables.file("KEY_FILE"),
        database_url=_postgresql(variables, "DATABASE_URL"),
        database_ca_file=variables.authorities("DATABASE_CA_FILE"),
        valkey_url=variables.url("VALKEY_URL"),
        valkey_ca_file=variables.authorities("VALKEY_CA_FILE"),
        signals=variables.one_of("SIGNALS", "database", "valkey"),
        openbao=_openbao(variables),
        url_files=tuple(Path(text) for name in URLS if (text := variables.text(f"{name}_FILE"))),
    )
    for name, what in _wrong(variables):
        variables.problem(name, what)
    return choices


def _settings(variables: Variables) -> APIKeyChainSettings:
    given: dict[str, Any] = {name.lower(): variables.setting(name) for name in SETTINGS if variables.has(name)}
    try:
        return APIKeyChainSettings(**given)
    except SettingsError as error:
        for problem in error.problems:
            name, _, wanted = problem.partition(": ")
            variables.problem(name.upper(), wanted)
        return APIKeyChainSettings()


def _postgresql(variables: Variables, name: str) -> Secret | None:
    url = variables.url(name)
    scheme, _, rest = plain(url).partition("://") if url else (_POSTGRESQL[0], "", "")
    if scheme not in _POSTGRESQL:
        variables.problem(name, "write postgresql://user@host/database")
    elif any(option.startswith("ssl") for option, _ in parse_qsl(rest.partition("?")[2], keep_blank_values=True)):
        variables.problem(name, f"TLS is always verified: leave its options out, and set {PREFIX}DATABASE_CA_FILE")
    else:
        return url
    return None


def _openbao(variables: Variables) -> OpenBao | None:
    if not variables.has("OPENBAO_ADDRESS"):
        return None
    names = ("OPENBAO_ROLE_ID", "OPENBAO_SECRET_ID_FILE", "OPENBAO_TOKEN_FILE")
    if tuple(map(variables.has, names)) not in {(True, True, False), (False, False, True)}:
        variables.problem("OPENBAO_ADDRESS", f"who logs in there? Set {names[0]} and {names[1]}, or {names[2]} alone")
    return OpenBao(
        address=variables.text("OPENBAO_ADDRESS"),
        role_id=variables.text("OPENBAO_ROLE_ID"),
        secret_id_file=variables.file("OPENBAO_SECRET_ID_FILE"),
        token_file=variables.file("OPENBAO_TOKEN_FILE"),
        key=variables.text("OPENBAO_KEY", "apikeychain"),
        mount=variables.text("OPENBAO_MOUNT", "transit"),
        namespace=variables.text("OPENBAO_NAMESPACE"),
        ca_file=variables.authorities("OPENBAO_CA_FILE"),
    )


def _wrong(variables: Variables) -> Iterator[tuple[str, str]]:
    """What does not go together: a variable, and what is wrong with it."""
    database, valkey = (variables.has(name) or variables.has(f"{name}_FILE") for name in URLS)
    openbao, data = variables.has("OPENBAO_ADDRESS"), variables.has("DATA")
    if not database and not data:
        yield "DATA", f"say where the data are: set it, or {PREFIX}DATABASE_URL"
    if database and not valkey and not data:
        yield (
            "DATABASE_URL",
            (
                f"workers have to share claims and limits too: set {PREFIX}VALKEY_URL, "
                f"or {PREFIX}DATA where one process alone serves"
            ),
        )
    if database and not openbao and not data and not variables.has("KEY_FILE"):
        yield "DATABASE_URL", f"where is the platform key? Set {PREFIX}OPENBAO_ADDRESS or {PREFIX}KEY_FILE"
    if openbao and variables.has("KEY_FILE"):
        yield "KEY_FILE", f"say one of it and {PREFIX}OPENBAO_ADDRESS"
    if variables.text("SIGNALS") == "valkey" and not (database and valkey):
        yield "SIGNALS", f"valkey needs {PREFIX}VALKEY_URL and {PREFIX}DATABASE_URL"
    for url, is_there in zip(URLS, (database, valkey), strict=True):
        ca_file = f"{url.removesuffix('URL')}CA_FILE"
        if variables.has(ca_file) and not is_there:
            yield ca_file, f"it needs {PREFIX}{url}"
    for name in (name for name in PLUGS if name.startswith("OPENBAO_")):
        if variables.has(name) and not openbao:
            yield name, f"it needs {PREFIX}OPENBAO_ADDRESS"
