"""Attacks on what is stored, one test each, by the numbers under which they are listed outside the project."""

import logging
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

import pytest

from apikeychain.errors import APIKeyChainError, SealedValueError, SecretUnavailableError
from apikeychain.model.keys import KeyContext
from apikeychain.model.records import ProjectKey, SealedSecret
from apikeychain.primitives import key_version_of
from apikeychain.secret import Secret
from outside import cases
from sample_keys import NOW, OTHER_PROJECT, PLAIN, PROJECT, WEATHER, Household

TESTS = Path(__file__).resolve().parents[2]

WHERE = {
    "env-07": (__file__, "test_an_older_value_in_a_newer_row_does_not_open"),
    "env-09": (__file__, "test_a_derived_key_that_the_attacker_wrapped_does_not_open"),
    "env-12": (__file__, "test_no_other_format_or_suite_is_fallen_back_to"),
    "env-15": (__file__, "test_no_column_of_a_key_can_be_lowered"),
    "env-17": ("unit/primitives/test_primitives_sealed_value.py", "test_forked_processes_never_draw_the_same_nonce"),
    "env-18": (
        "unit/primitives/test_primitives_sealed_value.py",
        "test_no_nonce_depends_on_time_or_a_seeded_generator",
    ),
    "env-23": (__file__, "test_a_wrong_key_from_the_key_service_opens_nothing"),
    "env-24": (__file__, "test_a_key_of_another_length_is_refused"),
    "env-25": ("unit/vault/test_vault_turn.py", "test_after_a_turn_everything_opens_without_the_old_platform_key"),
    "env-28": ("unit/backends/test_backends_key_file.py", "test_two_who_rotate_at_once_take_turns"),
    "env-29": (__file__, "test_no_failure_shows_the_plaintext"),
    "env-31": (__file__, "test_no_stored_field_holds_the_plaintext"),
    "env-33": (__file__, "test_a_salt_of_another_project_is_refused"),
    "env-35": (__file__, "test_no_column_of_a_key_can_be_lowered"),
}


@pytest.fixture
async def house() -> Household:
    return await Household.found(lambda: 0.0)


async def refused(house: Household, row: SealedSecret, key: ProjectKey) -> SecretUnavailableError:
    with pytest.raises(SecretUnavailableError) as caught:
        await house.fresh_vault().open_secret(house.tenant, {key.version: key}, row, WEATHER)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


@pytest.mark.parametrize("case", cases("crypto_envelope_attacks"), ids=lambda case: str(case["id"]))
def test_every_listed_attack_has_its_test(case: dict[str, str]) -> None:
    file, name = WHERE[case["id"]]
    assert f"def {name}(" in (TESTS / file).read_text()


async def test_an_older_value_in_a_newer_row_does_not_open(house: Household) -> None:
    """env-07. A whole row of an earlier time does open: the vault's page says so, and the ledger tells of it."""
    old, new = await house.put("the-old-secret", version=1), await house.put(version=2)
    await refused(house, replace(new, sealed=old.sealed), house.key)


async def test_a_derived_key_that_the_attacker_wrapped_does_not_open(house: Household) -> None:
    """env-09."""
    his = await Household.found(lambda: 0.0)
    row = await his.put()
    await refused(house, row, his.key)
    await refused(house, row, replace(house.key, version=his.key.version, wrapped_derived=his.key.wrapped_derived))


@pytest.mark.parametrize("at", [2, 3])
@pytest.mark.parametrize("value", [0, 2, 255])
async def test_no_other_format_or_suite_is_fallen_back_to(house: Household, at: int, value: int) -> None:
    """env-12."""
    row = await house.put()
    changed = row.sealed[:at] + bytes([value]) + row.sealed[at + 1 :]
    with pytest.raises(SealedValueError):
        key_version_of(changed)
    await refused(house, replace(row, sealed=changed), house.key)


