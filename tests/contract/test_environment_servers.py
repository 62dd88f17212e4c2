"""A keychain as the environment says it, on real servers: PostgreSQL through TLS, Valkey and OpenBao."""

from pathlib import Path

import pytest

from apikeychain import APIKeyChain
from apikeychain.errors import BackendUnavailableError
from apikeychain.testing.servers.openbao import OpenBaoServer
from apikeychain.testing.servers.valkey import ValkeyServer
from management import fill, kinds
from served_postgres import Database


@pytest.mark.parametrize("signals", ["database", "valkey"])
async def test_two_workers_on_one_environment_share_everything(
    database: Database, openbao: OpenBaoServer, tmp_path: Path, signals: str
) -> None:
    openbao.new_key(f"environment-{signals}")
    role = openbao.app_role("gate", key=f"environment-{signals}")
    assert not isinstance(role.secret_id, Path)
    (tmp_path / "secret-id").write_bytes(role.secret_id.reveal())
    (tmp_path / "database").write_text(database.tls_url)
    with ValkeyServer() as valkey:
        variables = {
            "APIKEYCHAIN_DATABASE_URL_FILE": str(tmp_path / "database"),
            "APIKEYCHAIN_DATABASE_CA_FILE": str(database.server.authority),
            "APIKEYCHAIN_VALKEY_URL": valkey.url,
            "APIKEYCHAIN_SIGNALS": signals,
            "APIKEYCHAIN_OPENBAO_ADDRESS": openbao.address,
            "APIKEYCHAIN_OPENBAO_ROLE_ID": role.role_id,
            "APIKEYCHAIN_OPENBAO_SECRET_ID_FILE": str(tmp_path / "secret-id"),
            "APIKEYCHAIN_OPENBAO_KEY": f"environment-{signals}",
            "APIKEYCHAIN_OPENBAO_CA_FILE": str(openbao.ca_file),
            "APIKEYCHAIN_KDF": "pbkdf2-sha512",
        }
        one, other = (APIKeyChain.from_environment(variables) for _ in range(2))
        async with one, other:
            await fill(await (await one.create_tenant("acme")).create_project("shop"))
            acme = await other.tenant("acme")
            assert "secret.put" in await kinds(acme)
            assert [told.name for told in await (await acme.project("shop")).list_secrets()] == ["weather"]
        valkey.stop()
        with pytest.raises(BackendUnavailableError):
            await one.open()
