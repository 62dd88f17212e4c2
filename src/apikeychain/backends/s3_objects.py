"""Objects in a bucket that are made once and never written again.

Source: Amazon S3 API Reference, "PutObject" (conditional writes, object lock), "ListObjectsV2" (order of keys,
StartAfter), "DeleteObject" (no error where there is none).
"""

import asyncio
import base64
import hashlib
import logging
from collections.abc import Mapping
from typing import Any, NamedTuple, final

from apikeychain.backends.aws_kms.wire import NO_ANSWER, Answer, Wire
from apikeychain.backends.patience import Patience
from apikeychain.errors import BackendSettingsError

# Somebody else's object is there already, or is being made at this moment.
_TAKEN = frozenset({"ConditionalRequestConflict", "PreconditionFailed"})
_NO_LOCK = frozenset({"InvalidRequest", "NotImplemented"})
_NONE = "NoSuchKey"
_PAGE = 100
# From there on a digest is worth a thread.
_LONG_BYTES = 256 * 1024
# As many as there are connections: who waits for one has not begun to wait for an answer.
_AT_ONCE = 16


class Kept(NamedTuple):
    """What the objects are.

    Attributes:
        plug: what they are for, as the operator knows it.
        content_type: of each.
        most_bytes: of one.
    """

    plug: str
    content_type: str
    most_bytes: int


@final
class Objects:
    """What asks for those of one bucket, in one event loop.

    Args:
        wire: to its server.
        bucket: its name.
        kept: what they are.

    Attributes:
        entered: how often it was opened.
        is_proven: whether the server keeps what it has, as it showed.
    """

    def __init__(self, wire: Wire, bucket: str, kept: Kept) -> None:
        self._wire, self._bucket, self._kept = wire, bucket, kept
        log = logging.getLogger(f"apikeychain.{kept.plug.replace(' ', '_')}")
        self._patience = Patience("S3", log, Answer(NO_ANSWER), kept.plug)
        self._room = asyncio.Semaphore(_AT_ONCE)
        self.entered = 0
        self.is_proven = False

    async def aclose(self) -> None:
        """Close the connections."""
        await self._wire.aclose()

    async def make(self, key: str, body: bytes, lock: Mapping[str, object] | None = None) -> bool:
        """Make an object; False where there is one of that key.

        One that was made while the answer was lost is found to be there when it is made again: that tells False too.

        Args:
            key: its name.
            body: what it holds; the server compares its SHA-256.
            lock: what keeps it from being removed, as the client takes it.

        Raises:
            BackendUnavailableError: it cannot be made now.
            BackendSettingsError: what is made cannot be retained there.
        """
        fields = {"Key": key, "Body": body, "IfNoneMatch": "*", "ChecksumSHA256": await _digest(body)}
        about = {"ContentType": self._kept.content_type, **(lock or {})}
        answer = await self._ask("put_object", len(body), **fields, **about)
        if answer.code in _TAKEN:
            return False
        if answer.code in _NO_LOCK and lock:
            msg = "the bucket retains nothing: make one with object lock, or leave retain_days out"
            raise BackendSettingsError(msg)
        self._require(answer, "put_object")
        return True

    async def read(self, key: str) -> bytes:
        """What an object holds, of which a list has told.

        Raises:
            BackendUnavailableError: it cannot be read now.
        """
        answer = await self._asked_for(key)
        self._require(answer, "get_object")
        return bytes(answer.body["Body"])

    async def found(self, key: str) -> bytes | None:
        """What an object holds, or None where there is none.

        Raises:
            BackendUnavailableError: it cannot be read now.
        """
        answer = await self._asked_for(key)
        if answer.code == _NONE:
            return None
        self._require(answer, "get_object")
        return bytes(answer.body["Body"])

    async def remove(self, key: str) -> None:
        """Remove an object, if it is there.

        Raises:
            BackendUnavailableError: it cannot be removed now.
        """
        self._require(await self._ask("delete_object", Key=key), "delete_object")

    async def first(self, prefix: str) -> str | None:
        """The rest of the first key that begins like that, or None.

        Raises:
            BackendUnavailableError: it is not told now.
        """
        names, _ = await self._page(prefix, 1)
        return names[0] if names else None

    async def names(self, prefix: str) -> list[str]:
        """The rest of each key that begins like that, in their order.

        Raises:
            BackendUnavailableError: it is not told now.
        """
        found: list[str] = []
        names, token = await self._page(prefix, _PAGE)
        while token:
            found += names
            names, token = await self._page(prefix, _PAGE, ContinuationToken=token)
        return found + names

    async def page(self, prefix: str, after: str, limit: int) -> tuple[list[str], bool]:
        """The rest of keys that begin like that and come after one, in their order, and whether more come after them.

        Args:
            prefix: how they begin.
            after: the rest of one, which need not be there.
            limit: how many at most; a server may tell fewer.

        Raises:
            BackendUnavailableError: it is not told now.
        """
        names, token = await self._page(prefix, limit, StartAfter=prefix + after)
        while token and not names:
            # A server may tell of none and go on: where many were deleted whose versions it keeps.
            names, token = await self._page(prefix, limit, ContinuationToken=token)
        return names, bool(token)

    async def _page(self, prefix: str, most: int, **more: Any) -> tuple[list[str], str | None]:  # noqa: ANN401 - likewise
        answer = await self._ask("list_objects_v2", Prefix=prefix, MaxKeys=most, **more)
        self._require(answer, "list_objects_v2")
        names = [str(each["Key"]).removeprefix(prefix) for each in answer.body.get("Contents", ())]
        return names, answer.body.get("NextContinuationToken")

    def _require(self, answer: Answer, verb: str) -> None:
        if not answer.is_good:
            self._patience.refuse(answer.why(f"{verb} is not done in that bucket"))

    async def _asked_for(self, key: str) -> Answer:
        return await self._ask("get_object", self._kept.most_bytes, Key=key)

    async def _ask(self, verb: str, /, size: int = 0, **fields: Any) -> Answer:  # noqa: ANN401 - what the client takes
        async with self._room:
            return await self._patience.ask(lambda: self._asked_once(verb, fields), size=size)

    async def _asked_once(self, verb: str, fields: dict[str, object]) -> Answer:
        answer = await self._wire.send(verb, {"Bucket": self._bucket, **fields})
        if answer.is_unknown:
            await self._wire.aclose()
        return answer


async def _digest(body: bytes) -> str:
    digest = await asyncio.to_thread(_sha256, body) if len(body) > _LONG_BYTES else _sha256(body)
    return base64.b64encode(digest).decode()


def _sha256(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()
