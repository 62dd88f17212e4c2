"""The verbs of rotations: what they ask for, what they tell, and what they keep from going silently."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apikeychain import APIKeyChain, HeaderCredential, Provider, Secret
from apikeychain.errors import ConflictError, DoesNotExistError, InvalidValueError, StillInUseError
from apikeychain.listing import every
from apikeychain.model.alert import Alert, OutgoingAlert
from apikeychain.model.key_steps import Step
from apikeychain.model.rotation_records import ProviderKey
from apikeychain.model.rotators import HostRotation, HTTPRotation, ManualRotation, OAuth2Rotation
from apikeychain.tenants import rotations
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.tenant import TenantAdmin
from management import CANARY, data, entries, fill, kinds

OWN = HostRotation(name="own")
KEY_API = Provider("admin", "https://admin.example", HeaderCredential("x-api-key"))
HTTP = HTTPRotation(
    provider="admin",
    credential="admin",
    create=Step(method="POST", path="/v1/keys"),
    key="key",
    id="id",
    verify=Step(method="GET", path="/v1/me"),
    revoke=Step(method="DELETE", path="/v1/keys/{id}"),
)
OAUTH2 = OAuth2Rotation(provider="admin", credential="admin", path="/token", grant="refresh_token", refresh="refresh")


async def alerts(keychain: APIKeyChain, acme: TenantAdmin) -> list[Alert]:
    async with keychain._office.store.reading(acme.id) as reader:
        return [outgoing.alert for outgoing in await every(reader, OutgoingAlert)]


async def put_key(keychain: APIKeyChain, shop: ProjectAdmin, number: int, state: Any, **fields: Any) -> None:
    """A further key of the secret, as the engine leaves it."""
    async with keychain._office.store.tenant(shop.tenant) as records:
        first, *_ = await records.list(ProviderKey, (), 9)
        given: dict[str, Any] = {
            "created": first.created,
            "after": first.created,
            "reason": "schedule",
            "label": "l",
        } | fields
        await records.insert(ProviderKey(project=shop.id, secret="weather", number=number, state=state, **given))


async def test_a_rotation_is_due_in_the_last_tenth_of_its_interval(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    await fill(shop)
    await shop.add_rotation("weather", OWN, hours=24, key_id="key-1")
    await shop.add_rotation("weather", OWN, hours=24, key_id="key-1")
    await shop.add_rotation("weather", OWN, hours=24)
    [info] = await shop.rotations()
    assert timedelta(hours=21.6) <= info.due - info.keys[0].created <= timedelta(hours=24)
    assert (info.secret, info.kind, info.hours, info.is_due, info.is_turning) == ("weather", "host", 24, False, False)
    assert (info.reason, info.paused, info.failure) == ("schedule", False, "")
    [key] = info.keys
    assert (key.number, key.state, key.id, key.label, key.asked) == (1, "current", "key-1", "", None)
    written = await entries(acme)
    assert [entry.kind for entry in written].count("rotation.added") == 1
    assert data(written[-1]) == {"secret": "weather", "rotator": "host", "hours": 24}


async def test_how_and_how_often_can_be_changed_and_the_id_said_later(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    await fill(shop)
    await shop.add_rotation("weather", OWN)
    await shop.add_rotation("weather", OWN, key_id="key-1")
    [first] = await shop.rotations()
    assert first.keys[0].id == "key-1"
    await shop.add_rotation("weather", HostRotation(name="other"), hours=24)
    [info] = await shop.rotations()
    assert (info.hours, info.due < first.due, info.keys[0].id) == (24, True, "")
    assert (await kinds(acme)).count("rotation.changed") == 2


@pytest.mark.parametrize("hours", [23, 73])
async def test_an_interval_is_a_day_to_three(shop: ProjectAdmin, hours: int) -> None:
    await fill(shop)
    with pytest.raises(InvalidValueError, match=f"every 24 to 72 hours, not every {hours}"):
        await shop.add_rotation("weather", OWN, hours=hours)


async def test_what_a_rotation_needs_has_to_be_there_and_stays(shop: ProjectAdmin) -> None:
    await fill(shop)
    with pytest.raises(DoesNotExistError, match="no secret 'other'"):
        await shop.add_rotation("other", OWN)
    with pytest.raises(DoesNotExistError, match="no provider 'admin'"):
        await shop.add_rotation("weather", HTTP)
    await shop.register_provider(KEY_API)
    with pytest.raises(DoesNotExistError, match="no secret 'admin'"):
        await shop.add_rotation("weather", HTTP)
    await shop.put_secret("admin", Secret("a-secret-of-admin"), provider="weather")
    with pytest.raises(DoesNotExistError, match="no secret 'refresh'"):
        await shop.add_rotation("weather", OAUTH2)
    await shop.put_secret("refresh", Secret("a-refresh-token"), provider="weather")
    await shop.put_secret("unused", Secret("an-unused-secret"), provider="weather")
    await shop.add_rotation("weather", HTTP)
    await shop.add_rotation("weather", OAUTH2)
    for secret in ("weather", "admin", "refresh"):
        with pytest.raises(StillInUseError, match="the rotation of the secret 'weather' needs it"):
            await shop.remove_secret(secret)
    with pytest.raises(StillInUseError, match="the rotation of the secret 'weather' needs it"):
        await shop.remove_provider("admin")
    with pytest.raises(StillInUseError, match="the rotation of the secret 'weather' needs it"):
        await shop.configure(secrets={}, routes=[], prune=True)
    await shop.remove_secret("unused")
    await shop.remove_rotation("weather")
    await shop.remove_secret("admin")
    await shop.remove_provider("admin")


async def test_tokens_are_fetched_at_once(shop: ProjectAdmin) -> None:
    await fill(shop)
    await shop.register_provider(KEY_API)
    await shop.put_secret("admin", Secret("a-secret-of-admin"), provider="weather")
    await shop.add_rotation("weather", OAuth2Rotation(provider="admin", credential="admin", path="/token"))
    assert (await shop.rotations())[0].is_due


async def test_another_way_waits_for_the_turn_that_is_under_way(keychain: APIKeyChain, shop: ProjectAdmin) -> None:
    await fill(shop)
    await shop.add_rotation("weather", OWN, key_id="key-1")
    await put_key(keychain, shop, 2, "created", failure="it hangs")
    with pytest.raises(StillInUseError, match="is not over"):
        await shop.add_rotation("weather", ManualRotation())
    await shop.add_rotation("weather", OWN, hours=24)
    [info] = await shop.rotations()
    assert (info.is_turning, info.failure) == (True, "it hangs")


async def test_what_a_host_declares_at_each_start_takes_nothing_back(shop: ProjectAdmin) -> None:
    await fill(shop)
    await shop.add_rotation("weather", OWN, key_id="key-1")
    await shop.put_secret("weather", Secret("a-key-that-came-later"), provider="weather")
    await shop.add_rotation("weather", OWN, key_id="key-1")
    await fill(shop)
    assert [info.version for info in await shop.list_secrets()] == [2]
    [info] = await shop.rotations()
    assert [(key.state, key.id) for key in info.keys] == [("retiring", "key-1"), ("current", "")]
    await shop.remove_rotation("weather")
    await shop.add_rotation("weather", ManualRotation())
    await fill(shop)
    assert [info.version for info in await shop.list_secrets()] == [3]


async def begun_again(shop: ProjectAdmin, said: str) -> list[str]:
    """The ids of the keys when a rotation was removed and is declared again."""
    await shop.remove_rotation("weather")
    await shop.add_rotation("weather", OWN, key_id=said)
    [info] = await shop.rotations()
    return [key.id for key in info.keys]


async def test_an_id_that_is_said_again_is_believed_of_its_own_key_alone(shop: ProjectAdmin) -> None:
    await fill(shop)
    await shop.add_rotation("weather", OWN)
    assert await begun_again(shop, "key-1") == ["key-1"]
    assert await begun_again(shop, "key-1") == ["key-1"]
    assert await begun_again(shop, "key-0") == [""]


async def test_an_id_is_not_believed_of_a_value_that_was_put_after_its_own(shop: ProjectAdmin) -> None:
    await fill(shop)
    await shop.add_rotation("weather", OWN, key_id="key-1")
    await shop.remove_rotation("weather")
    await shop.put_secret("weather", Secret("a-key-that-came-later"), provider="weather")
    await shop.add_rotation("weather", OWN, key_id="key-1")
    assert [key.id for key in (await shop.rotations())[0].keys] == [""]
    await shop.remove_rotation("weather")
    await shop.put_secret("weather", Secret("a-key-that-came-last"), provider="weather")
    await shop.add_rotation("weather", OWN, key_id="key-9")
    assert [key.id for key in (await shop.rotations())[0].keys] == ["key-9"]


async def test_what_is_kept_of_a_removed_rotation_goes_with_its_secret_and_is_told_of_to_nobody(
    keychain: APIKeyChain, acme: TenantAdmin, shop: ProjectAdmin
) -> None:
    await fill(shop)
    await shop.add_rotation("weather", OWN, key_id="key-1")
    await shop.remove_rotation("weather")
    async with keychain._office.store.reading(acme.id) as reader:
        assert [key.state for key in await every(reader, ProviderKey)] == ["current"]
        assert await rotations.left_behind(reader, acme.id, datetime.now(UTC), shop.id, "it went") == []
    await shop.remove_route("weather")
    await shop.remove_secret("weather")
    async with keychain._office.store.reading(acme.id) as reader:
        assert await every(reader, ProviderKey) == []


async def test_a_key_keeps_no_label_of_another_account_than_that_of_its_id(
    keychain: APIKeyChain, shop: ProjectAdmin
) -> None:
    """By the label an id is known that the rotator gave, and not somebody."""
    await fill(shop)
    await shop.add_rotation("weather", OWN, key_id="key-1")
    async with keychain._office.store.tenant(shop.tenant) as records:
        [key] = await every(records, ProviderKey)
        await records.replace(replace(key, label="l", generation=2), 1)
    await shop.add_rotation("weather", HostRotation(name="other"), key_id="key-1")
    [info] = await shop.rotations()
    assert [(key.id, key.label) for key in info.keys] == [("key-1", "")]


async def test_a_key_that_was_ended_cannot_be_put_back(keychain: APIKeyChain, shop: ProjectAdmin) -> None:
    await fill(shop)
    await shop.add_rotation("weather", OWN, key_id="key-1")
    await shop.put_secret("weather", Secret("a-key-that-came-later"), provider="weather")
    async with keychain._office.store.tenant(shop.tenant) as records:
        [first, _] = await records.list(ProviderKey, (), 9)
        await records.replace(replace(first, state="revoked", generation=first.generation + 1), first.generation)
    with pytest.raises(ConflictError, match="was ended at its provider: put another one"):
        await shop.put_secret("weather", Secret(CANARY), provider="weather")
    assert [info.version for info in await shop.list_secrets()] == [2]


async def test_a_key_that_is_put_back_serves_again(shop: ProjectAdmin) -> None:
    await fill(shop)
    await shop.add_rotation("weather", OWN, key_id="key-1")
    await shop.put_secret("weather", Secret("a-key-that-came-later"), provider="weather")
    await shop.put_secret("weather", Secret(CANARY), provider="weather")
    [info] = await shop.rotations()
    assert [(key.state, key.id) for key in info.keys] == [("current", "key-1"), ("retiring", "")]


async def test_a_secret_without_rotation_has_no_turn(shop: ProjectAdmin) -> None:
    await fill(shop)
    assert await shop.rotations() == []
    for verb in (shop.rotate, shop.pause_rotation, shop.resume_rotation, shop.remove_rotation):
        with pytest.raises(DoesNotExistError, match="no rotation 'weather'"):
            await verb("weather")


async def test_a_graver_reason_stays_until_the_turn(shop: ProjectAdmin) -> None:
    await fill(shop)
    await shop.add_rotation("weather", ManualRotation())
    await shop.rotate("weather", reason="compromised")
    await shop.rotate("weather")
    [info] = await shop.rotations()
    assert (info.is_due, info.reason) == (True, "compromised")


async def test_keys_that_a_removed_rotation_leaves_are_named(
    keychain: APIKeyChain, acme: TenantAdmin, shop: ProjectAdmin
) -> None:
    await fill(shop)
    await shop.add_rotation("weather", OWN, key_id="key-1")
    await shop.remove_rotation("weather")
    assert await alerts(keychain, acme) == []
    await shop.add_rotation("weather", OWN, key_id="key-1")
    await put_key(keychain, shop, 3, "retiring", id="key-2")
    await put_key(keychain, shop, 4, "revoked", id="key-3")
    await shop.remove_rotation("weather")
    [alert] = await alerts(keychain, acme)
    assert (alert.topic, alert.project, alert.why) == ("rotation.left", shop.id, "it was removed by hand")
    assert "id 'key-2'" in alert.todo
    assert "key-1" not in alert.todo
    assert "key-3" not in alert.todo
    assert (await kinds(acme))[-1] == "rotation.removed"


@pytest.mark.parametrize("goes", ["project", "tenant"])
async def test_keys_of_a_project_or_tenant_that_goes_are_named(
    keychain: APIKeyChain, acme: TenantAdmin, shop: ProjectAdmin, goes: str
) -> None:
    await fill(shop)
    await shop.add_rotation("weather", OWN, key_id="key-1")
    await put_key(keychain, shop, 2, "retiring", id="key-2")
    if goes == "project":
        await acme.remove_project("shop")
    else:
        await keychain.erase_tenant("acme")
    [alert] = await alerts(keychain, acme)
    assert alert.why == f"its {goes} was {'removed' if goes == 'project' else 'erased'}"
    assert "id 'key-1'" in alert.todo
    assert "id 'key-2'" in alert.todo
