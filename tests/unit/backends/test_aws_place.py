"""What is refused of an AWS KMS's place and names before anything is dialled."""

import sys

import pytest

import apikeychain.backends.aws_kms
from apikeychain.backends.aws_kms import AccessKey, AWSKeyService
from apikeychain.errors import MissingExtraError, SettingsError
from apikeychain.secret import Secret

LOGIN = AccessKey("AKIAIOSFODNN7EXAMPLE", Secret("a-made-up-secret-access-key"))


@pytest.mark.parametrize("region", ["eu-central-1", "us-gov-west-1", "cn-north-1", "eusc-de-east-1", "ap-southeast-12"])
def test_a_region_is_taken(region: str) -> None:
    assert AWSKeyService(region)._place.base is None


@pytest.mark.parametrize("region", ["", "auto", "eu-central-1.evil.example", "EU-CENTRAL-1", "eu-central-1/"])
def test_a_region_that_would_leave_its_place_in_a_name_is_refused(region: str) -> None:
    with pytest.raises(SettingsError, match="region: "):
        AWSKeyService(region)


@pytest.mark.parametrize(
    ("address", "base"),
    [
        (
            "https://vpce-0a1.kms.eu-central-1.vpce.amazonaws.com",
            "https://vpce-0a1.kms.eu-central-1.vpce.amazonaws.com",
        ),
        ("https://KMS.internal:8443/", "https://kms.internal:8443"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("http://localhost:5000", "http://localhost:5000"),
        ("https://[::1]:5000", "https://[::1]:5000"),
    ],
)
def test_an_address_is_taken(address: str, base: str) -> None:
    assert AWSKeyService("eu-central-1", endpoint_url=address)._place.base == base


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("http://kms.internal", "http is for this machine alone"),
        ("https://169.254.169.254", "give the name of its host"),
        ("https://10.0.0.7:8443", "give the name of its host"),
        ("https://[fd00::7]", "give the name of its host"),
        ("https://2852039166", "give the name of its host"),
        ("https://0xa9fea9fe", "give the name of its host"),
        ("https://user:word@kms.internal", "nothing more"),
        ("ftp://kms.internal", "it begins with https://"),
        ("", "nothing more"),
    ],
)
def test_an_address_is_refused(address: str, told: str) -> None:
    with pytest.raises(SettingsError, match=f"endpoint_url: .*{told}") as refused:
        AWSKeyService("eu-central-1", endpoint_url=address)
    assert "word" not in str(refused.value)


@pytest.mark.parametrize("name", ["", "aws/kms", "-a", "a b", "a:b", "a.b", "a*", "ä", "a" * 129])
def test_a_name_that_is_none_of_an_alias_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="name: "):
        AWSKeyService("eu-central-1", name=name)


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        AWSKeyService("mars", endpoint_url="x", name="", waiting_days=6, access_key=LOGIN, profile="gate")
    told = [problem.partition(":")[0] for problem in refused.value.problems]
    assert told == ["region", "endpoint_url", "name", "waiting_days", "access_key and profile"]
    with pytest.raises(SettingsError, match="waiting_days: write 7 to 30"):
        AWSKeyService("eu-central-1", waiting_days=31)


def test_without_the_client_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiobotocore", None)
    with pytest.raises(MissingExtraError, match=r"AWS KMS needs more packages: .*\[aws\]"):
        getattr(apikeychain.backends.aws_kms, "AWSKeyService")  # noqa: B009  # a plain attribute says nothing to a reader
    with pytest.raises(AttributeError):
        getattr(apikeychain.backends.aws_kms, "no_such_name")  # noqa: B009  # a plain attribute would not pass the type checkers
