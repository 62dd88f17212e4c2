"""The doctor on PostgreSQL, Valkey and OpenBao: each thing that is broken there is told, and nothing else."""

import asyncio
import os
import ssl
import time
from collections.abc import AsyncGenerator, Generator
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

import canary
from apikeychain import APIKeyChain
from apikeychain.backends.memory_keys import MemoryKeyService
from apikeychain.backends.memory_signals import MemorySignals
from apikeychain.backends.sql import SQLStore
from apikeychain.backends.sql.opening import VERSION_TABLE, VERSIONS
from apikeychain.doctor import examination
from apikeychain.doctor.database import look_at_postgres
from apikeychain.doctor.examination import examine
from apikeychain.doctor.finding import Finding
from apikeychain.doctor.keys import look_at_keys
from apikeychain.doctor.valkey import look_at_valkey
from apikeychain.environment.wiring import Environment, read_environment
from apikeychain.model.keys import KeyContext
from apikeychain.ports.signals import Change
from apikeychain.secret import Secret
from apikeychain.testing.servers.aws import REGION, AWSServer
from apikeychain.testing.servers.openbao import OpenBaoServer
from apikeychain.testing.servers.postgres import PostgresServer
from apikeychain.testing.servers.valkey import ValkeyServer
from management import fill
from served_postgres import WEB, Database, migrated
from tls_front import tls_front

_KEY = "doctor"


@pytest.fixture(scope="module")
def valkey() -> Generator[ValkeyServer, None, None]:
    with ValkeyServer() as server:
        yield server


@pytest.fixture
def variables(database: Database, openbao: OpenBaoServer, valkey: ValkeyServer, tmp_path: Path) -> dict[str, str]:
    """Of a keychain on all of them, in which nothing is wrong."""
    openbao.new_key(_KEY)
    role = openbao.app_role("gate", key=_KEY)
    assert not isinstance(role.secret_id, Path)
    secret_id = tmp_path / "secret-id"
    secret_id.touch(0o600)
    secret_id.write_bytes(role.secret_id.reveal())
    return {
        "APIKEYCHAIN_DATABASE_URL": database.tls_url,
        "APIKEYCHAIN_DATABASE_CA_FILE": str(database.server.authority),
        "APIKEYCHAIN_VALKEY_URL": valkey.url,
        "APIKEYCHAIN_OPENBAO_ADDRESS": openbao.address,
        "APIKEYCHAIN_OPENBAO_ROLE_ID": role.role_id,
        "APIKEYCHAIN_OPENBAO_SECRET_ID_FILE": str(secret_id),
        "APIKEYCHAIN_OPENBAO_KEY": _KEY,
        "APIKEYCHAIN_OPENBAO_CA_FILE": str(openbao.ca_file),
    }


async def broken(variables: dict[str, str]) -> list[Finding]:
    return [finding for finding in await examine(read_environment(variables)) if finding.state != "ok"]


async def test_where_all_is_well_nothing_is_told(variables: dict[str, str]) -> None:
    async with APIKeyChain.from_environment(variables | {"APIKEYCHAIN_KDF": "pbkdf2-sha512"}) as keychain:
        await fill(await (await keychain.create_tenant("acme")).create_project("shop"))
    found = await examine(read_environment(variables | {"APIKEYCHAIN_SIGNALS": "valkey"}), deep=True)
    assert [finding for finding in found if finding.state != "ok"] == []
    told = [(finding.check, finding.told) for finding in found]
    assert told[2:6] == [
        ("database", "PostgreSQL answers"),
        ("database", "the connection is TLS 1.3"),
        ("database", f"its tables have version {VERSIONS[-1]}"),
        ("database", told[5][1]),
    ]
    assert {check for check, _ in told} == {
        *(
            "settings",
            "files",
            "database",
            "valkey",
            "key service",
            "signals",
            "project keys",
            "routes",
            "secrets",
            "assets",
            "uploads",
            "alerts",
        )
    }


