"""The plugs that were chosen. None of them is opened: a server that is down is told by the opening.

Source: contracts 10.
"""

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from apikeychain.embedded import KEY_FILE, Instead, Plugs, embedded_plugs
from apikeychain.environment.assets import AssetPlace
from apikeychain.environment.buckets import Bucket
from apikeychain.environment.choices import Choices, choose
from apikeychain.environment.key_services import AWS, KeyPlace, OpenBao
from apikeychain.environment.variables import Variables, begin_of, plain
from apikeychain.environment.webhooks import Webhook
from apikeychain.environment.witnesses import WitnessPlace
from apikeychain.errors import InvalidValueError, SettingsError
from apikeychain.ports.alert_sink import AlertSink
from apikeychain.ports.asset_store import AssetStore
from apikeychain.ports.key_service import KeyService
from apikeychain.ports.locator import Locator
from apikeychain.ports.witness import Witness
from apikeychain.secret import Secret

# Where nothing but a database is used: nothing is written there.
_NOWHERE = Path()


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A keychain as the environment says it.

    Attributes:
        choices: what was chosen, with the settings.
        plugs: made of it, not open.
    """

    choices: Choices
    plugs: Plugs


def read_environment(given: Mapping[str, str] | None = None) -> Environment:
    """What the variables that begin with ``APIKEYCHAIN_`` say. No server is asked, and nothing is made.

    Args:
        given: instead of the variables of the process.

    Raises:
        SettingsError: with every problem; no value of a variable is told, which may hold a password.
        MissingExtraError: the packages of what was chosen are not installed.
    """
    variables = Variables(os.environ if given is None else given)
    # A traceback that shows locals shows no password.
    del given
    choices = choose(variables)
    instead = _instead(choices, variables)
    if variables.problems:
        raise SettingsError(variables.problems)
    data = choices.data or _NOWHERE
    key_file = choices.key_service if isinstance(choices.key_service, Path) else data / KEY_FILE
    plugs = embedded_plugs(data, key_file=key_file, instead=instead)
    if choices.is_shared:
        plugs = replace(plugs, serving=None)
    if choices.assets is None and choices.data is None:
        plugs = replace(plugs, asset_store=None)
    return Environment(choices=choices, plugs=plugs)


def _instead(choices: Choices, variables: Variables) -> Instead:
    instead = Instead()
    if choices.database_url:
        with _noting(variables, "DATABASE_URL"):
            instead |= _database(choices.database_url, choices)
    if choices.valkey_url:
        with _noting(variables, "VALKEY_URL"):
            instead |= _valkey(choices.valkey_url, choices)
    # A key file that is beside the data is made with them.
    if choices.key_service and (choices.database_url or not isinstance(choices.key_service, Path)):
        with _noting(variables):
            instead["key_service"] = _key_service(choices.key_service, create=True)
    others: dict[str, KeyService] = {}
    for name, place in choices.key_services.items():
        with _noting(variables.behind(begin_of(name))):
            # A new key would take the place of a lost one, and nothing tells that tenants have it.
            others[name] = _key_service(place, create=False)
    witnesses: list[Witness] = []
    for witness in choices.witnesses:
        with _noting(variables, kind="WITNESS_S3" if isinstance(witness, Bucket) else "WITNESS"):
            witnesses.append(_witness(witness))
    if witnesses or not choices.data:
        instead["witnesses"] = witnesses
    if choices.alerts:
        with _noting(variables, kind="ALERTS"):
            instead["alert_sinks"] = {"webhook": _alerts(choices.alerts)}
    if choices.assets:
        with _noting(variables, kind="ASSETS_S3"):
            instead["asset_store"] = _assets(choices.assets)
    if choices.countries:
        with _noting(variables, "COUNTRIES"):
            instead["locator"] = _locator(choices.countries)
    return instead | Instead(key_services=others)


def _database(url: Secret, choices: Choices) -> Instead:
    from apikeychain.backends.sql import PostgresSignals, SQLStore  # noqa: PLC0415 - loads what was chosen alone

    store = SQLStore.postgres(plain(url), trust=choices.database_ca_file)
    return Instead(store=store, signals=PostgresSignals(store))


def _valkey(url: Secret, choices: Choices) -> Instead:
    from apikeychain.backends.valkey import ValkeyGuard, ValkeySignals  # noqa: PLC0415 - likewise

    guard = ValkeyGuard(plain(url), trust=choices.valkey_ca_file)
    instead = Instead(rate_limiter=guard, replay_guard=guard)
    if choices.signals == "valkey":
        instead["signals"] = ValkeySignals(plain(url), trust=choices.valkey_ca_file)
    return instead


def _key_service(chosen: KeyPlace, *, create: bool) -> KeyService:
    if isinstance(chosen, OpenBao):
        return _openbao(chosen)
    if isinstance(chosen, AWS):
        return _aws(chosen)
    from apikeychain.backends.local_keys import LocalKeyService  # noqa: PLC0415 - likewise

    return LocalKeyService(chosen, create=create)


def _aws(chosen: AWS) -> KeyService:
    from apikeychain.backends.aws_kms import AWSKeyService  # noqa: PLC0415 - likewise

    return AWSKeyService(
        chosen.region,
        name=chosen.name,
        profile=chosen.profile,
        endpoint_url=chosen.endpoint_url,
        ca_file=chosen.ca_file,
    )


def _openbao(chosen: OpenBao) -> KeyService:
    from apikeychain.backends.openbao import AppRole, OpenBaoKeyService, Token  # noqa: PLC0415 - likewise

    return OpenBaoKeyService(
        chosen.address,
        login=Token(chosen.token_file)
        if chosen.token_file
        else AppRole(role_id=chosen.role_id, secret_id=chosen.secret_id_file or _NOWHERE),
        key=chosen.key,
        mount=chosen.mount,
        namespace=chosen.namespace,
        ca_file=chosen.ca_file,
    )


def _witness(chosen: WitnessPlace) -> Witness:
    if isinstance(chosen, Bucket):
        return _bucket(chosen)
    if isinstance(chosen, Webhook):
        from apikeychain.backends.webhook_witness import WebhookWitness  # noqa: PLC0415 - likewise

        return WebhookWitness(plain(chosen.url), secrets=chosen.secrets, ca_file=chosen.ca_file)
    from apikeychain.backends.file_witness import FileWitness  # noqa: PLC0415 - likewise

    return FileWitness(chosen)


def _assets(chosen: AssetPlace) -> AssetStore:
    if isinstance(chosen, Path):
        from apikeychain.backends.file_assets import FileAssets  # noqa: PLC0415 - likewise

        return FileAssets(chosen)
    from apikeychain.backends.s3_assets import S3Assets  # noqa: PLC0415 - likewise

    return S3Assets(
        chosen.name,
        chosen.prefix,
        region=chosen.region,
        profile=chosen.profile,
        endpoint_url=chosen.endpoint_url,
        ca_file=chosen.ca_file,
    )


def _alerts(chosen: Webhook) -> AlertSink:
    from apikeychain.backends.webhook_alerts import WebhookAlerts  # noqa: PLC0415 - likewise

    return WebhookAlerts(plain(chosen.url), chosen.secrets, ca_file=chosen.ca_file)


def _locator(chosen: Path | Literal["registry"]) -> Locator:
    if isinstance(chosen, Path):
        from apikeychain.backends.mmdb_countries import MMDBCountries  # noqa: PLC0415 - likewise

        return MMDBCountries(chosen)
    from apikeychain.backends.registry_countries import RegistryCountries  # noqa: PLC0415 - likewise

    return RegistryCountries()


def _bucket(chosen: Bucket) -> Witness:
    from apikeychain.backends.s3_witness import S3Witness  # noqa: PLC0415 - likewise

    return S3Witness(
        chosen.name,
        chosen.prefix,
        region=chosen.region,
        retain_days=chosen.retain_days,
        profile=chosen.profile,
        endpoint_url=chosen.endpoint_url,
        ca_file=chosen.ca_file,
    )


@contextmanager
def _noting(variables: Variables, name: str = "", kind: str = "") -> Generator[None, None, None]:
    """Notes what a plug finds wrong with what it is given, without the value.

    Args:
        variables: where to.
        name: of the variable; "" where the plug says what is wrong by argument, each with a variable.
        kind: how these variables begin; "" for those of a key service.
    """
    try:
        yield
    except InvalidValueError as error:
        variables.problem(name, str(error))
    except SettingsError as error:
        for problem in error.problems:
            argument, _, wanted = problem.partition(": ")
            begin = kind or ("OPENBAO" if variables.has("OPENBAO_ADDRESS") else "AWS")
            variables.problem(f"{begin}_{argument.upper()}", wanted)
