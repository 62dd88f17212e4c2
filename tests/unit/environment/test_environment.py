"""What the environment says, and every problem of it, told at once and without a value."""

import re
from pathlib import Path

import pytest

import canary
from apikeychain import APIKeyChain, APIKeyChainSettings
from apikeychain.backends.local_keys import LocalKeyService
from apikeychain.backends.openbao import OpenBaoKeyService
from apikeychain.backends.sql import PostgresSignals, SQLiteSignals
from apikeychain.backends.sql.postgres.store import PostgresStore
from apikeychain.backends.sql.store import SQLStore
from apikeychain.backends.valkey import ValkeyGuard, ValkeySignals
from apikeychain.environment.key_services import OpenBao
from apikeychain.environment.variables import PREFIX, plain
from apikeychain.environment.wiring import Environment, read_environment
from apikeychain.errors import SettingsError

_PASSWORD = canary.secret("password")
_DATABASE = f"postgresql://web:{_PASSWORD}@db.example/keys"
_VALKEY = f"valkeys://gate:{_PASSWORD}@valkey.example:6379/0"
_OPENBAO = {"OPENBAO_ADDRESS": "https://bao.example:8200", "OPENBAO_TOKEN_FILE": "/run/token"}


def read(**variables: object) -> Environment:
    return read_environment({PREFIX + name: str(value) for name, value in variables.items()})


def problems(**variables: object) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read(**variables)
    assert _PASSWORD not in str(caught.value)
    return [problem.removeprefix(PREFIX) for problem in caught.value.problems]


def test_a_directory_is_the_embedded_default(tmp_path: Path) -> None:
    found = read(DATA=tmp_path / "data")
    assert isinstance(found.plugs.store, SQLStore)
    assert isinstance(found.plugs.signals, SQLiteSignals)
    assert isinstance(found.plugs.key_service, LocalKeyService)
    assert found.plugs.key_service.path == tmp_path / "data" / "platform.key"
    assert found.plugs.serving is not None
    assert found.choices.settings == APIKeyChainSettings()
    assert not (tmp_path / "data").exists()


