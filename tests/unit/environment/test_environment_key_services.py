"""Key services that the environment names: AWS KMS, and several side by side."""

from pathlib import Path

import pytest

import canary
from apikeychain.backends.aws_kms import AWSKeyService
from apikeychain.backends.local_keys import LocalKeyService
from apikeychain.backends.openbao import OpenBaoKeyService
from apikeychain.environment.variables import PREFIX
from apikeychain.environment.wiring import Environment, read_environment
from apikeychain.errors import SettingsError

_PASTED = canary.secret("pasted")
_NAMES = "letters, digits, `.`, `_` and `-`"


def read(**variables: object) -> Environment:
    return read_environment({PREFIX + name: str(value) for name, value in {"DATA": "./x", **variables}.items()})


def test_the_platform_key_may_be_in_aws() -> None:
    found = read(
        AWS_REGION="eu-central-1", AWS_PROFILE="gate", AWS_NAME="ours", AWS_ENDPOINT_URL="https://kms.internal"
    )
    keys = found.plugs.key_service
    assert isinstance(keys, AWSKeyService)
    assert (keys._place.region, keys._place.base) == ("eu-central-1", "https://kms.internal")
    assert (keys._name, keys._profile, keys._create) == ("ours", "gate", False)


def test_others_stand_beside_the_default(tmp_path: Path) -> None:
    found = read(
        KEY_SERVICES="old-file, vault,eu.kms",
        KEY_SERVICE_OLD_FILE_KEY_FILE=tmp_path / "old.key",
        KEY_SERVICE_VAULT_OPENBAO_ADDRESS="https://bao.example",
        KEY_SERVICE_VAULT_OPENBAO_TOKEN_FILE="/run/token",
        KEY_SERVICE_EU_KMS_AWS_REGION="eu-central-1",
    )
    file, vault, kms = found.plugs.key_services.values()
    assert [*found.plugs.key_services] == ["old-file", "vault", "eu.kms"]
    assert isinstance(found.plugs.key_service, LocalKeyService)
    assert isinstance(file, LocalKeyService)
    assert file.path == tmp_path / "old.key"
    assert isinstance(vault, OpenBaoKeyService)
    assert isinstance(kms, AWSKeyService)
    assert found.choices.secret_files == (Path("/run/token"),)


def test_each_is_called_by_its_name_alone() -> None:
    assert read().plugs.key_services == {}


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        pytest.param({"AWS_NAME": "x"}, ["AWS_NAME: it needs APIKEYCHAIN_AWS_REGION"], id="a part alone"),
        pytest.param(
            {"AWS_REGION": _PASTED, "AWS_NAME": "-", "AWS_ENDPOINT_URL": f"http://{_PASTED}"},
            [
                "AWS_REGION: write one of AWS, like eu-central-1",
                "AWS_ENDPOINT_URL: http is for this machine alone (127.0.0.1, [::1], localhost); write https",
                "AWS_NAME: write the name of an alias, of letters, digits, `/`, `_` and `-`",
            ],
            id="wrong parts",
        ),
        pytest.param(
            {"AWS_REGION": "eu-central-1", "KEY_FILE": "/y", "OPENBAO_ADDRESS": "https://x"},
            [
                "AWS_REGION: say one of it and APIKEYCHAIN_OPENBAO_ADDRESS",
                "KEY_FILE: say one of it and APIKEYCHAIN_OPENBAO_ADDRESS",
                (
                    "OPENBAO_ADDRESS: who logs in there? Set OPENBAO_ROLE_ID and OPENBAO_SECRET_ID_FILE, "
                    "or OPENBAO_TOKEN_FILE alone"
                ),
            ],
            id="three at once",
        ),
        pytest.param(
            {"KEY_SERVICES": "kms", "KEY_SERVICE_KMS_AWS_REGION": "nowhere", "KEY_SERVICE_KMS_OPENBAO_KEY": "x"},
            [
                "KEY_SERVICE_KMS_OPENBAO_KEY: it needs APIKEYCHAIN_KEY_SERVICE_KMS_OPENBAO_ADDRESS",
                "KEY_SERVICE_KMS_AWS_REGION: write one of AWS, like eu-central-1",
            ],
            id="wrong parts of another",
        ),
        pytest.param(
            {"KEY_SERVICES": "kms", "KEY_SERVICE_KMS_KEY_FILE": _PASTED},
            ["KEY_SERVICE_KMS_KEY_FILE: write the absolute path of a file"],
            id="a token in place of a file",
        ),
        pytest.param(
            {"KEY_SERVICES": f"kms,{_PASTED}", "KEY_SERVICE_KMS_KEY_FILE": "/y"},
            [
                (
                    "KEY_SERVICES: set KEY_FILE, OPENBAO_ADDRESS or AWS_REGION behind APIKEYCHAIN_KEY_SERVICE_ and the "
                    "name of entry 2 in capital letters"
                )
            ],
            id="one of nothing",
        ),
        pytest.param(
            {"KEY_SERVICES": "a-b,a.b,Default,default", "KEY_SERVICE_A_B_KEY_FILE": "/y"},
            [
                "KEY_SERVICES: entry 2 is written as another one in capital letters",
                f"KEY_SERVICES: entry 3 is no name (lower case {_NAMES})",
                "KEY_SERVICES: entry 4 is the name of the one without a name",
            ],
            id="names",
        ),
        pytest.param(
            {"KEY_SERVICE_KMS_AWS_REGION": "eu-central-1"},
            ["KEY_SERVICE_KMS_AWS_REGION is not known: did you mean APIKEYCHAIN_KEY_SERVICES?"],
            id="one that is not named",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_own_variable(variables: dict[str, str], told: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        read(**variables)
    assert [problem.removeprefix(PREFIX) for problem in caught.value.problems] == told