async def test_a_database_that_is_down_is_told(variables: dict[str, str], database: Database) -> None:
    database.server.stop()
    (found,) = await broken(variables)
    assert (found.check, found.state) == ("database", "failure")
    assert found.told.startswith("the store does not answer")


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("ALTER TABLE apikeychain.secrets NO FORCE ROW LEVEL SECURITY", "secrets does not FORCE ROW LEVEL SECURITY"),
        (f"UPDATE apikeychain.{VERSION_TABLE} SET version_num = 'v9'", "has version v9, this apikeychain knows up to"),  # noqa: S608  # constants
        (
            f"UPDATE apikeychain.{VERSION_TABLE} SET version_num = '{VERSIONS[0]}'",  # noqa: S608  # likewise
            f"has version {VERSIONS[0]}, this apikeychain needs {VERSIONS[-1]}: run `apikeychain migrate`",
        ),
    ],
    ids=["no wall", "newer", "older"],
)
async def test_tables_that_are_not_as_they_should_be_are_told(
    variables: dict[str, str], database: Database, damage: str, told: str
) -> None:
    database.execute(damage)
    (found,) = await broken(variables)
    assert (found.check, found.state) == ("database", "failure")
    assert told in found.told


async def test_a_role_that_may_more_is_told(variables: dict[str, str], database: Database) -> None:
    found = await broken(variables | {"APIKEYCHAIN_DATABASE_URL": database.admin_url})
    assert {(finding.check, finding.state) for finding in found} == {("database", "failure")}
    told = [finding.told for finding in found]
    assert "the role postgres is a superuser, for whom no policy holds: connect as another" in told


async def test_a_database_that_was_not_migrated_is_told(variables: dict[str, str], empty_database: Database) -> None:
    found = await broken(variables | {"APIKEYCHAIN_DATABASE_URL": empty_database.url})
    assert {(finding.check, finding.state) for finding in found} == {("database", "failure")}
    assert "run `apikeychain migrate`" in found[0].told


async def test_a_server_that_may_evict_claims_is_told(variables: dict[str, str], valkey: ValkeyServer) -> None:
    valkey.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        (found,) = await broken(variables)
    finally:
        valkey.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
    assert (found.check, found.state) == ("valkey", "failure")
    assert "maxmemory-policy is allkeys-lru" in found.told


async def test_a_replica_is_told(variables: dict[str, str], valkey: ValkeyServer) -> None:
    with ValkeyServer() as replica:
        replica.ask("REPLICAOF", "127.0.0.1", valkey.port)
        (found,) = await broken(variables | {"APIKEYCHAIN_VALKEY_URL": replica.url})
    assert (found.check, found.state) == ("valkey", "failure")
    assert found.told == "it is a replica, which refuses claims, or loses them"


async def test_a_valkey_that_is_full_is_told(variables: dict[str, str], valkey: ValkeyServer) -> None:
    with valkey.refusing():
        (found,) = await broken(variables)
    assert (found.check, found.told) == ("valkey", "its memory is full, and it refuses claims")


_NEEDED = (
    "EVAL EVALSHA SUBSCRIBE PUBLISH PING TIME INFO EXISTS GET SET DEL HGET HMGET HSET LLEN LINDEX LTRIM RPUSH PEXPIRE"
)


@pytest.mark.parametrize(
    "lacks", ["", "eval", "info", "exists", "get", "set", "hset", "hmget", "llen", "rpush", "pexpire", "keys"]
)
async def test_a_user_of_valkey_that_may_not_do_what_the_gate_does_is_told(
    variables: dict[str, str], valkey: ValkeyServer, lacks: str
) -> None:
    keys = "~{other}:*" if lacks == "keys" else "~{apikeychain}:*"
    allowed = [f"+{word.lower()}" for word in _NEEDED.split() if word.lower() != lacks]
    forbidden = ["-evalsha"] if lacks == "eval" else []
    valkey.ask("ACL", "SETUSER", "gate", "reset", "on", ">made-up", keys, "&apikeychain:changes", *allowed, *forbidden)
    found = await broken(variables | {"APIKEYCHAIN_VALKEY_URL": f"valkey://gate:made-up@127.0.0.1:{valkey.port}/0"})
    assert [(finding.check, finding.state) for finding in found] == ([("valkey", "failure")] if lacks else [])


