"""Which witnesses the environment says, and what is wrong with them."""

import base64
from pathlib import Path

import pytest

import canary
from apikeychain.backends.file_witness import FileWitness
from apikeychain.backends.s3_witness import S3Witness
from apikeychain.backends.webhook_witness import WebhookWitness
from apikeychain.environment.variables import PREFIX
from apikeychain.environment.wiring import Environment, read_environment
from apikeychain.errors import SettingsError

_SECRET = "whsec_" + base64.b64encode(canary.secret("webhook").encode() * 2).decode()[:32]
_URL = "https://witness.example/acme"
_DATABASE = {
    "DATABASE_URL": "postgresql://web@db.example/keys",
    "VALKEY_URL": "valkeys://valkey.example:6379/0",
    "OPENBAO_ADDRESS": "https://bao.example:8200",
    "OPENBAO_TOKEN_FILE": "/run/token",
}
_BUCKET = {"WITNESS_S3_BUCKET": "checkpoints", "WITNESS_S3_REGION": "eu-central-1"}


def read(**variables: object) -> Environment:
    return read_environment({PREFIX + name: str(value) for name, value in variables.items()})


def test_the_default_is_a_file_in_the_data_directory(tmp_path: Path) -> None:
    (witness,) = read(DATA=tmp_path).plugs.witnesses
    assert isinstance(witness, FileWitness)
    assert witness.path == tmp_path / "witness.jsonl"


def test_without_a_data_directory_there_is_none() -> None:
    assert read(**_DATABASE).plugs.witnesses == []


def test_all_that_are_named_are_witnesses_in_place_of_the_default(tmp_path: Path) -> None:
    found = read(DATA="./x", WITNESS_FILE="/mnt/w", WITNESS_URL=_URL, WITNESS_SECRETS=_SECRET, **_BUCKET)
    assert [type(witness) for witness in found.plugs.witnesses] == [FileWitness, S3Witness, WebhookWitness]
    assert not canary.holds(repr(found))


def test_url_and_secrets_may_stand_in_files(tmp_path: Path) -> None:
    url, secrets = tmp_path / "url", tmp_path / "secrets"
    url.write_text(f"{_URL}\n")
    secrets.write_text(f"{_SECRET}\n{_SECRET}\n")
    found = read(DATA="./x", WITNESS_URL_FILE=url, WITNESS_SECRETS_FILE=secrets)
    (witness,) = found.plugs.witnesses
    assert isinstance(witness, WebhookWitness)
    assert len(witness._place.secrets) == 2
    assert {url, secrets} <= {*found.choices.secret_files}


def test_every_variable_of_a_bucket_is_heard() -> None:
    more = {"WITNESS_S3_PREFIX": "a/b", "WITNESS_S3_PROFILE": "gate", "WITNESS_S3_RETAIN_DAYS": "365"}
    place = {"WITNESS_S3_ENDPOINT_URL": "https://s3.example", "WITNESS_S3_REGION": "auto"}
    (witness,) = read(DATA="./x", **(_BUCKET | more | place)).plugs.witnesses
    assert isinstance(witness, S3Witness)
    at = witness._place
    assert (at.bucket, at.prefix, at.profile, witness._days) == ("checkpoints", "a/b", "gate", 365)
    assert (at.place.base, at.place.region) == ("https://s3.example", "auto")


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"WITNESS_SECRETS": _SECRET}, ["WITNESS_SECRETS: it needs APIKEYCHAIN_WITNESS_URL"]),
        ({"WITNESS_S3_REGION": "x"}, ["WITNESS_S3_REGION: it needs APIKEYCHAIN_WITNESS_S3_BUCKET"]),
        (
            {"WITNESS_S3_BUCKET": "B"},
            [
                "WITNESS_S3_REGION: write one of AWS, like eu-central-1",
                "WITNESS_S3_BUCKET: write the name of a bucket, of small letters, digits, `.` and `-`",
            ],
        ),
        ({**_BUCKET, "WITNESS_S3_RETAIN_DAYS": "0"}, ["WITNESS_S3_RETAIN_DAYS: write 1 to 36500"]),
        ({**_BUCKET, "WITNESS_S3_RETAIN_DAYS": "soon"}, ["WITNESS_S3_RETAIN_DAYS: write a number"]),
        (
            {**_BUCKET, "WITNESS_S3_PREFIX": "/a"},
            ["WITNESS_S3_PREFIX: write a path like a/b (no slash before or behind)"],
        ),
        (
            {"WITNESS_URL": "http://witness.example/acme"},
            [
                "WITNESS_URL: write https://host/path, without a user; http is for a loopback host",
                "WITNESS_SECRETS: give one secret, or 2 while the receiver changes to another",
            ],
        ),
        (
            {"WITNESS_URL": _URL, "WITNESS_SECRETS": "whsec_short"},
            ["WITNESS_SECRETS: the secret of a webhook is whsec_ and the base64 of 24 to 64 random bytes"],
        ),
        (
            {"WITNESS_URL": _URL, "WITNESS_SECRETS": "short"},
            [
                "WITNESS_SECRETS: a secret has 8 to 4096 characters, this one has 5",
                "WITNESS_SECRETS: give one secret, or 2 while the receiver changes to another",
            ],
        ),
        (
            {"WITNESS_URL": _URL, "WITNESS_SECRETS_FILE": "/nowhere"},
            [
                "WITNESS_SECRETS_FILE: the file cannot be read (FileNotFoundError)",
                "WITNESS_SECRETS: give one secret, or 2 while the receiver changes to another",
            ],
        ),
    ],
    ids=[
        *("secrets of nobody", "region of nobody", "no bucket", "no day", "no number", "no prefix", "no url"),
        *("no secret of a webhook", "no secret", "no file"),
    ],
)
def test_what_is_wrong_is_told(variables: dict[str, str], told: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        read(DATA="./x", **variables)
    assert [problem.removeprefix(PREFIX) for problem in caught.value.problems] == told
