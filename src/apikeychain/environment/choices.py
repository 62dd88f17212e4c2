"""What was chosen, and all that is wrong with it.

What is chosen shows nothing of itself in a repr: any text of the environment may be a secret in the wrong place.

Source: contracts 10; architecture "State, and many workers".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl

from apikeychain.environment.assets import AssetPlace, choose_assets
from apikeychain.environment.key_services import KEY_HEADS, KeyPlace, OpenBao, choose_key_service, choose_key_services
from apikeychain.environment.variables import PREFIX, SETTINGS, Variables, plain
from apikeychain.environment.webhooks import Webhook, choose_alerts
from apikeychain.environment.witnesses import WitnessPlace, choose_witnesses
from apikeychain.errors import SettingsError
from apikeychain.secret import Secret
from apikeychain.settings import APIKeyChainSettings

URLS = ("DATABASE_URL", "VALKEY_URL")
_HELD_IN_FILES = (*URLS, "WITNESS_URL", "WITNESS_SECRETS", "ALERTS_URL", "ALERTS_SECRETS")
_POSTGRESQL = ("postgresql", "postgresql+asyncpg")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Choices:
    """What the operator chose.

    Attributes:
        data: of the embedded default; beside a database, of one process's claims.
        database_url, valkey_url: they may hold passwords.
        signals: ``"database"`` or ``"valkey"``.
        key_service: None where nothing is said, and the key is in the data directory.
        key_services: further ones, by name.
        witnesses: none where nothing is said.
        alerts: where they go; None where nothing is said, and they go to the log.
        countries: an .mmdb file, or ``"registry"``; None where nothing is said.
        assets: where they are kept; None where nothing is said.
        url_files: the files that URLs and secrets come from.
    """

    settings: APIKeyChainSettings = field(default_factory=APIKeyChainSettings)
    data: Path | None = None
    database_url: Secret | None = None
    database_ca_file: Path | None = None
    valkey_url: Secret | None = None
    valkey_ca_file: Path | None = None
    signals: str = "database"
    key_service: KeyPlace | None = None
    key_services: Mapping[str, KeyPlace] = field(default_factory=dict[str, KeyPlace])
    witnesses: tuple[WitnessPlace, ...] = ()
    alerts: Webhook | None = None
    countries: Path | Literal["registry"] | None = None
    assets: AssetPlace | None = None
    url_files: tuple[Path, ...] = ()

    @property
    def secret_files(self) -> tuple[Path, ...]:
        """The files whose content is as good as a password."""
        places = [place for place in (self.key_service, *self.key_services.values()) if isinstance(place, OpenBao)]
        files = [path for place in places for path in (place.secret_id_file, place.token_file) if path]
        return (*self.url_files, *files)

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
        database_url=_postgresql(variables, "DATABASE_URL"),
        database_ca_file=variables.authorities("DATABASE_CA_FILE"),
        valkey_url=variables.url("VALKEY_URL"),
        valkey_ca_file=variables.authorities("VALKEY_CA_FILE"),
        signals=variables.one_of("SIGNALS", "database", "valkey"),
        key_service=choose_key_service(variables),
        key_services=choose_key_services(variables),
        witnesses=choose_witnesses(variables),
        alerts=choose_alerts(variables),
        countries=_countries(variables),
        assets=choose_assets(variables),
        url_files=tuple(Path(text) for name in _HELD_IN_FILES if (text := variables.text(f"{name}_FILE"))),
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


def _countries(variables: Variables) -> Path | Literal["registry"] | None:
    if variables.text("COUNTRIES") == "registry":
        return "registry"
    return variables.file("COUNTRIES", "write registry, or the absolute path of an .mmdb file")


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


def _wrong(variables: Variables) -> Iterator[tuple[str, str]]:
    """What does not go together: a variable, and what is wrong with it."""
    database, valkey = (variables.has(name) or variables.has(f"{name}_FILE") for name in URLS)
    data = variables.has("DATA")
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
    if database and not data and not any(map(variables.has, KEY_HEADS)):
        names = " or ".join(PREFIX + name for name in KEY_HEADS)
        yield "DATABASE_URL", f"where is the platform key? Set {names}"
    if variables.text("SIGNALS") == "valkey" and not (database and valkey):
        yield "SIGNALS", f"valkey needs {PREFIX}VALKEY_URL and {PREFIX}DATABASE_URL"
    for url, is_there in zip(URLS, (database, valkey), strict=True):
        ca_file = f"{url.removesuffix('URL')}CA_FILE"
        if variables.has(ca_file) and not is_there:
            yield ca_file, f"it needs {PREFIX}{url}"
