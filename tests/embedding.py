"""A keychain on one directory, filled, opened again, or refused: for tests of the embedded default."""

from pathlib import Path

import pytest

from apikeychain import APIKeyChain, APIKeyChainSettings, Secret
from apikeychain.errors import APIKeyChainError
from management import CANARY, fill, kinds

QUICK = APIKeyChainSettings(kdf="pbkdf2-sha512")
DATABASE, KEYS = "apikeychain.sqlite3", "platform.key"


def embedded(directory: Path, **more: object) -> APIKeyChain:
    return APIKeyChain.embedded(directory, settings=QUICK, **more)  # type: ignore[arg-type]  # its arguments


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def content(path: Path) -> bytes:
    return path.read_bytes()


async def filled(directory: Path) -> None:
    async with embedded(directory) as keychain:
        await fill(await (await keychain.create_tenant("acme")).create_project("shop"))


async def refused(directory: Path, error: type[APIKeyChainError], **more: object) -> str:
    """What the opening says; it leaves nothing open."""
    keychain = embedded(directory, **more)
    with pytest.raises(error) as caught:
        await keychain.open()
    text = str(caught.value)
    assert "\n" not in text
    return text


async def secrets_of(directory: Path, **more: object) -> list[str]:
    """The names of the secrets that still open."""
    async with embedded(directory, **more) as keychain:
        acme = await keychain.tenant("acme")
        shop = await acme.project("shop")
        before = await kinds(acme)
        await shop.configure(secrets={"weather": Secret(CANARY)})
        assert await kinds(acme) == before
        return [told.name for told in await shop.list_secrets()]
