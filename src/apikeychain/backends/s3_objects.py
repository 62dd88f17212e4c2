"""Objects in a bucket that are made once and never written again.

Source: Amazon S3 API Reference, "PutObject" (conditional writes, object lock), "ListObjectsV2" (order of keys).
"""

import base64
import hashlib
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, final

from apikeychain.backends.aws_kms.wire import NO_ANSWER, Answer, Wire
from apikeychain.backends.patience import Patience
from apikeychain.errors import BackendSettingsError

# Somebody else's object is there already, or is being made at this moment.
_TAKEN = frozenset({"ConditionalRequestConflict", "PreconditionFailed"})
_NO_LOCK = frozenset({"InvalidRequest", "NotImplemented"})
_PAGE = 100
_log = logging.getLogger("apikeychain.witness")


@final
class Objects:
    """What asks for those of one bucket, in one event loop.

    Args:
        wire: to its server.
        bucket: its name.
        retain_days: for how long nobody may remove what is made, or None.
        now: the wall clock, UTC.

    Attributes:
        entered: how often it was opened.
        is_proven: whether the server keeps what it has, as it showed.
    """

    def __init__(self, wire: Wire, bucket: str, retain_days: int | None, now: Callable[[], datetime]) -> None:
        self._wire, self._bucket, self._days, self._now = wire, bucket, retain_days, now
        self._patience = Patience("S3", _log, Answer(NO_ANSWER), "witness")
        self.entered = 0
        self.is_proven = False

    async def aclose(self) -> None:
        """Close the connections."""
        await self._wire.aclose()

    async def make(self, key: str, body: bytes) -> bool:
        """Make an object; False where there is one of that key.

        Raises:
            BackendUnavailableError: it cannot be made now.
            BackendSettingsError: what is made cannot be retained there.
        """
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        fields: dict[str, object] = {"Key": key, "Body": body, "IfNoneMatch": "*", "ChecksumSHA256": digest}
        answer = await self._ask("put_object", ContentType="application/json", **fields, **self._lock())
        if answer.code in _TAKEN:
            return False
        if answer.code in _NO_LOCK and self._days:
            msg = "the bucket retains nothing: make one with object lock, or leave retain_days out"
            raise BackendSettingsError(msg)
        self._require(answer, "put_object")
        return True

    async def read(self, key: str) -> bytes:
        """What an object holds, of which a list has told.

        Raises:
            BackendUnavailableError: it cannot be read now.
        """
        answer = await self._ask("get_object", Key=key)
        self._require(answer, "get_object")
        return bytes(answer.body["Body"])

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

    async def _page(self, prefix: str, size: int, **more: str) -> tuple[list[str], str | None]:
        answer = await self._ask("list_objects_v2", Prefix=prefix, MaxKeys=size, **more)
        self._require(answer, "list_objects_v2")
        names = [str(each["Key"]).removeprefix(prefix) for each in answer.body.get("Contents", ())]
        return names, answer.body.get("NextContinuationToken")

    def _lock(self) -> dict[str, object]:
        if not self._days:
            return {}
        until = self._now() + timedelta(days=self._days)
        # The client asks for the name of the digest beside it, once something is to be locked.
        return {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until, "ChecksumAlgorithm": "SHA256"}

    def _require(self, answer: Answer, verb: str) -> None:
        if not answer.is_good:
            self._patience.refuse(answer.why(f"{verb} is not done in that bucket"))

    async def _ask(self, verb: str, **fields: Any) -> Answer:  # noqa: ANN401 - what the client takes
        return await self._patience.ask(lambda: self._asked_once(verb, fields))

    async def _asked_once(self, verb: str, fields: dict[str, object]) -> Answer:
        answer = await self._wire.send(verb, {"Bucket": self._bucket, **fields})
        if answer.is_unknown:
            await self._wire.aclose()
        return answer
