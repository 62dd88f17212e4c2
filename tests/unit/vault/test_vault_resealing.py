"""Every sealed value of a project comes under its next key, whichever record holds it."""

import dataclasses
import logging
from dataclasses import replace
from typing import get_args

import pytest

from apikeychain.errors import SealedValueError, SecretUnavailableError
from apikeychain.model.ids import ProjectId
from apikeychain.model.records import KINDS, ProjectKey, SealedSecret, SigningKey
from apikeychain.model.rotation_records import ProviderKey
from apikeychain.primitives import seal_value
from apikeychain.secret import Secret
from apikeychain.vault import contexts
from apikeychain.vault.resealing import SEALED, Resealing, Sealed, SealedProject, context_of
from apikeychain.vault.wrapping import unwrap_derived_key
from sample_keys import NOW, PLAIN, PROJECT, TENANT, WEATHER, Household


def test_every_kind_of_record_with_a_sealed_value_is_listed() -> None:
    """What is not listed would be lost with the old key."""
    with_a_seal = {kind for kind in KINDS.values() if any("seal" in field.name for field in dataclasses.fields(kind))}
    assert with_a_seal == {*SEALED} == {*get_args(Sealed)}


@pytest.fixture
async def house() -> Household:
    return await Household.found(lambda: 0.0)


async def provider_key(house: Household, **fields: object) -> ProviderKey:
    sealed, mark = await house.vault.seal_secret(house.tenant, house.key, WEATHER, "main", 2, Secret(PLAIN))
    key = ProviderKey(
        project=PROJECT,
        secret="main",
        number=2,
        state="created",
        reason="schedule",
        label="apikeychain-0011",
        created=NOW,
        after=NOW,
        sealed=sealed,
        version=2,
        fingerprint=mark,
    )
    return replace(key, **fields)  # type: ignore[arg-type]  # of many types


async def signing_key(house: Household) -> SigningKey:
    sealed = await house.vault.seal_signing_key(house.tenant, house.key, "ak_1", Secret(PLAIN))
    return SigningKey(project=PROJECT, id="ak_1", created=NOW, sealed=sealed)


async def resealing(house: Household, *records: Sealed) -> tuple[Resealing, ProjectKey]:
    fresh = await house.vault.new_project_key(house.tenant, PROJECT, 2, NOW)
    made = Resealing(
        project=SealedProject(tenant=TENANT, providers={"main": WEATHER}, records=records),
        opened={house.key.version: await unwrap_derived_key(house.service, TENANT, house.key)},
        key=fresh,
        derived=await unwrap_derived_key(house.service, TENANT, fresh),
    )
    return made, fresh


async def test_each_opens_under_the_next_key_and_not_under_the_old_one(house: Household) -> None:
    secret, signer, created = await house.put(), await signing_key(house), await provider_key(house)
    records: tuple[Sealed, ...] = (secret, signer, created)
    making, fresh = await resealing(house, *records)
    assert (making.project.values, making.project.versions) == (3, frozenset({house.key.version}))
    new_secret, new_signer, new_created = (making.resealed(one) for one in records)
    vault, new, old = house.fresh_vault(), {fresh.version: fresh}, house.keys
    assert isinstance(new_secret, SealedSecret)
    assert isinstance(new_signer, SigningKey)
    assert isinstance(new_created, ProviderKey)
    as_put = replace(secret, sealed=new_created.sealed, version=2)
    assert (await vault.open_secret(house.tenant, new, new_secret, WEATHER)).matches(Secret(PLAIN))
    assert (await vault.open_signing_key(house.tenant, new, new_signer)).matches(Secret(PLAIN))
    assert (await vault.open_secret(house.tenant, new, as_put, WEATHER)).matches(Secret(PLAIN))
    for row in (new_secret, as_put):
        with pytest.raises(SecretUnavailableError):
            await house.fresh_vault().open_secret(house.tenant, old, row, WEATHER)
    mark = await vault.fingerprint(house.tenant, fresh, Secret(PLAIN))
    assert new_secret == replace(secret, sealed=new_secret.sealed, fingerprint=mark, generation=2)
    assert new_created == replace(created, sealed=new_created.sealed, fingerprint=mark, generation=2)
    assert new_signer == replace(signer, sealed=new_signer.sealed, generation=2)
    assert mark != secret.fingerprint


