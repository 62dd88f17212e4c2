"""Where the environment says that assets are kept, and what is wrong with it."""

import subprocess
import sys
from pathlib import Path

import pytest

from apikeychain import APIKeyChain
from apikeychain.backends.file_assets import FileAssets
from apikeychain.backends.s3_assets import S3Assets
from apikeychain.environment.variables import PREFIX
from apikeychain.environment.wiring import Environment, read_environment
from apikeychain.errors import SettingsError

_BUCKET = {"ASSETS_S3_BUCKET": "assets", "ASSETS_S3_REGION": "auto"}
_DATABASE = {"DATABASE_URL": "postgresql://web@db.example/keys", "VALKEY_URL": "valkeys://valkey.example:6379/0"}
_KEY = {"KEY_FILE": "/var/lib/platform.key"}


def read(**variables: object) -> Environment:
    return read_environment({PREFIX + name: str(value) for name, value in variables.items()})


def test_without_a_word_they_are_beside_the_data(tmp_path: Path) -> None:
    for given in ({}, {"DATABASE_URL": _DATABASE["DATABASE_URL"]}):
        store = read(DATA=tmp_path, **given).plugs.asset_store
        assert isinstance(store, FileAssets)
        assert store.directory == tmp_path / "assets"


def test_where_several_processes_serve_or_there_are_no_data_a_store_is_named_or_there_is_none(tmp_path: Path) -> None:
    for given in (_DATABASE | _KEY, _DATABASE | {"DATA": tmp_path}):
        assert read(**given).plugs.asset_store is None
        assert isinstance(read(**given, **_BUCKET).plugs.asset_store, S3Assets)


def test_a_directory_keeps_them(tmp_path: Path) -> None:
    found = read(ASSETS_DIRECTORY="/srv/assets", **_DATABASE, **_KEY)
    assert isinstance(found.plugs.asset_store, FileAssets)
    assert found.plugs.asset_store.directory == Path("/srv/assets")
    assert APIKeyChain.from_environment(found)._plugs.asset_store is found.plugs.asset_store


def test_a_bucket_keeps_them() -> None:
    more = {"ASSETS_S3_PREFIX": "a/b", "ASSETS_S3_PROFILE": "gate", "ASSETS_S3_ENDPOINT_URL": "https://r2.example"}
    store = read(DATA="./x", **_BUCKET, **more).plugs.asset_store
    assert isinstance(store, S3Assets)
    at = store._place
    assert (at.bucket, at.prefix, at.profile) == ("assets", "a/b", "gate")
    assert (at.place.base, at.place.region) == ("https://r2.example", "auto")


@pytest.mark.parametrize(
    ("given", "problems"),
    [
        ({"ASSETS_DIRECTORY": "assets"}, ["ASSETS_DIRECTORY: write the absolute path of a directory"]),
        ({"ASSETS_S3_REGION": "auto"}, ["ASSETS_S3_REGION: it needs APIKEYCHAIN_ASSETS_S3_BUCKET"]),
        (
            {**_BUCKET, "ASSETS_DIRECTORY": "/srv/assets"},
            ["ASSETS_S3_BUCKET: say one of it and APIKEYCHAIN_ASSETS_DIRECTORY"],
        ),
        (
            {"ASSETS_S3_BUCKET": "B"},
            [
                "ASSETS_S3_REGION: write one of AWS, like eu-central-1",
                "ASSETS_S3_BUCKET: write the name of a bucket, of small letters, digits, `.` and `-`",
            ],
        ),
    ],
    ids=["a word", "no bucket", "both", "wrong"],
)
def test_what_is_wrong_is_told(given: dict[str, str], problems: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        read(DATA="./x", **given)
    assert list(caught.value.problems) == [PREFIX + problem for problem in problems]


@pytest.mark.parametrize(
    ("ours", "theirs", "meets"),
    [
        ({}, {}, True),
        ({"PREFIX": "a"}, {"PREFIX": "a/b"}, True),
        ({"PREFIX": "a/b"}, {"PREFIX": "a"}, True),
        ({"PREFIX": "a"}, {"PREFIX": "ab"}, False),
        ({"PREFIX": "assets"}, {}, False),
        ({"ENDPOINT_URL": "https://r2.example"}, {}, False),
        ({"BUCKET": "another"}, {}, False),
    ],
)
def test_checkpoints_and_assets_do_not_lie_among_each_other(
    ours: dict[str, str], theirs: dict[str, str], meets: bool
) -> None:
    same = {"BUCKET": "one", "REGION": "auto"}
    given = {
        f"{kind}_S3_{name}": text
        for kind, own in (("ASSETS", ours), ("WITNESS", theirs))
        for name, text in (same | own).items()
    }
    if not meets:
        assert isinstance(read(DATA="./x", **given).plugs.asset_store, S3Assets)
        return
    with pytest.raises(SettingsError, match="ASSETS_S3_PREFIX: checkpoints are kept there: name another one"):
        read(DATA="./x", **given)


def test_the_client_of_s3_is_loaded_by_who_has_chosen_it_alone(tmp_path: Path) -> None:
    program = (
        "import sys; from apikeychain import APIKeyChain; "
        f"APIKeyChain.from_environment({{'APIKEYCHAIN_DATA': {str(tmp_path)!r}}}); "
        "print(sorted(name for name in sys.modules if name.partition('.')[0] in {'aiobotocore', 'botocore'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603  # our own program
    assert done.stdout.strip() == "[]"