def test_the_variables_of_the_process_are_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APIKEYCHAIN_DATA", str(tmp_path))
    monkeypatch.setenv("APIKEYCHAIN_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.delenv("APIKEYCHAIN_CANARY")
    keys = read_environment().plugs.key_service
    assert isinstance(keys, LocalKeyService)
    assert keys.path == tmp_path / "key"


def test_every_setting_can_be_chosen(tmp_path: Path) -> None:
    found = read(
        DATA=tmp_path,
        PREFIX="/keys",
        DEVELOPMENT="true",
        TRUSTED_PROXIES="10.0.0.0/8, unix",
        OUTER_CORS="1",
        BODY_LIMIT="1000",
        NAT64_PREFIXES="64:ff9b::/96",
        KDF="pbkdf2-sha512",
        LEDGER_MODE="write-ahead",
        LEDGER_ORIGIN="gate.example.com/ledger",
    )
    assert found.choices.settings == APIKeyChainSettings(
        prefix="/keys",
        development=True,
        trusted_proxies=("10.0.0.0/8", "unix"),
        outer_cors=True,
        body_limit=1000,
        nat64_prefixes=("64:ff9b::/96",),
        kdf="pbkdf2-sha512",
        ledger_mode="write-ahead",
        ledger_origin="gate.example.com/ledger",
    )
    assert APIKeyChain.from_environment(
        {"APIKEYCHAIN_DATA": str(tmp_path), "APIKEYCHAIN_PREFIX": "/keys"}
    ).settings == (APIKeyChainSettings(prefix="/keys"))


def test_an_empty_variable_is_none(tmp_path: Path) -> None:
    found = read(DATA=tmp_path, PREFIX="", DEVELOPMENT="", DATABASE_URL="", VALKEY_URL_FILE="", SIGNALS="")
    assert found.choices.settings == APIKeyChainSettings()


def test_database_valkey_and_openbao_are_for_many_processes() -> None:
    found = read(DATABASE_URL=_DATABASE, VALKEY_URL=_VALKEY, **_OPENBAO)
    plugs = found.plugs
    assert isinstance(plugs.store, PostgresStore)
    assert isinstance(plugs.signals, PostgresSignals)
    assert isinstance(plugs.rate_limiter, ValkeyGuard)
    assert plugs.rate_limiter is plugs.replay_guard
    assert isinstance(plugs.key_service, OpenBaoKeyService)
    assert plugs.serving is None
    assert _PASSWORD not in repr(found)


def test_valkey_tells_of_changes_where_it_is_chosen(tmp_path: Path) -> None:
    found = read(DATABASE_URL=_DATABASE, VALKEY_URL=_VALKEY, KEY_FILE=tmp_path / "key", SIGNALS="valkey")
    assert isinstance(found.plugs.signals, ValkeySignals)
    assert isinstance(found.plugs.key_service, LocalKeyService)


def test_an_app_role_logs_in_with_a_file(tmp_path: Path) -> None:
    role = {"OPENBAO_ROLE_ID": "gate", "OPENBAO_SECRET_ID_FILE": tmp_path / "secret-id"}
    found = read(DATA=tmp_path, OPENBAO_ADDRESS="https://bao.example", OPENBAO_KEY="keys", OPENBAO_MOUNT="a/b", **role)
    assert isinstance(found.plugs.key_service, OpenBaoKeyService)
    assert isinstance(found.choices.key_service, OpenBao)
    assert found.choices.key_service.secret_id_file == tmp_path / "secret-id"


def test_a_url_with_a_password_may_stand_in_a_file(tmp_path: Path) -> None:
    database, valkey = "postgresql://web:made-up@db.example/keys", "valkeys://:made-up@valkey.example/0"
    for name, url in (("database", database), ("valkey", valkey)):
        (tmp_path / name).write_text(url + "\n")
    found = read(DATABASE_URL_FILE=tmp_path / "database", VALKEY_URL_FILE=tmp_path / "valkey", **_OPENBAO)
    assert found.choices.database_url is not None
    assert found.choices.valkey_url is not None
    assert (plain(found.choices.database_url), plain(found.choices.valkey_url)) == (database, valkey)


def test_a_database_without_shared_limits_is_for_one_process(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = read(DATABASE_URL=_DATABASE, DATA=tmp_path)
    assert found.plugs.serving is not None
    assert "claims and limits are of this process only" in caplog.text


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        pytest.param({}, ["DATA: say where the data are: set it, or APIKEYCHAIN_DATABASE_URL"], id="nothing"),
        pytest.param(
            {"DATA": "./x", "DATABSE_URL": _DATABASE},
            ["DATABSE_URL is not known: did you mean APIKEYCHAIN_DATABASE_URL?"],
            id="a typing error",
        ),
        pytest.param({"DATA": "./x", "ZZZZZZZZZ": "1"}, ["ZZZZZZZZZ is not known"], id="nothing near"),
        pytest.param(
            {"DATA": "./x", "DEVELOPMENT": _PASSWORD}, ["DEVELOPMENT: write true or 1 or false or 0"], id="no flag"
        ),
        pytest.param({"DATA": "./x", "BODY_LIMIT": _PASSWORD}, ["BODY_LIMIT: write a number"], id="no number"),
        pytest.param({"DATA": "./x", "SIGNALS": _PASSWORD}, ["SIGNALS: write database or valkey"], id="no choice"),
        pytest.param(
            {"DATA": "./x", "SIGNALS": "valkey"},
            ["SIGNALS: valkey needs APIKEYCHAIN_VALKEY_URL and APIKEYCHAIN_DATABASE_URL"],
            id="signals of nobody",
        ),
        pytest.param(
            {"DATABASE_URL": _DATABASE, **_OPENBAO},
            [
                (
                    "DATABASE_URL: workers have to share claims and limits too: set APIKEYCHAIN_VALKEY_URL, "
                    "or APIKEYCHAIN_DATA where one process alone serves"
                )
            ],
            id="limits that are not shared",
        ),
        pytest.param(
            {"DATABASE_URL": _DATABASE, "VALKEY_URL": _VALKEY},
            [
                (
                    "DATABASE_URL: where is the platform key? Set APIKEYCHAIN_OPENBAO_ADDRESS or "
                    "APIKEYCHAIN_AWS_REGION or APIKEYCHAIN_KEY_FILE"
                )
            ],
            id="no key",
        ),
        pytest.param(
            {"DATA": "./x", "KEY_FILE": "/y", **_OPENBAO},
            ["KEY_FILE: say one of it and APIKEYCHAIN_OPENBAO_ADDRESS"],
            id="two keys",
        ),
        pytest.param(
            {"DATA": "./x", "DATABASE_CA_FILE": "/nowhere"},
            [
                "DATABASE_CA_FILE: the authorities cannot be read (FileNotFoundError)",
                "DATABASE_CA_FILE: it needs APIKEYCHAIN_DATABASE_URL",
            ],
            id="authorities of nobody",
        ),
        pytest.param(
            {"DATA": "./x", "VALKEY_CA_FILE": "/nowhere"},
            [
                "VALKEY_CA_FILE: the authorities cannot be read (FileNotFoundError)",
                "VALKEY_CA_FILE: it needs APIKEYCHAIN_VALKEY_URL",
            ],
            id="authorities of no valkey",
        ),
        pytest.param(
            {"DATA": "./x", "OPENBAO_KEY": "y"},
            ["OPENBAO_KEY: it needs APIKEYCHAIN_OPENBAO_ADDRESS"],
            id="key of nobody",
        ),
        pytest.param(
            {"DATA": "./x", **_OPENBAO, "OPENBAO_ROLE_ID": "y"},
            [
                (
                    "OPENBAO_ADDRESS: who logs in there? Set OPENBAO_ROLE_ID and OPENBAO_SECRET_ID_FILE, "
                    "or OPENBAO_TOKEN_FILE alone"
                )
            ],
            id="two logins",
        ),
        pytest.param(
            {"DATA": "./x", **_OPENBAO, "OPENBAO_ADDRESS": f"http://{_PASSWORD}", "OPENBAO_MOUNT": "/"},
            [
                "OPENBAO_ADDRESS: http is for this machine alone (127.0.0.1, [::1], localhost); write https",
                "OPENBAO_MOUNT: write a path like a/b (no slash before or behind)",
            ],
            id="no address",
        ),
        pytest.param(
            {"DATA": "./x", "DATABASE_URL": f"mysql://x:{_PASSWORD}@y/z"},
            ["DATABASE_URL: write postgresql://user@host/database"],
            id="another database",
        ),
        *(
            pytest.param(
                {"DATA": "./x", "DATABASE_URL": url},
                [f"DATABASE_URL: {told}write postgresql://user@host/database"],
                id=f"no url {number}",
            )
            for number, (url, told) in enumerate(
                ((_PASSWORD, ""), (f"postgresql://x:{_PASSWORD}@y:z/z", "not a URL of PostgreSQL: "))
            )
        ),
        pytest.param(
            {"DATA": "./x", "DATABASE_URL": _DATABASE, "DATABASE_CA_FILE": "/nowhere"},
            ["DATABASE_CA_FILE: the authorities cannot be read (FileNotFoundError)"],
            id="no authorities",
        ),
        pytest.param(
            {"DATA": "./x", "VALKEY_URL": _PASSWORD},
            [
                (
                    "VALKEY_URL: not a URL of Valkey or Redis: write valkey://host:6379/0, or valkeys:// for TLS, "
                    "without options"
                )
            ],
            id="no url of valkey",
        ),
        pytest.param(
            {"DATA": "./x", "VALKEY_URL": f"valkey://\xfc:{_PASSWORD}@y/0"},
            ["VALKEY_URL: a URL has 8 to 4096 characters of printable ASCII, with %20 for a space"],
            id="a letter that has to be escaped",
        ),
        pytest.param(
            {"DATA": "x"}, ["DATA: write a path that begins with / or ./"], id="a directory that may be a secret"
        ),
        pytest.param(
            {"DATA": "./x", "DATABASE_URL": f"{_DATABASE}?sslmode=disable"},
            ["DATABASE_URL: TLS is always verified: leave its options out, and set APIKEYCHAIN_DATABASE_CA_FILE"],
            id="options of tls",
        ),
        pytest.param(
            {"DATA": "./x", "VALKEY_URL": _VALKEY, "VALKEY_URL_FILE": "y"},
            ["VALKEY_URL: say one of it and APIKEYCHAIN_VALKEY_URL_FILE"],
            id="url and file",
        ),
        pytest.param(
            {"DATABASE_URL_FILE": "/nowhere", "VALKEY_URL": _VALKEY, **_OPENBAO},
            ["DATABASE_URL_FILE: the file cannot be read (FileNotFoundError)"],
            id="no file",
        ),
        pytest.param(
            {"DATA": "./x", "PREFIX": "x/", "KDF": "none", "BODY_LIMIT": "0", "OUTER": "1"},
            [
                "OUTER is not known: did you mean APIKEYCHAIN_OUTER_CORS?",
                "PREFIX: write a lower-case path without a final slash, like /api/apikeychain",
                "BODY_LIMIT: write 1 to 104857600 bytes",
                "KDF: write argon2id or pbkdf2-sha512",
            ],
            id="all at once",
        ),
    ],
)
def test_what_is_wrong_is_told_all_at_once_and_without_a_value(variables: dict[str, str], told: list[str]) -> None:
    assert problems(**variables) == told


def test_names_of_others_are_none_of_ours(tmp_path: Path) -> None:
    read_environment({"APIKEYCHAIN_DATA": str(tmp_path), "KEYCHAIN_X": "1", "apikeychain_x": "1"})


@pytest.mark.parametrize("name", ["DATABASE_URL", "VALKEY_URL"])
def test_a_file_that_is_empty_is_no_choice_of_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").write_text("\n")
    shared = {"DATABASE_URL": _DATABASE, "VALKEY_URL": _VALKEY, "KEY_FILE": tmp_path / "key"}
    given = {other: value for other, value in shared.items() if other != name}
    assert problems(**given, **{f"{name}_FILE": tmp_path / "empty"}) == [f"{name}_FILE: the file is empty"]


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "url").write_bytes(b"\xff")
    (told,) = problems(DATA=tmp_path, VALKEY_URL_FILE=tmp_path / "url")
    assert re.fullmatch(r"VALKEY_URL_FILE: the file cannot be read \(UnicodeDecodeError\)", told)
