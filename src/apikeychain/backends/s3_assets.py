"""An asset store in a bucket of S3, or of what speaks like it, such as Cloudflare R2.

::

    <prefix>/<tenant>/<project>/<name>      an object, sealed

The server compares the SHA-256 of what it gets, and refuses to write an object again (``If-None-Match: *``). Not every
server knows such a condition, so it is asked first whether there is one of that name: names are drawn at random, and
no two put the same at one moment. Encryption by the server is the bucket's own setting: what it gets is sealed.

Source: spec 7, 10.2; Amazon S3 API Reference and User Guide, "Conditional writes", "Checking object integrity".
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from apikeychain.backends.asset_objects import MAX_OBJECT_BYTES, is_object, require_body, require_object, require_place
from apikeychain.backends.aws_kms.wire import AccessKey
from apikeychain.backends.opened_lines import OpenedLines
from apikeychain.backends.s3_objects import Kept, Objects
from apikeychain.backends.s3_place import S3Place
from apikeychain.egress import Egress
from apikeychain.errors import AlreadyExistsError, DoesNotExistError
from apikeychain.model.asset import AssetPrefix

_KEPT = Kept("asset store", "application/octet-stream", MAX_OBJECT_BYTES)
# The most that a server tells at once.
_PAGE = 1000


class S3Assets:
    """See AssetStore.

    An async context manager, in each event loop or often. Entering it asks nobody: a server that is down is told by
    each verb. An exchange that carries nothing long ends after 5 s, and a second later for each MiB; one in which the
    server says nothing for 5 s ends then.

    Args:
        bucket: its name.
        prefix: how the keys begin, for the assets of one installation alone.
        region: of the bucket, like ``eu-central-1``; ``auto`` where the server knows none, as R2.
        access_key: who asks; None for what the AWS client finds: environment, profile, role of the machine.
        profile: of the files of the AWS command, or None.
        endpoint_url: ``https://name[:port]`` of a server of your own; ``http://`` for a loopback host.
        ca_file: the authorities that its certificate may come from; None for those of the system.

    Raises:
        MissingExtraError: the extra ``aws`` is not installed.
        SettingsError: with every problem of what is given.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str = "apikeychain",
        *,
        region: str,
        access_key: AccessKey | None = None,
        profile: str | None = None,
        endpoint_url: str | None = None,
        ca_file: Path | str | None = None,
    ) -> None:
        self._place = S3Place.parse(
            bucket,
            prefix,
            region=region,
            access_key=access_key,
            profile=profile,
            endpoint_url=endpoint_url,
            ca_file=ca_file,
        )
        self._guard = Egress()
        self._lines: OpenedLines[Objects] = OpenedLines(_KEPT.plug)

    async def __aenter__(self) -> Self:
        """Open it in this event loop.

        Raises:
            SettingsError: the authorities cannot be read.
        """
        await self._lines.enter(lambda: self._place.line(self._guard, _KEPT))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close what belongs to this event loop."""
        await self._lines.leave()

    async def put(self, prefix: AssetPrefix, name: str, body: bytes) -> None:
        """See AssetStore.put."""
        require_body(prefix, name, body)
        key, objects = self._begin(prefix) + name, self._lines.here
        is_there = await objects.first(key) is not None
        # One that was made while the answer was lost is there when it is made again: that was no other.
        if is_there or not (await objects.make(key, body) or await objects.found(key) == body):
            msg = f"there is an object {name}"
            raise AlreadyExistsError(msg)

    async def open(self, prefix: AssetPrefix, name: str) -> bytes:
        """See AssetStore.open."""
        require_object(prefix, name)
        found = await self._lines.here.found(self._begin(prefix) + name)
        if found is None:
            msg = f"there is no object {name}"
            raise DoesNotExistError(msg)
        return found

    async def delete(self, prefix: AssetPrefix, name: str) -> None:
        """See AssetStore.delete. Where the bucket keeps versions, they are its own rules' to delete."""
        require_object(prefix, name)
        await self._lines.here.remove(self._begin(prefix) + name)

    async def list(self, prefix: AssetPrefix, after: str, limit: int) -> Sequence[str]:
        """See AssetStore.list."""
        require_place(prefix, after)
        begin, objects = self._begin(prefix), self._lines.here
        found: list[str] = []
        is_more = True
        while is_more and len(found) < limit:
            names, is_more = await objects.page(begin, after, min(limit - len(found), _PAGE))
            found += filter(is_object, names)
            after = max(names, default=after)
        return found

    def _begin(self, prefix: AssetPrefix) -> str:
        return f"{self._place.prefix}/{prefix.path}"