async def test_a_key_at_the_provider_without_a_value_gets_the_fingerprint_of_the_value_that_it_is(
    house: Household,
) -> None:
    secret = await house.put()
    current = await provider_key(house, sealed=b"", state="current", fingerprint=secret.fingerprint)
    gone = await provider_key(house, sealed=b"", state="revoked", fingerprint="00" * 8)
    making, _ = await resealing(house, secret, current, gone)
    assert making.project.values == 1
    assert making.resealed(current) is current
    new = making.resealed(secret)
    assert isinstance(new, SealedSecret)
    assert making.remarked(current) == replace(current, fingerprint=new.fingerprint, generation=2)
    assert making.remarked(gone) is gone
    assert making.remarked(new) is new
    signer = await signing_key(house)
    assert making.remarked(replace(signer, sealed=b"")) == replace(signer, sealed=b"")


async def test_what_does_not_open_is_named_and_nothing_is_made_of_it(
    house: Household, caplog: pytest.LogCaptureFixture
) -> None:
    secret = await house.put()
    making, _ = await resealing(house, secret)
    broken = {
        "moved": replace(secret, name="other"),
        "rolled back": replace(secret, version=2),
        "no sealed value": replace(secret, sealed=b"nothing"),
        "changed": replace(secret, sealed=secret.sealed[:-1] + bytes([secret.sealed[-1] ^ 1])),
        "of a key that is gone": replace(secret, sealed=secret.sealed[:4] + bytes(16) + secret.sealed[20:]),
        "of another project": replace(secret, project=ProjectId("p_tsrqponmlkjihgfedcba")),
    }
    for what, record in broken.items():
        caplog.clear()
        with pytest.raises(SealedValueError):
            making.resealed(record)
        said = f"the secret {record.name!r} of the project {record.project} does not open"
        told = [(record.name, record.levelno, record.message) for record in caplog.records]
        assert told == [("apikeychain", logging.ERROR, said)], what
    assert making.marks == {}


@pytest.mark.parametrize("state", ["retiring", "revoked"])
async def test_a_key_that_served_before_and_does_not_open_goes_on_without_its_value(
    house: Household, caplog: pytest.LogCaptureFixture, state: str
) -> None:
    secret = await house.put()
    past = await provider_key(house, state=state, version=1, fingerprint="00" * 8)
    making, _ = await resealing(house, secret, past)
    new = making.resealed(secret)
    assert isinstance(new, SealedSecret)
    assert making.resealed(past) == replace(past, sealed=b"", fingerprint="", generation=2)
    said = f"the provider-key 'main/00000002' of the project {PROJECT} does not open and is dropped"
    assert [(record.levelno, record.message) for record in caplog.records] == [(logging.WARNING, said)]
    # One that the provider gave twice is known by the mark of the value that serves.
    twice = replace(past, fingerprint=secret.fingerprint)
    assert making.resealed(twice) == replace(past, sealed=b"", fingerprint=new.fingerprint, generation=2)


@pytest.mark.parametrize("state", ["created", "verified"])
async def test_a_new_key_that_does_not_open_is_not_dropped(house: Household, state: str) -> None:
    coming = await provider_key(house, state=state, version=1)
    making, _ = await resealing(house, coming)
    with pytest.raises(SealedValueError):
        making.resealed(coming)


async def test_what_opens_and_is_no_secret_is_refused(house: Household) -> None:
    secret = await house.put()
    making, _ = await resealing(house, secret)
    context = contexts.of_secret(TENANT, PROJECT, WEATHER, "main", 1).encoded
    derived = making.opened[house.key.version]
    with pytest.raises(SealedValueError):
        making.resealed(replace(secret, sealed=seal_value(derived, bytes.fromhex(house.key.version), b"\n", context)))


async def test_a_value_that_does_not_come_out_as_it_went_in_is_not_stored(
    house: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = await house.put()
    making, _ = await resealing(house, secret)

    def another(key: bytes, key_version: bytes, plaintext: bytes, context: bytes) -> bytes:
        return seal_value(key, key_version, plaintext[::-1], context)

    monkeypatch.setattr("apikeychain.vault.resealing.seal_value", another)
    with pytest.raises(SealedValueError):
        making.resealed(secret)


async def test_what_has_no_value_names_no_version_of_the_key_and_no_derived_key_is_shown(house: Household) -> None:
    bare = await provider_key(house, sealed=b"", state="current")
    making, _ = await resealing(house, bare)
    assert making.project.versions == frozenset()
    assert repr(making.derived) not in repr(making)
    assert repr(making.opened[house.key.version]) not in repr(making)


async def test_a_key_of_a_secret_that_is_gone_serves_nobody(house: Household) -> None:
    orphan = await provider_key(house, secret="gone")
    with pytest.raises(SealedValueError):
        context_of(SealedProject(tenant=TENANT, providers={"main": WEATHER}, records=[orphan]), orphan)
