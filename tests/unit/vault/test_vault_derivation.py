import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from apikeychain.errors import SealedValueError
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.keys import KeyContext, SealContext
from apikeychain.model.provider import HeaderCredential, Provider
from apikeychain.model.records import ProjectKey
from apikeychain.secret import Secret
from apikeychain.vault import contexts
from apikeychain.vault.derivation import derived_key, fingerprint, metadata, own_key
from vectors import make_sealed_value_v1 as other

VECTORS: dict[str, list[dict[str, Any]]] = json.loads(other.FILE.read_text())
TENANT, PROJECT = TenantId("acme"), ProjectId("p_abcdefghijklmnopqrst")
KEY = ProjectKey(
    project=PROJECT,
    version="00112233445566778899aabbccddeeff",
    number=1,
    created=datetime(2026, 3, 1, 12, 0, 0, 123456, UTC),
    kdf="argon2id",
    salt=bytes(range(32)),
    wrapped_master=b"",
    wrapped_derived=b"",
    wrapped_metadata=b"",
)


@pytest.mark.parametrize("vector", VECTORS["contexts"])
def test_contexts_are_encoded_as_the_second_implementation_says(vector: dict[str, Any]) -> None:
    kind = SealContext if vector["of"] == "value" else KeyContext
    assert kind(**{"project": "", **vector["context"]}).encoded.hex() == vector["encoded"]


@pytest.mark.full_key_costs
@pytest.mark.parametrize("vector", VECTORS["derivations"])
def test_both_profiles_derive_what_the_second_implementation_derives(vector: dict[str, Any]) -> None:
    names = ("tenant_secret", "master", "version", "salt")
    secret, master, version, salt = (bytes.fromhex(vector[name]) for name in names)
    derived = derived_key(vector["kdf"], tenant_secret=secret, master_key=master, version=version, salt=salt)
    context = SealContext(**vector["context"])
    assert derived.hex() == vector["derived"]
    assert own_key(derived, context).hex() == vector["own"]
    assert fingerprint(derived, context, Secret(vector["secret"])) == vector["fingerprint"]


def test_every_part_changes_the_derived_key() -> None:
    parts = {"tenant_secret": bytes(32), "master_key": bytes(32), "version": bytes(16), "salt": bytes(32)}
    changed = [{**parts, name: b"\1" + part[1:]} for name, part in parts.items()]
    assert len({derived_key("pbkdf2-sha512", **each) for each in (parts, *changed)}) == 5
    assert derived_key("pbkdf2-sha512", **parts) != derived_key("argon2id", **parts)


def test_an_unknown_profile_derives_nothing() -> None:
    with pytest.raises(SealedValueError):
        derived_key("argon2d", tenant_secret=bytes(32), master_key=bytes(32), version=bytes(16), salt=bytes(32))


def test_other_uses_have_other_keys() -> None:
    uses = [
        SealContext(tenant=TENANT, project=PROJECT, purpose="fingerprint"),
        SealContext(tenant=TENANT, project=PROJECT, purpose="asset-token"),
        SealContext(tenant="other", project=PROJECT, purpose="fingerprint"),
    ]
    assert len({own_key(bytes(32), use) for use in uses}) == 3


def test_metadata_are_canonical_json_of_what_nobody_may_change() -> None:
    assert json.loads(metadata(KEY)) == {
        "created": "2026-03-01T12:00:00.123+00:00",
        "kdf": "argon2id",
        "number": 1,
        "salt": KEY.salt.hex(),
    }
    assert b" " not in metadata(KEY)
    assert json.loads(metadata(replace(KEY, secret_number=2))) == {**json.loads(metadata(KEY)), "secret_number": 2}
    assert metadata(replace(KEY, uses=7, generation=8)) == metadata(KEY)


def test_metadata_do_not_depend_on_how_a_store_writes_the_time() -> None:
    elsewhere = KEY.created.replace(microsecond=123000).astimezone(timezone(timedelta(hours=5)))
    assert metadata(replace(KEY, created=elsewhere)) == metadata(KEY)


def test_metadata_do_not_depend_on_where_they_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    here = metadata(KEY)
    try:
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        assert metadata(KEY) == here
    finally:
        monkeypatch.undo()
        time.tzset()


def test_wrapped_keys_have_five_contexts_and_a_secret_names_its_provider() -> None:
    version = KEY.version
    made = [
        contexts.of_tenant_secret(TENANT),
        contexts.of_pseudonym_key(TENANT),
        contexts.of_master_key(TENANT, PROJECT, version),
        contexts.of_derived_key(TENANT, PROJECT, version),
        contexts.of_metadata(TENANT, PROJECT, version),
    ]
    assert [each.purpose for each in made] == ["tenant-secret", "pseudonym", "master", "derived", "metadata"]
    assert {each.version for each in made[2:]} == {version}
    weather = Provider("weather", "https://api.weather.example:8443/v2", HeaderCredential("X-Key"))
    assert contexts.of_secret(TENANT, PROJECT, weather, "main", 2) == SealContext(
        tenant=TENANT,
        project=PROJECT,
        purpose="secret",
        name="main",
        version=2,
        scheme="https",
        host="api.weather.example",
        port=8443,
    )
    assert contexts.of_fingerprint_key(TENANT, PROJECT).purpose == "fingerprint"