async def test_what_the_doctor_leaves_at_valkey_ends(variables: dict[str, str]) -> None:
    with ValkeyServer() as valkey:
        assert await broken(variables | {"APIKEYCHAIN_VALKEY_URL": valkey.url}) == []
        left = {key: valkey.ask("PTTL", key) for key in valkey.ask("KEYS", "*")}
    assert all(0 < ends <= 100_000 for key, ends in left.items() if key != b"{apikeychain}:marks")


@pytest.mark.parametrize("whose", ["role", "database"])
async def test_a_database_that_is_read_only_is_told(variables: dict[str, str], database: Database, whose: str) -> None:
    name = {"role": "ROLE web", "database": f'DATABASE "{database.name}"'}[whose]
    database.server.execute(f"ALTER {name} SET default_transaction_read_only = on")
    try:
        (found,) = await broken(variables)
    finally:
        database.server.execute(f"ALTER {name} RESET default_transaction_read_only")
    assert (found.check, found.told) == ("database", "its transactions are read only")


@pytest.fixture
def standby() -> Generator[str, None, None]:
    """The URL of a migrated database on a server that only reads."""
    with PostgresServer() as server:
        template = migrated(server)
        server.execute("ALTER SYSTEM SET wal_level = 'replica'")
        for is_standby in (False, True):
            server.execute("CHECKPOINT")
            server.stop()
            if is_standby:
                (server._folder / "data" / "standby.signal").touch()
            server.start()
        yield server.url(template, WEB)


async def test_a_standby_is_told(standby: str) -> None:
    async with SQLStore.postgres(standby) as store:
        found = await look_at_postgres(store)
    assert [finding.told for finding in found if finding.state != "ok"] == ["it is a standby, which takes nothing"]


async def test_a_valkey_that_is_down_or_silent_is_told(variables: dict[str, str], valkey: ValkeyServer) -> None:
    with valkey.silent():
        (found,) = await broken(variables)
    assert (found.check, found.told) == ("valkey", "valkey does not answer: TimeoutError")
    valkey.stop()
    try:
        (found,) = await broken(variables)
    finally:
        valkey.start()
    assert (found.check, found.state) == ("valkey", "failure")


async def test_a_key_service_that_is_sealed_is_told(variables: dict[str, str], openbao: OpenBaoServer) -> None:
    openbao.seal()
    (found,) = await broken(variables)
    assert (found.check, found.state) == ("key service", "failure")
    assert "sealed" in found.told


