from dataclasses import FrozenInstanceError, fields
from typing import get_args

import pytest

from apikeychain.model.ids import TenantId
from apikeychain.model.origin import Origin
from apikeychain.model.records import (
    KINDS,
    AddedRoute,
    AllowedOrigin,
    Key,
    Project,
    ProjectKey,
    ProjectName,
    Record,
    RegisteredProvider,
    SealedSecret,
    SigningKey,
    Tenant,
)
from apikeychain.model.rotation_records import ProviderKey, Rotation
from apikeychain.model.rotators import ManualRotation
from apikeychain.model.suspension import Suspension
from apikeychain.testing.records import ASSET_RECORDS, CHAIN_RECORDS, SHOP, WATCH_RECORDS
from sample_project import APP, NOW, PROJECT, PROVIDER, WEATHER

TENANT = Tenant(id=TenantId("acme"), created=NOW, wrapped_secret=b"canary", wrapped_pseudonym_key=b"canary")
KEY = ProjectKey(
    project=PROJECT,
    version="0f" * 16,
    number=1,
    created=NOW,
    kdf="argon2id",
    salt=bytes(32),
    wrapped_master=b"canary",
    wrapped_derived=b"canary",
    wrapped_metadata=b"",
)
SECRET = SealedSecret(
    project=PROJECT,
    name="weather",
    provider="weather",
    version=1,
    fingerprint="0" * 16,
    sealed=b"canary",
    created=NOW,
    changed=NOW,
)
PROVIDER_KEY = ProviderKey(
    project=PROJECT,
    secret="weather",
    number=12,
    state="pending",
    reason="schedule",
    label="apikeychain-12",
    created=NOW,
    after=NOW,
    sealed=b"canary",
)
_CHAIN_KEYS: list[Key] = [
    ("0001",),
    (),
    ("w_1",),
    ("w_1", "globex"),
    ("alert_1",),
    ("alerts", "globex", ""),
    ("default",),
]
_WATCH_KEYS: list[Key] = [
    (SHOP,),
    (SHOP,),
    (SHOP, "2026-02-28T23:59:00Z", "w_1"),
    (SHOP, "origin", "http://[::1]:3000"),
    (SHOP, "f_" + "a" * 20),
]
_ASSET_KEYS: list[Key] = [
    (SHOP, "js/widget.js"),
    (SHOP, "js/widget.js", "000000002"),
    (SHOP, "fedcba9876543210" * 2),
    (SHOP, "0123456789abcdef" * 2),
]
RECORDS: list[tuple[Record, Key]] = [
    (TENANT, ()),
    (ProjectName(name="shop", project=PROJECT), ("shop",)),
    (Project(id=PROJECT, name="shop", created=NOW), (PROJECT,)),
    (AllowedOrigin(project=PROJECT, origin=Origin(APP), created=NOW), (PROJECT, APP)),
    (RegisteredProvider(project=PROJECT, provider=PROVIDER, created=NOW), (PROJECT, "weather")),
    (AddedRoute(project=PROJECT, route=WEATHER, created=NOW), (PROJECT, "weather")),
    (KEY, (PROJECT, "0f" * 16)),
    (SECRET, (PROJECT, "weather")),
    (SigningKey(project=PROJECT, id="k_a", created=NOW, sealed=b"canary"), (PROJECT, "k_a")),
    (
        Suspension(project=PROJECT, scope="origin", value=APP, reason="", created=NOW),
        (PROJECT, "origin", APP),
    ),
    (Rotation(project=PROJECT, secret="weather", how=ManualRotation(), created=NOW, due=NOW), (PROJECT, "weather")),
    (PROVIDER_KEY, (PROJECT, "weather", "00000012")),
    *((record, key) for record, key in zip(WATCH_RECORDS, _WATCH_KEYS, strict=True)),
    *((record, key) for record, key in zip(ASSET_RECORDS, _ASSET_KEYS, strict=True)),
    *((record, key) for record, key in zip(CHAIN_RECORDS, _CHAIN_KEYS, strict=True)),
]


@pytest.mark.parametrize(("record", "key"), RECORDS, ids=lambda value: getattr(value, "kind", ""))
def test_a_record_has_a_kind_a_key_and_a_generation_from_1(record: Record, key: Key) -> None:
    assert record.key == key
    assert record.generation == 1
    assert KINDS[record.kind] is type(record)


def test_every_kind_of_record_is_listed_once() -> None:
    assert set(KINDS.values()) == set(get_args(Record)) == {type(record) for record, _ in RECORDS}


@pytest.mark.parametrize("record", [record for record, _ in RECORDS], ids=lambda record: record.kind)
def test_a_record_is_frozen(record: Record) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(record, fields(record)[0].name, None)


@pytest.mark.parametrize("record", [TENANT, KEY, SECRET, PROVIDER_KEY], ids=lambda record: record.kind)
def test_wrapped_and_sealed_bytes_are_not_shown(record: Record) -> None:
    assert "canary" not in repr(record)


def test_a_new_project_is_off() -> None:  # contracts 10: a new project: proxy off, no fallback
    project = Project(id=PROJECT, name="shop", created=NOW)
    assert not project.enabled
    assert not project.referer_fallback
    assert (project.quota, project.address_quota) == ("600/minute", None)
