"""Several key services that the environment names, on real servers: what the doctor and the keychain make of them."""

import asyncio
import itertools
from pathlib import Path

import pytest

from apikeychain import APIKeyChain
from apikeychain.doctor.examination import examine
from apikeychain.environment.wiring import read_environment
from apikeychain.testing.servers.aws import REGION, AWSServer
from apikeychain.testing.servers.openbao import OpenBaoServer
from management import fill

_NAMES = itertools.count(1)


@pytest.fixture
async def variables(
    aws: AWSServer, openbao: OpenBaoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """A data directory, with a key in a file, one in OpenBao and one in AWS KMS."""
    name = f"environment-{next(_NAMES)}"
    openbao.new_key(name)
    role, file = openbao.app_role("operator", key=name), tmp_path / "secret-id"
    assert not isinstance(role.secret_id, Path)
    async with aws.key_service(name=name, create=True):
        pass
    user, credentials = aws.user("operator", name), tmp_path / "credentials"
    for path, text in (
        (file, role.secret_id.reveal().decode()),
        (credentials, f"[gate]\naws_access_key_id={user.id}\naws_secret_access_key={user.secret.reveal().decode()}\n"),
    ):
        path.touch(0o600)
        path.write_text(text)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    aws.enforce()
    given = {
        "DATA": tmp_path / "data",
        "KEY_FILE": tmp_path / "platform.key",
        "KDF": "pbkdf2-sha512",
        "KEY_SERVICES": "vault,eu-kms",
        "KEY_SERVICE_VAULT_OPENBAO_ADDRESS": openbao.address,
        "KEY_SERVICE_VAULT_OPENBAO_ROLE_ID": role.role_id,
        "KEY_SERVICE_VAULT_OPENBAO_SECRET_ID_FILE": file,
        "KEY_SERVICE_VAULT_OPENBAO_KEY": name,
        "KEY_SERVICE_VAULT_OPENBAO_CA_FILE": openbao.ca_file,
        "KEY_SERVICE_EU_KMS_AWS_REGION": REGION,
        "KEY_SERVICE_EU_KMS_AWS_NAME": name,
        "KEY_SERVICE_EU_KMS_AWS_PROFILE": "gate",
        "KEY_SERVICE_EU_KMS_AWS_ENDPOINT_URL": aws.address,
    }
    variables = {f"APIKEYCHAIN_{name}": str(text) for name, text in given.items()}
    async with APIKeyChain.from_environment(variables) as keychain:
        for tenant, key_service in (("here", "default"), ("there", "vault"), ("far", "eu-kms")):
            made = await keychain.create_tenant(tenant, key_service=key_service)
            await fill(await made.create_project("shop"))
    return variables


async def broken(variables: dict[str, str]) -> list[tuple[str, str]]:
    found = await examine(read_environment(variables), deep=True)
    return [(finding.check, finding.told) for finding in found if finding.state != "ok"]


async def test_each_is_examined_with_what_its_tenants_stored(variables: dict[str, str]) -> None:
    found = await examine(read_environment(variables), deep=True)
    assert [finding for finding in found if finding.state != "ok"] == []
    assert [finding.told for finding in found if finding.check == "key service"] == [
        "a key goes in and comes out again",
        "vault: a key goes in and comes out again",
        "eu-kms: a key goes in and comes out again",
        "the platform key opens what is stored",
    ]
    assert len([finding for finding in found if finding.check == "project keys"]) == 3


async def test_one_that_is_down_is_told_by_its_name_and_the_others_are_examined(
    variables: dict[str, str], openbao: OpenBaoServer, aws: AWSServer
) -> None:
    openbao.seal()
    ((check, told),) = await broken(variables)
    assert check == "key service"
    assert told.startswith("vault: ")
    openbao.unseal()
    aws.hang()
    ((check, told),) = await broken(variables)
    assert (check, told) == ("key service", "eu-kms: it does not answer")


async def test_readiness_names_the_one_that_is_down_and_stays(
    variables: dict[str, str], openbao: OpenBaoServer, aws: AWSServer
) -> None:
    async with APIKeyChain.from_environment(variables) as keychain:
        assert await ill(keychain) == set()
        aws.hang()
        openbao.seal()
        await asyncio.sleep(1.1)
        assert await ill(keychain) == {"key_services.vault", "key_services.eu-kms"}
    openbao.unseal()


async def ill(keychain: APIKeyChain) -> set[str]:
    """The plugs that fail of a gate that is ready, but for signals, which may have to be heard first."""
    async with asyncio.timeout(4):
        found = await keychain.ready()
    assert found.ok
    return {plug.name for plug in found.plugs if not plug.ok} - {"signals"}


async def test_a_tenant_whose_key_service_is_not_named_is_told(variables: dict[str, str]) -> None:
    only = {
        name: "eu-kms" if name.endswith("KEY_SERVICES") else text
        for name, text in variables.items()
        if "VAULT" not in name
    }
    assert await broken(only) == [("key service", "the key service 'vault' of there is not given")]


async def test_the_default_may_be_in_aws(variables: dict[str, str], tmp_path: Path) -> None:
    begin = "APIKEYCHAIN_KEY_SERVICE_EU_KMS_"
    alone = {f"APIKEYCHAIN_{name.removeprefix(begin)}": text for name, text in variables.items() if begin in name}
    alone["APIKEYCHAIN_DATA"] = str(tmp_path / "other")
    async with APIKeyChain.from_environment(alone) as keychain:
        acme = await keychain.create_tenant("acme")
        assert await acme.rewrap_keys() == 1
    assert await broken(alone) == []
