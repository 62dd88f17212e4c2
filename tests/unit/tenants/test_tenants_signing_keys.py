"""Signing keys: shown once, two at a time; session keys of the newest of them."""

import base64
from datetime import timedelta

import pytest

from apikeychain.errors import (
    DoesNotExistError,
    InvalidValueError,
    SecretUnavailableError,
    StillInUseError,
)
from apikeychain.model.records import SigningKey
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.tenant import TenantAdmin
from management import entries, nothing_changes, one_change

PAGE = "https://app.example.com"


async def test_a_key_is_added_and_retired(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    async with one_change(acme, shop, "key.created", "signing-key.added"):
        first = await shop.add_signing_key()
    async with one_change(acme, shop, "signing-key.added"):
        second = await shop.add_signing_key()
    assert first.id != second.id
    assert first.key.reveal() != second.key.reveal()
    async with nothing_changes(acme, shop):
        with pytest.raises(StillInUseError, match="has two signing keys: retire one"):
            await shop.add_signing_key()
    assert [key.id for key in await shop.list_signing_keys()] == [first.id, second.id]
    async with one_change(acme, shop, "signing-key.retired"):
        await shop.retire_signing_key(first.id)
    async with nothing_changes(acme, shop):
        with pytest.raises(DoesNotExistError, match="has no signing-key"):
            await shop.retire_signing_key(first.id)
    assert [key.id for key in await shop.list_signing_keys()] == [second.id]


async def test_a_key_is_256_random_bits_behind_a_word_that_scanners_know(shop: ProjectAdmin) -> None:
    shown = await shop.add_signing_key()
    text = shown.key.reveal().decode()
    assert (text[:4], len(text)) == ("aks_", 47)
    assert len(base64.urlsafe_b64decode(text[4:] + "=")) == 32
    assert text not in repr(shown)


async def test_a_key_is_stored_sealed_and_its_text_nowhere(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    shown = await shop.add_signing_key()
    [stored] = await shop._list(SigningKey)
    assert stored.sealed.startswith(b"AK\x01\x01")
    assert shown.key.reveal() not in stored.sealed
    assert all(shown.key.reveal() not in entry.payload for entry in await entries(acme))


async def test_a_session_key_says_whose_it_is_and_until_when(shop: ProjectAdmin) -> None:
    parent = await shop.add_signing_key()
    shown = await shop.session_key(user="alice@example.com", origin=PAGE, ttl=timedelta(minutes=1))
    prefix, key_id, expiry, user = shown.id.split(".")
    assert (prefix, key_id, base64.urlsafe_b64decode(user + "==")) == ("s1", parent.id, b"alice@example.com")
    assert 55 <= int(expiry) - shop._office.now().timestamp() <= 60
    assert len(base64.urlsafe_b64decode(shown.key.reveal() + b"=")) == 32


async def test_a_session_key_is_made_of_the_newest_key(shop: ProjectAdmin) -> None:
    await shop.add_signing_key()
    newest = await shop.add_signing_key()
    assert (await shop.session_key(user="alice")).id.split(".")[1] == newest.id


async def test_session_keys_differ_by_user_origin_time_and_parent(shop: ProjectAdmin) -> None:
    await shop.add_signing_key()
    keys = [
        await shop.session_key(user=user, origin=origin, ttl=timedelta(minutes=minutes))
        for user, origin, minutes in (
            ("alice", PAGE, 5),
            ("bob", PAGE, 5),
            ("alice", None, 5),
            ("alice", "https://b.example", 5),
            ("alice", PAGE, 6),
        )
    ]
    await shop.add_signing_key()
    keys.append(await shop.session_key(user="alice", origin=PAGE, ttl=timedelta(minutes=5)))
    assert len({key.key.reveal() for key in keys}) == len(keys)


@pytest.mark.parametrize(
    "asked",
    [
        {"user": ""},
        {"user": "a b"},
        {"user": "ä"},
        {"user": "x" * 129},
        {"user": "alice", "origin": "https://app.example.com/"},
        {"user": "alice", "origin": "null"},
        {"user": "alice", "ttl": timedelta(hours=1, seconds=1)},
        {"user": "alice", "ttl": timedelta(0)},
        {"user": "alice", "ttl": timedelta(seconds=-1)},
    ],
)
async def test_what_cannot_be_a_session_is_refused(shop: ProjectAdmin, asked: dict[str, object]) -> None:
    await shop.add_signing_key()
    with pytest.raises(InvalidValueError):
        await shop.session_key(**asked)  # type: ignore[arg-type]  # the table above


async def test_the_longest_label_fits_into_a_key_id(shop: ProjectAdmin) -> None:
    await shop.add_signing_key()
    assert len((await shop.session_key(user="x" * 128)).id) <= 200


async def test_a_session_key_needs_a_signing_key(shop: ProjectAdmin) -> None:
    with pytest.raises(DoesNotExistError, match=r"add one with add_signing_key\(\)"):
        await shop.session_key(user="alice")


async def test_a_stored_key_that_was_moved_opens_for_nobody(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    await shop.add_signing_key()
    [stored] = await shop._list(SigningKey)
    async with shop._office.store.tenant(acme.id) as store:
        await store.remove(SigningKey, stored.key, stored.generation)
        moved = SigningKey(project=shop.id, id="k_other", created=stored.created, sealed=stored.sealed)
        await store.insert(moved)
    with pytest.raises(SecretUnavailableError):
        await shop.session_key(user="alice")
