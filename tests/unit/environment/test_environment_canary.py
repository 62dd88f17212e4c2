"""A secret in the place of any variable is told by nobody: not by the error and its frames, nor by the doctor."""

import logging
import traceback
from dataclasses import replace

import pytest

import canary
from apikeychain.cli.invocation import Invocation
from apikeychain.environment.choices import migration_place
from apikeychain.environment.variables import COMMAND, KEY_PLUGS, PLUGS, PREFIX, SETTINGS
from apikeychain.environment.wiring import read_environment
from apikeychain.errors import APIKeyChainError, SettingsError
from terminal import Terminal

_SECRET = canary.secret("pasted")
_NOBODY = {
    "DATABASE_URL": "postgresql://web@127.0.0.1:1/keys",
    "VALKEY_URL": "valkey://127.0.0.1:1/0",
    "OPENBAO_ADDRESS": "http://127.0.0.1:1",
    "OPENBAO_TOKEN_FILE": "/nowhere/token",
    "WITNESS_S3_BUCKET": "a-bucket",
    "WITNESS_S3_REGION": "eu-central-1",
    "WITNESS_S3_ENDPOINT_URL": "http://127.0.0.1:1",
    "ASSETS_S3_BUCKET": "b-bucket",
    "ASSETS_S3_REGION": "eu-central-1",
    "ASSETS_S3_ENDPOINT_URL": "http://127.0.0.1:1",
    "WITNESS_URL": "http://127.0.0.1:1/witness",
    "WITNESS_SECRETS": f"whsec_{'c2VjcmV0' * 4}",
    "KEY_SERVICES": "kms",
    "KEY_SERVICE_KMS_AWS_REGION": "eu-central-1",
    "KEY_SERVICE_KMS_AWS_ENDPOINT_URL": "http://127.0.0.1:1",
}
_EVERY = [*PLUGS, *COMMAND, *SETTINGS, *(f"KEY_SERVICE_KMS_{name}" for name in KEY_PLUGS if name.startswith("AWS_"))]
# Each holds the secret where something of the text might be told: all of it, its scheme, an option.
_WRITTEN = {
    "alone": "{}",
    "as a scheme": "{}://db.example/keys",
    "as an option": "postgresql://web@db.example/keys?ssl{}=1",
    "as a port": "valkey://valkey.example:{}/0",
    "in a list": "10.0.0.0/8,{}",
}


@pytest.fixture
def shell(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal in an environment whose servers nobody has started."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    for name, text in _NOBODY.items():
        monkeypatch.setenv(PREFIX + name, text)
    return replace(terminal, names_data=False)


def shown(error: BaseException) -> str:
    """All that a log or pytest shows of an error below the frame that caught it, the locals of each frame too."""
    below = error.__traceback__.tb_next if error.__traceback__ else None
    chain = traceback.TracebackException(type(error), error, below, capture_locals=True)
    return f"{error}{error!r}{error.args}{vars(error)}{''.join(chain.format())}"


def deeds() -> list[str]:
    """What each way to read the environment of the process shows, where it ends with an error."""
    told: list[str] = []
    invocation = Invocation(data=None, label=None, development=False, json=False)
    for deed in (read_environment, invocation.environment):
        try:
            told.append(repr(deed()))
        except APIKeyChainError as error:
            told.append(shown(error))
    return told


@pytest.mark.parametrize("written", _WRITTEN.values(), ids=_WRITTEN)
@pytest.mark.parametrize("name", _EVERY)
def test_a_secret_in_the_place_of_a_value_is_not_told(
    shell: Terminal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str, written: str
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv(PREFIX + name, written.format(_SECRET))
    if name == "MIGRATION_URL":
        migrated = shell.refused("migrate")
        assert not canary.holds(migrated)
    assert not any(map(canary.holds, deeds()))
    assert not canary.holds(caplog.text)


@pytest.mark.parametrize("name", _EVERY)
def test_the_doctor_does_not_tell_it_either(
    shell: Terminal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv(PREFIX + name, _SECRET)
    for form in ((), ("--json",)):
        _, out, err = shell.run("doctor", *form)
        assert out or err
        assert not canary.holds(out + err)
    assert not canary.holds(caplog.text)


@pytest.mark.parametrize("name", [name for name in (*PLUGS, *COMMAND) if name.endswith("_FILE")])
def test_a_file_is_named_by_its_whole_path(name: str) -> None:
    heads = {"OPENBAO": ("OPENBAO_ADDRESS", "https://x"), "AWS": ("AWS_REGION", "eu-central-1")}
    head, text = heads.get(name.partition("_")[0], ("DATA", "./x"))
    with pytest.raises(SettingsError) as caught:
        (migration_place if name in COMMAND else read_environment)({PREFIX + head: text, PREFIX + name: "token"})
    assert f"{PREFIX}{name}: write the absolute path of a file" in caught.value.problems


def test_a_password_in_a_url_is_in_no_local_of_a_frame(shell: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "VALKEY_URL", "MIGRATION_URL"):
        monkeypatch.setenv(PREFIX + name, f"postgresql://web:{_SECRET}@db.example/keys")
    monkeypatch.setenv(f"{PREFIX}DATABASE_CA_FILE", "/nowhere")
    assert not any(map(canary.holds, deeds()))
    assert not canary.holds(shell.refused("migrate"))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("DATABASE_UR", "APIKEYCHAIN_DATABASE_UR is not known: did you mean APIKEYCHAIN_DATABASE_URL?"),
        (
            f"TOKEN={_SECRET}",
            "a variable that begins with APIKEYCHAIN_ has a name of odd characters, and is not known",
        ),
        ("A" * 65, "a variable that begins with APIKEYCHAIN_ has a name of odd characters, and is not known"),
    ],
    ids=["a typing error", "a secret", "long"],
)
def test_a_name_is_told_where_it_is_one(name: str, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_environment({f"{PREFIX}DATA": "./x", PREFIX + name: "1"})
    assert caught.value.problems == (told,)