@pytest.mark.parametrize("name", ["KEY", "MOUNT", "NAMESPACE", "ROLE_ID"])
async def test_a_secret_in_the_place_of_a_name_is_not_told(
    variables: dict[str, str], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    found = await broken(variables | {f"APIKEYCHAIN_OPENBAO_{name}": canary.secret("pasted")})
    assert {finding.check for finding in found} == {"key service"}
    assert not canary.holds(f"{found}{caplog.text}")


@pytest.mark.parametrize("login", ["role", "token"])
async def test_the_doctor_leaves_no_token_behind_and_takes_none_away(
    variables: dict[str, str], openbao: OpenBaoServer, tmp_path: Path, login: str
) -> None:
    if login == "token":
        token = tmp_path / "token"
        token.touch(0o600)
        token.write_text(
            openbao.ask("POST", "auth/token/create", {"policies": [f"gate-{_KEY}"]})["auth"]["client_token"]
        )
        variables = {name: text for name, text in variables.items() if not name.endswith(("ROLE_ID", "SECRET_ID_FILE"))}
        variables["APIKEYCHAIN_OPENBAO_TOKEN_FILE"] = str(token)
    before = openbao.ask("LIST", "auth/token/accessors")["data"]["keys"]
    assert await broken(variables) == []
    assert openbao.ask("LIST", "auth/token/accessors")["data"]["keys"] == before


async def test_a_login_of_the_doctor_costs_one_use_of_a_secret_id(
    variables: dict[str, str], openbao: OpenBaoServer
) -> None:
    role = openbao.app_role("gate", key=_KEY, secret_id_num_uses=1)
    assert isinstance(role.secret_id, Secret)
    Path(variables["APIKEYCHAIN_OPENBAO_SECRET_ID_FILE"]).write_bytes(role.secret_id.reveal())  # noqa: ASYNC240  # one short line, of a test
    assert await broken(variables) == []
    (found,) = await broken(variables)
    assert "the secret id is used up" in found.told
    openbao.app_role("gate", key=_KEY, secret_id_num_uses=0)


async def test_a_file_with_a_secret_that_others_can_read_is_told(variables: dict[str, str]) -> None:
    path = variables["APIKEYCHAIN_OPENBAO_SECRET_ID_FILE"]
    os.chmod(path, 0o644)  # noqa: PTH101  # nothing else runs here
    (found,) = await broken(variables)
    assert (found.check, found.state, found.told) == ("files", "warning", f"the file {path} is open to others")


async def test_clocks_that_differ_are_told(database: Database, valkey: ValkeyServer) -> None:
    def late() -> float:
        return time.time() - 60

    async with SQLStore.postgres(database.url) as store:
        found = [*await look_at_postgres(store, late), *await look_at_valkey(Secret(valkey.url), late)]
    assert [(finding.check, finding.state) for finding in found if finding.state != "ok"] == [
        ("database", "failure"),
        ("valkey", "failure"),
    ]
    assert "its clock is 60.0 s ahead of this machine's" in found[3].told


@pytest.mark.parametrize(
    ("version", "told"),
    [
        (ssl.TLSVersion.TLSv1_3, []),
        (ssl.TLSVersion.TLSv1_2, ["valkey does not answer: ConnectionError"]),
    ],
    ids=["1.3", "1.2"],
)
async def test_a_valkey_behind_tls_is_looked_at_by_its_authorities(
    variables: dict[str, str], valkey: ValkeyServer, tmp_path: Path, version: ssl.TLSVersion, told: list[str]
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with tls_front(valkey.port, authority, version) as port:
        front = {
            "APIKEYCHAIN_VALKEY_URL": f"valkeys://localhost:{port}/0",
            "APIKEYCHAIN_VALKEY_CA_FILE": str(tmp_path / "ca.pem"),
        }
        found = await examine(read_environment(variables | front))
    assert [finding.told for finding in found if finding.state != "ok"] == told
    assert (Finding("valkey", "ok", "the connection is TLS 1.3") in found) == (not told)


class _Silent(MemorySignals):
    async def subscribe(self) -> AsyncGenerator[Change, None]:
        await asyncio.Event().wait()
        yield Change(None)


async def test_signals_that_nobody_hears_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "_SIGNALS_SECONDS", 0.01)
    async with APIKeyChain.embedded(tmp_path):
        pass
    found = read_environment({"APIKEYCHAIN_DATA": str(tmp_path)})
    deaf = Environment(choices=found.choices, plugs=replace(found.plugs, signals=_Silent()))
    told = [finding for finding in await examine(deaf) if finding.check == "signals"]
    assert told == [Finding("signals", "failure", "nobody tells of changes: they take effect within 30 s")]


class _Liar(MemoryKeyService):
    async def unwrap(self, wrapped: bytes, context: KeyContext) -> bytes:
        return bytes(32)


async def test_a_key_service_that_gives_back_another_key_is_told() -> None:
    (found,) = await look_at_keys(_Liar())
    assert (found.state, found.told) == ("failure", "what it unwraps is not what was wrapped")


async def test_a_store_of_assets_that_does_not_answer_is_told(
    variables: dict[str, str], aws: AWSServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    none = await examine(read_environment(variables))
    assert Finding("assets", "ok", "no store is named for them: tenants publish none") in none
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    begin = "APIKEYCHAIN_ASSETS_S3_"
    named = {f"{begin}BUCKET": "examined", f"{begin}REGION": REGION, f"{begin}ENDPOINT_URL": aws.address}
    (finding,) = [each for each in await broken(variables | named) if each.check == "assets"]
    assert (finding.state, "it refuses (NoSuchBucket)" in finding.told) == ("failure", True)
    aws.create_bucket("examined")
    assert Finding("assets", "ok", "their store answers") in await examine(read_environment(variables | named))
    assert aws.stored("examined") == {}
