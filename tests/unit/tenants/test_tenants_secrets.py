"""Secrets go in and never come back; only what may be told of them is told."""

import asyncio
from dataclasses import fields, replace
from pathlib import Path

import pytest

from apikeychain import APIKeyChain, APIKeyChainSettings, AWSCredential, Secret
from apikeychain.errors import DoesNotExistError, InvalidValueError, SecretUnavailableError
from apikeychain.model.records import ProjectKey
from apikeychain.tenants import secrets
from apikeychain.tenants.change import project_change
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.secrets import SecretInfo
from apikeychain.tenants.tenant import TenantAdmin
from management import CANARY, MAPS, OTHER, WEATHER, data, entries, fill, kinds, nothing_changes, one_change


async def test_a_secret_is_put_replaced_and_removed(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    await shop.register_provider(WEATHER)
    async with one_change(acme, shop, "key.created", "secret.put"):
        first = await shop.put_secret("main", Secret(CANARY), provider="weather")
    assert (first.name, first.provider, first.version) == ("main", "weather", 1)
    async with nothing_changes(acme, shop):
        assert await shop.put_secret("main", Secret(CANARY), provider="weather") == first
    async with one_change(acme, shop, "secret.put"):
        second = await shop.put_secret("main", Secret(OTHER), provider="weather")
    assert (second.version, second.created) == (2, first.created)
    assert second.fingerprint != first.fingerprint
    assert second.changed > first.changed
    assert await shop.list_secrets() == [second]
    async with one_change(acme, shop, "secret.removed"):
        await shop.remove_secret("main")
    async with nothing_changes(acme, shop):
        with pytest.raises(DoesNotExistError, match=r"^the project 'shop' has no secret 'main'$"):
            await shop.remove_secret("main")


async def test_the_first_secret_back_again_has_the_first_fingerprint(shop: ProjectAdmin) -> None:
    await shop.register_provider(WEATHER)
    prints = [
        (await shop.put_secret("main", Secret(text), provider="weather")).fingerprint
        for text in (CANARY, OTHER, CANARY)
    ]
    assert prints[0] == prints[2] != prints[1]


async def test_a_secret_with_which_no_call_could_be_signed_is_refused(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    await shop.register_provider(replace(WEATHER, credential=AWSCredential("eu-central-1", "s3")))
    async with nothing_changes(acme, shop):
        with pytest.raises(
            InvalidValueError, match="The secret is no AWS access key: write <access key id>:"
        ) as refused:
            await shop.put_secret("main", Secret(CANARY), provider="weather")
    assert CANARY not in str(refused.value)
    assert (await shop.put_secret("main", Secret(f"AKIDEXAMPLE:{CANARY}"), provider="weather")).version == 1


async def test_a_secret_of_an_unknown_provider_or_a_bad_name_is_refused(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    async with nothing_changes(acme, shop):
        with pytest.raises(DoesNotExistError, match=r"^the project 'shop' has no provider 'weather'$"):
            await shop.put_secret("main", Secret(CANARY), provider="weather")
        with pytest.raises(InvalidValueError, match=r"not a secret name: 'Main'"):
            await shop.put_secret("Main", Secret(CANARY), provider="weather")


@pytest.mark.parametrize(("length", "warned"), [(15, True), (16, False)])
async def test_a_short_secret_is_told_in_the_log(
    shop: ProjectAdmin, caplog: pytest.LogCaptureFixture, length: int, warned: bool
) -> None:
    await shop.register_provider(WEATHER)
    await shop.put_secret("weather", Secret("s" * length), provider="weather")
    assert ("'weather' has fewer than 16 characters" in caplog.text) is warned
    assert "sss" not in caplog.text


async def test_no_error_and_no_answer_holds_the_value(shop: ProjectAdmin) -> None:
    with pytest.raises(InvalidValueError) as refused:
        await shop.put_secret("Main", Secret(CANARY), provider="weather")
    assert CANARY not in str(refused.value)
    await fill(shop)
    [told] = await shop.list_secrets()
    assert {field.name for field in fields(SecretInfo)} == {
        "name",
        "provider",
        "version",
        "fingerprint",
        "created",
        "changed",
    }
    assert CANARY not in repr(told)
    assert CANARY not in repr(await shop.put_secret("weather", Secret(CANARY), provider="weather"))


async def test_a_secret_is_put_again_when_its_provider_moved(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    await fill(shop)
    await shop.register_provider(replace(WEATHER, base_url="https://new.weather.example"))
    async with one_change(acme, shop, "secret.put"):
        assert (await shop.put_secret("weather", Secret(CANARY), provider="weather")).version == 2
    async with nothing_changes(acme, shop):
        await shop.put_secret("weather", Secret(CANARY), provider="weather")


async def test_a_secret_that_changes_its_provider_is_put_again(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    await fill(shop)
    await shop.register_provider(MAPS)
    async with one_change(acme, shop, "secret.put"):
        told = await shop.put_secret("weather", Secret(CANARY), provider="maps")
    assert (told.provider, told.version) == ("maps", 2)


async def test_two_first_secrets_at_once_share_one_key(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    await shop.register_provider(WEATHER)
    await asyncio.gather(*[shop.put_secret(name, Secret(CANARY), provider="weather") for name in ("a", "b", "c")])
    assert (await kinds(acme)).count("key.created") == 1
    assert len({told.fingerprint for told in await shop.list_secrets()}) == 1
    made = data(next(entry for entry in await entries(acme) if entry.kind == "key.created"))
    assert (made["number"], made["kdf"]) == (1, "pbkdf2-sha512")


async def test_a_project_whose_keys_vanished_seals_nothing(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    await shop.register_provider(WEATHER)
    async with nothing_changes(acme, shop):
        with pytest.raises(SecretUnavailableError):
            async with project_change(acme._office, acme.id, shop.id, "ops") as change:
                await secrets.put(change, "main", Secret(CANARY), "weather", None)


async def test_a_secret_whose_key_is_gone_is_put_again(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    await fill(shop)
    office = acme._office
    async with office.store.tenant(acme.id) as store:
        [key] = await store.list(ProjectKey, (shop.id,), 10)
        await store.remove(ProjectKey, key.key, key.generation)
    office.vault.forget(shop.id)
    async with one_change(acme, shop, "key.created", "secret.put"):
        await shop.put_secret("weather", Secret(CANARY), provider="weather")


def files_of(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


async def test_the_plaintext_is_in_no_file(tmp_path: Path) -> None:
    settings = APIKeyChainSettings(kdf="pbkdf2-sha512")
    async with APIKeyChain.embedded(tmp_path, settings=settings) as keychain:
        acme = await keychain.create_tenant("acme")
        shop = await acme.create_project("shop")
        await fill(shop)
        await shop.put_secret("weather", Secret(OTHER), provider="weather")
        await shop.put_secret("weather", Secret(CANARY), provider="weather")
        written = files_of(tmp_path)
        assert "apikeychain.sqlite3-wal" in written
        assert b"secret.put" in written["apikeychain.sqlite3-wal"] + written["apikeychain.sqlite3"]
    written |= {f"closed {name}": content for name, content in files_of(tmp_path).items()}
    for name, content in written.items():
        for plain in (CANARY.encode(), OTHER.encode(), CANARY.encode().hex().encode()):
            assert plain not in content, name
