"""A key service of one's own: each version of the platform key is a file of a folder, and is destroyed by deleting it.

It is small, and honest about what a key service is: the platform key never leaves it, what it wraps is bound to whom
it serves, and every version says its number first. It is for a folder that only this user can read, on a disk of its
own, apart from the database: whoever has both has everything. Hand it to the keychain in place of its own::

    keychain = APIKeyChain.embedded("./apikeychain-data", key_service=FolderKeyService("/mnt/keys"))

The contract that every key service keeps is `apikeychain.testing.key_service.KeyServiceContract`: subclass it in your
tests, and pytest holds yours to each clause. Run this file to see a key wrapped, rewrapped and gone::

    python examples/custom_key_service.py
"""

import asyncio
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from apikeychain.errors import BackendUnavailableError, InvalidValueError, SealedValueError
from apikeychain.model.keys import KeyContext

# What was wrapped: the version (4), a nonce (12, random), the key and the tag under AES-256-GCM.
_HEAD, _NONCE = 4, 12


class FolderKeyService:
    """See `apikeychain.ports.key_service.KeyService`. Two processes must not `rotate` at once.

    Args:
        path: a folder that exists and is yours alone.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)

    async def wrap(self, key: bytes, context: KeyContext) -> bytes:
        """See KeyService.wrap. The version is bound with the context, so that no byte can be changed."""
        newest = max(self._versions(), default=0) or self._make(1)
        head, nonce = newest.to_bytes(_HEAD, "big"), os.urandom(_NONCE)
        return head + nonce + self._cipher(newest).encrypt(nonce, key, head + context.encoded)

    async def unwrap(self, wrapped: bytes, context: KeyContext) -> bytes:
        """See KeyService.unwrap. Whatever is wrong with it is one error."""
        head, nonce, sealed = wrapped[:_HEAD], wrapped[_HEAD : _HEAD + _NONCE], wrapped[_HEAD + _NONCE :]
        version = int.from_bytes(head, "big")
        try:
            if version in self._versions():
                return self._cipher(version).decrypt(nonce, sealed, head + context.encoded)
        except (InvalidTag, ValueError):
            pass
        raise SealedValueError

    async def rewrap(self, wrapped: bytes, context: KeyContext) -> bytes:
        """See KeyService.rewrap."""
        return await self.wrap(await self.unwrap(wrapped, context), context)

    async def rotate(self) -> int:
        """See KeyService.rotate."""
        return self._make(max(self._versions(), default=0) + 1)

    async def retire(self, version: int) -> datetime:
        """See KeyService.retire. It is gone at once, but for backups of the folder."""
        if version >= max(self._versions(), default=0):
            msg = f"version {version} is the newest, or was never made"
            raise InvalidValueError(msg)
        (self._path / f"{version}.key").unlink(missing_ok=True)
        return datetime.now(UTC)

    def _versions(self) -> list[int]:
        try:
            return [int(file.stem) for file in self._path.iterdir() if file.suffix == ".key"]
        except OSError:
            raise BackendUnavailableError from None

    def _make(self, version: int) -> int:
        file = os.open(self._path / f"{version}.key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(file, "wb") as made:
            made.write(AESGCM.generate_key(256))
            made.flush()
            os.fsync(made.fileno())
        return version

    def _cipher(self, version: int) -> AESGCM:
        return AESGCM((self._path / f"{version}.key").read_bytes())


async def main() -> None:
    """A key that survives the end of the version it was wrapped under, and a copy that does not."""
    with tempfile.TemporaryDirectory() as folder:
        service, context = FolderKeyService(folder), KeyContext(tenant="acme", purpose="tenant-secret")
        old = await service.wrap(b"k" * 32, context)
        await service.rotate()
        new = await service.rewrap(old, context)
        await service.retire(1)
        print("opens under version 2:", await service.unwrap(new, context) == b"k" * 32)
        try:
            await service.unwrap(old, context)
        except SealedValueError:
            print("the old copy opens no more")


if __name__ == "__main__":
    asyncio.run(main())
