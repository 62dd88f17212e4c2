"""What was chosen, and all that is wrong with it, decided from the text of the variables alone.

Source: contracts 10; architecture "State, and many workers".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apikeychain.environment.variables import PLUGS, PREFIX, SETTINGS, Variables
from apikeychain.errors import SettingsError
from apikeychain.settings import APIKeyChainSettings

URLS = ("DATABASE_URL", "VALKEY_URL", "MIGRATION_URL")
# Of no use to who migrates, and maybe not to be read by it.
_OTHER_FILES = ("DATABASE_URL_FILE", "VALKEY_URL_FILE")


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the operator chose. URLs are not part of its repr: they may hold passwords.

    Attributes:
        data: of the embedded default; beside a database, of one process's claims.
        database_url, valkey_url: or "" where there is none.
        signals: ``"database"`` or ``"valkey"``.
        openbao: None where the platform key is in a file.
        url_files: the files that the URLs come from.
    """

    settings: APIKeyChainSettings = field(default_factory=APIKeyChainSettings)
    data: Path | None = None
    key_file: Path | None = None
    database_url: str = field(default="", repr=False)
    database_ca_file: Path | None = None
    valkey_url: str = field(default="", repr=False)
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


def with_files(given: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The variables, with what stands in a file in place of the file's name; and what is wrong.

    Args:
        given: all variables of the environment.
    """
    variables, problems = dict(given), list[str]()
    for name in URLS:
        url, file = PREFIX + name, f"{PREFIX}{name}_FILE"
        path = variables.get(file, "")
        if path and variables.get(url):
            problems.append(f"say one of {url} and {file}")
        elif path:
            try:
                variables[url] = Path(path).read_text("utf-8").strip()
            except (OSError, ValueError) as fault:
                problems.append(f"{file}: the file cannot be read ({type(fault).__name__})")
            else:
                # As if it were not named, workers would go on without what it names.
                problems += [] if variables[url] else [f"{file}: the file is empty"]
    return variables, problems


def migration_place(given: Mapping[str, str]) -> tuple[str, Path | None]:
    """The URL by which to migrate, or "", and the authorities of its server.

    Args:
        given: all variables of the environment.

    Raises:
        SettingsError: with every problem of these two, and of names.
    """
    resolved, problems = with_files({name: text for name, text in given.items() if not name.endswith(_OTHER_FILES)})
    variables = Variables(resolved)
    if problems + variables.problems:
        raise SettingsError(problems + variables.problems)
    return variables.text("MIGRATION_URL"), variables.path("DATABASE_CA_FILE")


def choose(variables: Variables) -> Choices:
    """What was chosen. What is wrong with it is noted in `variables`.

    Args:
        variables: read from what `with_files` returned.
    """
    choices = Choices(
        settings=_settings(variables),
        data=variables.path("DATA"),
        key_file=variables.path("KEY_FILE"),
        database_url=variables.text("DATABASE_URL"),
        database_ca_file=variables.path("DATABASE_CA_FILE"),
        valkey_url=variables.text("VALKEY_URL"),
        signals=variables.one_of("SIGNALS", "database", "valkey"),
        openbao=_openbao(variables),
        url_files=tuple(path for name in URLS[:2] if (path := variables.path(f"{name}_FILE"))),
    )
    for name, what in _wrong(variables):
        variables.problem(name, what)
    return choices


def _settings(variables: Variables) -> APIKeyChainSettings:
    given: dict[str, Any] = {name.lower(): variables.setting(name) for name in SETTINGS if variables.has(name)}
    try:
        return APIKeyChainSettings(**given)
    except SettingsError as error:
        variables.problems += error.problems
        return APIKeyChainSettings()


def _openbao(variables: Variables) -> OpenBao | None:
    if not variables.has("OPENBAO_ADDRESS"):
        return None
    names = ("OPENBAO_ROLE_ID", "OPENBAO_SECRET_ID_FILE", "OPENBAO_TOKEN_FILE")
    if tuple(map(variables.has, names)) not in {(True, True, False), (False, False, True)}:
        variables.problem("OPENBAO_ADDRESS", f"who logs in there? Set {names[0]} and {names[1]}, or {names[2]} alone")
    return OpenBao(
        address=variables.text("OPENBAO_ADDRESS"),
        role_id=variables.text("OPENBAO_ROLE_ID"),
        secret_id_file=variables.path("OPENBAO_SECRET_ID_FILE"),
        token_file=variables.path("OPENBAO_TOKEN_FILE"),
        key=variables.text("OPENBAO_KEY", "apikeychain"),
        mount=variables.text("OPENBAO_MOUNT", "transit"),
        namespace=variables.text("OPENBAO_NAMESPACE"),
        ca_file=variables.path("OPENBAO_CA_FILE"),
    )


def _wrong(variables: Variables) -> Iterator[tuple[str, str]]:
    """What does not go together: a variable, and what is wrong with it."""
    database, valkey = (variables.has(name) or variables.has(f"{name}_FILE") for name in URLS[:2])
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
    if variables.has("DATABASE_CA_FILE") and not database:
        yield "DATABASE_CA_FILE", f"it needs {PREFIX}DATABASE_URL"
    for name in (name for name in PLUGS if name.startswith("OPENBAO_")):
        if variables.has(name) and not openbao:
            yield name, f"it needs {PREFIX}OPENBAO_ADDRESS"