@pytest.mark.parametrize(
    "lower",
    [
        lambda key: replace(key, kdf="argon2id"),
        lambda key: replace(key, kdf="pbkdf2-sha512:1000"),
        lambda key: replace(key, number=2),
        lambda key: replace(key, created=NOW + timedelta(milliseconds=1)),
    ],
    ids=["another profile", "an invented profile", "an old version made the newest", "made younger"],
)
async def test_no_column_of_a_key_can_be_lowered(house: Household, lower: Callable[[ProjectKey], ProjectKey]) -> None:
    """env-15, env-35: neither to open with nor to seal with."""
    row, lowered = await house.put(), lower(house.key)
    await refused(house, row, lowered)
    with pytest.raises(SealedValueError):
        await house.vault.fingerprint(house.tenant, lowered, Secret(PLAIN))


@pytest.mark.parametrize("purpose", ["derived", "metadata"])
async def test_a_wrong_key_from_the_key_service_opens_nothing(house: Household, purpose: str) -> None:
    """env-23."""
    row = await house.put()
    house.service.distort = lambda key, context: bytes(len(key)) if context.purpose == purpose else key
    await refused(house, row, house.key)


@pytest.mark.parametrize("length", [0, 16, 31, 33, 64])
async def test_a_key_of_another_length_is_refused(house: Household, length: int) -> None:
    """env-24, also of a tenant."""
    row = await house.put()

    def cut(key: bytes, context: KeyContext) -> bytes:
        return key if context.purpose == "metadata" else (key * 2)[:length]

    house.service.distort = cut
    await refused(house, row, house.key)
    with pytest.raises(SealedValueError):
        await house.vault.pseudonym_key(house.tenant)
    with pytest.raises(SealedValueError):
        await house.vault.new_project_key(house.tenant, PROJECT, 2, NOW)


async def test_a_salt_of_another_project_is_refused(house: Household) -> None:
    """env-33."""
    row = await house.put()
    other = await house.vault.new_project_key(house.tenant, OTHER_PROJECT, 1, NOW)
    await refused(house, row, replace(house.key, salt=other.salt))


async def test_no_stored_field_holds_the_plaintext(house: Household) -> None:
    """env-31, for what is handed to a store."""
    row = await house.put()
    for record in (house.tenant, house.key, row):
        stored = repr(record) + repr(asdict(record))
        assert PLAIN not in stored
        assert PLAIN.encode().hex() not in stored


async def test_no_failure_shows_the_plaintext(house: Household, caplog: pytest.LogCaptureFixture) -> None:
    """env-29: every error, its text, its traceback with all locals, and every log line."""
    caplog.set_level(logging.DEBUG)
    row = await house.put()
    bad = replace(row, sealed=row.sealed[:-1] + bytes([row.sealed[-1] ^ 1]))
    vault, secret = house.fresh_vault(), Secret(PLAIN)

    async def down(deed: Callable[[], Awaitable[object]]) -> None:
        house.service.reachable = False
        try:
            await deed()
        finally:
            house.service.reachable = True

    steps: list[Callable[[], Awaitable[object]]] = [
        lambda: vault.open_secret(house.tenant, house.keys, bad, WEATHER),
        lambda: vault.open_secret(house.tenant, {}, row, WEATHER),
        lambda: vault.open_secret(house.tenant, house.keys, replace(row, version=9), WEATHER),
        lambda: vault.seal_secret(house.tenant, replace(house.key, number=9), WEATHER, "main", 1, secret),
        lambda: down(lambda: house.fresh_vault().open_secret(house.tenant, house.keys, row, WEATHER)),
        lambda: down(lambda: house.fresh_vault().seal_secret(house.tenant, house.key, WEATHER, "main", 1, secret)),
    ]
    for step in steps:
        with pytest.raises(APIKeyChainError) as caught:
            await step()
        shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
        assert "Traceback" in shown
        assert PLAIN not in shown.replace(f"PLAIN = {PLAIN!r}", "")
    assert PLAIN not in caplog.text
