"""A key service in one file: for a host that runs on one machine and has no KMS.

The file is read at each use, so a version that a command made or retired counts at once in every process, and none
keeps the platform key in memory for longer than a use.

Source: contracts 5.
"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from apikeychain.backends import key_file
from apikeychain.backends.platform_keys import PlatformKeys
from apikeychain.errors import BackendUnavailableError, KeyFileError
from apikeychain.model.keys import KeyContext


class LocalKeyService:
    """Holds the platform key in a key file. See KeyService.

    A retired version is gone from the file at once; blocks of the disk and backups of the file are yours to destroy.

    An async context manager: entering it makes or reads the file, once or often. Nothing stays open.

    Args:
        path: the file, mode 0600, best in another place than the data that it protects.
        create: whether to make the file if there is none. Only for a new installation: a new key opens nothing old.
        data: what the key protects; where that exists already, no file is made.
    """

    def __init__(self, path: Path | str, *, create: bool = False, data: Path | None = None) -> None:
        self.path, self._create, self._data = Path(path), create, data

    async def __aenter__(self) -> Self:
        """Make or read the file.

        Raises:
            KeyFileError: missing, a link, open to others, damaged, or it cannot be written. The text says what to do.
        """
        await asyncio.to_thread(self._open)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing stays open."""

    def _open(self) -> None:
        if self._create and not (self._data and self._data.exists()):
            key_file.create(self.path)
        key_file.read(self.path)

    async def wrap(self, key: bytes, context: KeyContext) -> bytes:
        """See KeyService.wrap."""
        return (await self._keys()).wrap(key, context)

    async def unwrap(self, wrapped: bytes, context: KeyContext) -> bytes:
        """See KeyService.unwrap."""
        return (await self._keys()).unwrap(wrapped, context)

    async def rewrap(self, wrapped: bytes, context: KeyContext) -> bytes:
        """See KeyService.rewrap."""
        keys = await self._keys()
        return keys.wrap(keys.unwrap(wrapped, context), context)

    async def rotate(self) -> int:
        """See KeyService.rotate.

        Raises:
            KeyFileError: the file cannot be read or written; the old one is whole.
        """
        keys = await asyncio.to_thread(key_file.change, self.path, PlatformKeys.rotated)
        return keys.newest.number

    async def retire(self, version: int) -> datetime:
        """See KeyService.retire. It is gone at once.

        Raises:
            InvalidValueError: it is the newest, or there never was one of that number.
            KeyFileError: the file cannot be read or written; the old one is whole.
        """
        await asyncio.to_thread(key_file.change, self.path, lambda keys: keys.without(version))
        return datetime.now(UTC)

    async def _keys(self) -> PlatformKeys:
        try:
            return await asyncio.to_thread(key_file.read, self.path)
        except KeyFileError as error:
            # It was there at the start: for a call it is a key service that does not answer.
            raise BackendUnavailableError(str(error)) from None
