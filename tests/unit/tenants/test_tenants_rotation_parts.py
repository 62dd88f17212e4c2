"""What a rotation is added to has to bear it: no two change one secret, and no id outlives the way it came from."""

from dataclasses import replace
from typing import Any

import pytest

from apikeychain import APIKeyChain, AWSCredential, BasicCredential, HeaderCredential, Provider, Secret
from apikeychain.errors import InvalidValueError, StillInUseError
from apikeychain.model.key_steps import Step
from apikeychain.model.rotation_records import ProviderKey
from apikeychain.model.rotators import AWSIAMRotation, HostRotation, HTTPRotation, ManualRotation, OAuth2Rotation
from apikeychain.tenants.project import ProjectAdmin
from management import fill

PROBE = Step(method="GET", path="/v1/me")
OWN = HostRotation(name="own")
TOKENS = OAuth2Rotation(provider="idp", credential="client", path="/token", grant="refresh_token", refresh="refresh")
HTTP = HTTPRotation(
    provider="idp",
    credential="client",
    create=Step(method="POST", path="/v1/keys"),
    key="key",
    id="id",
    verify=PROBE,
    revoke=Step(method="DELETE", path="/v1/keys/{id}"),
)
USER = AWSIAMRotation(provider="iam", credential="root", user="shop", verify=PROBE)


@pytest.fixture
async def full(shop: ProjectAdmin) -> ProjectAdmin:
    """With a token endpoint, another key API, IAM, and a secret for each of their credentials."""
    await fill(shop)
    await shop.register_provider(Provider("idp", "https://idp.example", BasicCredential()))
    await shop.register_provider(Provider("bank", "https://bank.example", HeaderCredential("x-api-key")))
    await shop.register_provider(Provider("iam", "https://iam.example", AWSCredential(service="iam", region="aws")))
    await shop.put_secret("client", Secret("an-id:a-client-secret"), provider="idp")
    await shop.put_secret("refresh", Secret("a-refresh-token-0"), provider="idp")
    await shop.put_secret("root", Secret("AKIAROOT00:a-root-secret"), provider="iam")
    await shop.put_secret("bank", Secret("a-credential-of-the-bank"), provider="bank")
    await shop.put_secret("user-a", Secret("AKIAUSERA0:the-secret-of-a"), provider="iam")
    await shop.put_secret("user-b", Secret("AKIAUSERB0:the-secret-of-b"), provider="iam")
    return shop


async def ids(shop: ProjectAdmin, of: str = "weather") -> list[tuple[str, str]]:
    [info] = [info for info in await shop.rotations() if info.secret == of]
    return [(key.state, key.id) for key in info.keys]


@pytest.mark.parametrize("secret", ["refresh", "client"])
async def test_tokens_never_take_the_place_of_what_they_are_fetched_with(full: ProjectAdmin, secret: str) -> None:
    with pytest.raises(InvalidValueError, match="would take the place of what they are fetched with"):
        await full.add_rotation(secret, TOKENS)
    assert await full.rotations() == []


async def test_a_refresh_token_has_no_rotation_of_its_own(full: ProjectAdmin) -> None:
    await full.add_rotation("refresh", OWN)
    with pytest.raises(InvalidValueError, match="'refresh' is the refresh token of the rotation of 'weather'"):
        await full.add_rotation("weather", TOKENS)
    await full.remove_rotation("refresh")
    await full.add_rotation("weather", TOKENS)
    with pytest.raises(InvalidValueError, match="'refresh' is the refresh token of the rotation of 'weather'"):
        await full.add_rotation("refresh", ManualRotation())
    await full.add_rotation("weather", TOKENS, hours=24)


async def test_an_iam_user_has_one_rotation(full: ProjectAdmin) -> None:
    await full.add_rotation("user-a", USER)
    with pytest.raises(InvalidValueError, match="'user-a' makes keys of the same IAM user"):
        await full.add_rotation("user-b", replace(USER, credential="user-b", user="Shop"))
    await full.add_rotation("user-a", USER, hours=24)
    await full.add_rotation("user-b", replace(USER, user="storefront"))
    assert await ids(full, "user-b") == [("current", "AKIAUSERB0")]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(replace(HTTP, provider="bank"), id="another provider"),
        pytest.param(replace(HTTP, credential="bank"), id="another credential"),
        pytest.param(ManualRotation(), id="by hand"),
        pytest.param(OWN, id="a rotator of the host"),
    ],
)
async def test_an_id_does_not_outlive_the_account_that_gave_it(full: ProjectAdmin, other: Any) -> None:
    await full.add_rotation("weather", HTTP, key_id="11")
    await full.add_rotation("weather", other)
    assert await ids(full) == [("current", "")]
    await full.add_rotation("weather", HTTP, key_id="12")
    assert await ids(full) == [("current", "12")]


async def test_the_id_that_a_key_says_itself_is_taken_when_its_rotation_changes(full: ProjectAdmin) -> None:
    await full.add_rotation("user-a", ManualRotation())
    await full.add_rotation("user-a", USER)
    assert await ids(full, "user-a") == [("current", "AKIAUSERA0")]


async def test_a_key_that_is_put_by_hand_has_not_the_id_of_the_one_before(full: ProjectAdmin) -> None:
    await full.add_rotation("weather", ManualRotation(), key_id="key-1")
    await full.put_secret("weather", Secret("a-key-made-by-hand"), provider="weather")
    assert await ids(full) == [("current", "")]
    # What a host says at each start was said of the one before.
    await full.add_rotation("weather", ManualRotation(), key_id="key-1")
    assert await ids(full) == [("current", "")]
    await full.add_rotation("weather", OWN, key_id="key-2")
    assert await ids(full) == [("current", "key-2")]


async def test_a_wrong_description_is_put_right_while_a_turn_is_under_way(
    keychain: APIKeyChain, full: ProjectAdmin
) -> None:
    wrong = replace(HTTP, key="keys.0.value")
    await full.add_rotation("weather", wrong, key_id="11")
    async with keychain._office.store.tenant(full.tenant) as records:
        [first] = await records.list(ProviderKey, (), 9)
        await records.insert(replace(first, number=2, state="pending", id="", fingerprint="", asked=first.created))
    await full.add_rotation("weather", HTTP)
    assert await ids(full) == [("current", "11"), ("pending", "")]
    for other in (replace(HTTP, provider="bank"), replace(HTTP, credential="bank"), ManualRotation(), TOKENS):
        with pytest.raises(StillInUseError, match="is not over"):
            await full.add_rotation("weather", other)
