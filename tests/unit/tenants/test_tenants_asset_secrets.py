"""A script that holds a secret of its project is not published."""

import base64
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote

import pytest

import canary
from apikeychain import HeaderCredential, Provider, Secret
from apikeychain.errors import InvalidValueError
from apikeychain.listing import every
from apikeychain.model.records import ProjectKey, SealedSecret, Tenant
from apikeychain.model.rotation_records import ProviderKey
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.tenant import TenantAdmin
from asset_house import SCRIPT, loose, objects, require_whole
from management import CANARY, OTHER, WEATHER, fill, nothing_changes

HEX = "".join
FORMS: dict[str, Callable[[str], str]] = {
    "as it stands": str,
    "in hex": lambda text: text.encode().hex(),
    "in base64": lambda text: base64.b64encode(b"?" + text.encode()).decode(),
    "percent-encoded": lambda text: HEX(f"%{ord(c):02x}" for c in text),
    "in \\u": lambda text: HEX(f"\\u{ord(c):04x}" for c in text),
    "in \\x": lambda text: HEX(f"\\x{ord(c):02X}" for c in text),
    "in \\u{}": lambda text: HEX(f"\\u{{{ord(c):x}}}" for c in text),
    "one byte escaped": lambda text: f"\\x{ord(text[0]):02x}{text[1:]}",
    "quoted for a URL": lambda text: quote(text, safe=""),
}


@pytest.fixture
async def shop(acme: TenantAdmin) -> ProjectAdmin:
    shop = await acme.create_project("shop")
    await fill(shop)
    await shop.assets.enable()
    return shop


def script(text: str) -> bytes:
    return SCRIPT + b'const key = "' + text.encode() + b'"\n' + SCRIPT


@pytest.mark.parametrize("form", FORMS)
async def test_a_secret_in_any_form_is_refused_and_named_but_not_told(
    acme: TenantAdmin, shop: ProjectAdmin, form: str
) -> None:
    async with nothing_changes(acme, shop):
        with pytest.raises(InvalidValueError) as caught:
            await shop.assets.put("widget.js", script(FORMS[form](CANARY)))
    assert str(caught.value) == ("it holds the secret 'weather', and whoever loads it would have that: take it out")
    assert (await objects(shop), await loose(shop)) == (set(), [])
    await shop.assets.put("widget.js", script(FORMS[form](OTHER)))


async def test_a_secret_across_pieces_of_a_long_script_is_found(shop: ProjectAdmin) -> None:
    for at in range(65_536 - len(CANARY), 65_536, 7):
        with pytest.raises(InvalidValueError, match="it holds the secret 'weather'"):
            await shop.assets.put("widget.js", b" " * at + CANARY.encode() + b" " * 200_000)


async def test_a_signing_key_is_refused_while_it_is_good(shop: ProjectAdmin) -> None:
    shown = await shop.add_signing_key()
    text = shown.key.reveal().decode()
    with pytest.raises(InvalidValueError, match=f"it holds the signing key '{shown.id}'"):
        await shop.assets.put("widget.js", script(text))
    await shop.retire_signing_key(shown.id)
    await shop.assets.put("widget.js", script(text))


async def test_a_project_without_secrets_publishes(acme: TenantAdmin) -> None:
    bare = await acme.create_project("bare")
    await bare.assets.enable()
    await bare.assets.put("widget.js", script(CANARY))
    await require_whole(bare, ["js/widget.js"])


async def provider_key(shop: ProjectAdmin, state: str, provider: Provider = WEATHER) -> None:
    """A key at the provider in that state, which holds `OTHER`."""
    office, now = shop._office, shop._office.now()
    async with office.store.tenant(shop.tenant) as store:
        owner, (key,) = await store.get(Tenant, ()), await every(store, ProjectKey, shop.id)
        assert owner
        sealed, mark = await office.vault.seal_secret(owner, key, provider, "weather", 7, Secret(OTHER))
        await store.insert(
            ProviderKey(
                project=shop.id,
                secret="weather",
                number=1,
                state=state,  # type: ignore[arg-type]  # one of them
                reason="schedule",
                label="apikeychain-1",
                created=now,
                after=now,
                sealed=sealed,
                version=7,
                fingerprint=mark,
            )
        )


@pytest.mark.parametrize("state", ["created", "verified", "retiring", "revoked"])
async def test_a_key_that_lives_at_its_provider_is_refused(shop: ProjectAdmin, state: str) -> None:
    await provider_key(shop, state)
    if state == "revoked":
        await shop.assets.put("widget.js", script(OTHER))
        return
    with pytest.raises(InvalidValueError, match=f"it holds the {state} key 1 of the secret 'weather'"):
        await shop.assets.put("widget.js", script(OTHER))


@pytest.mark.parametrize("state", ["verified", "retiring"])
async def test_a_key_that_opens_for_nobody_keeps_nothing_from_being_put_once_it_retires(
    shop: ProjectAdmin, state: str, caplog: pytest.LogCaptureFixture
) -> None:
    await provider_key(shop, state, replace(WEATHER, base_url="https://other.weather.example"))
    if state == "retiring":
        await shop.assets.put("widget.js", SCRIPT)
        assert "the retiring key 1 of the secret 'weather' of the project" in caplog.text
        return
    with pytest.raises(InvalidValueError, match="the verified key 1 of the secret 'weather' does not open"):
        await shop.assets.put("widget.js", SCRIPT)


async def test_a_secret_that_does_not_open_keeps_everything_from_being_put(shop: ProjectAdmin) -> None:
    await shop.register_provider(replace(WEATHER, base_url="https://other.weather.example"))
    with pytest.raises(InvalidValueError, match="the secret 'weather' does not open, so that nobody can say"):
        await shop.assets.put("widget.js", SCRIPT)
    await shop.put_secret("weather", Secret(CANARY), provider="weather")
    await shop.assets.put("widget.js", SCRIPT)


async def test_a_secret_without_its_provider_does_not_open(shop: ProjectAdmin) -> None:
    async with shop._office.store.tenant(shop.tenant) as store:
        (secret,) = await every(store, SealedSecret, shop.id)
        await store.replace(replace(secret, provider="gone", generation=secret.generation + 1), secret.generation)
    with pytest.raises(InvalidValueError, match="the secret 'weather' does not open"):
        await shop.assets.put("widget.js", SCRIPT)


async def test_a_credential_is_refused_in_its_parts(shop: ProjectAdmin) -> None:
    half = canary.secret("half")
    await shop.register_provider(Provider("pair", "https://pair.example", HeaderCredential("authorization")))
    await shop.put_secret("pair", Secret(f"Bearer {half}"), provider="pair")
    with pytest.raises(InvalidValueError, match="it holds the secret 'pair'"):
        await shop.assets.put("widget.js", script(half))
