"""A witness in a bucket of S3: an object for each checkpoint of each chain, made once and never written again.

::

    <prefix>/<tenant>/<place, 16 digits>.json     {"checkpoint":{...},"note":"...","v":1}
    <prefix>/_key_lists/<number, 6 digits>.json   {"key_list":"...","v":1}
    <prefix>/_made_once.json                      shows that nothing is written again

The place of a checkpoint is 2^53 - 1 less its number in its chain, from 1: so the newest one is the first key of its
tenant, and of two who publish at once one alone gets the number (``If-None-Match: *``). The other one reads what has
come, and decides again.

Source: contracts 6; Amazon S3 API Reference and User Guide, "Conditional writes", "Object Lock".
"""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NoReturn, Self

from apikeychain.backends.aws_kms.session import MAX_ANSWER_BYTES
from apikeychain.backends.aws_kms.wire import AccessKey
from apikeychain.backends.opened_lines import OpenedLines
from apikeychain.backends.s3_objects import Kept, Objects
from apikeychain.backends.s3_place import S3Place
from apikeychain.backends.witnessed import added_key_lists, by_chain, damaged, require_no_failure, require_none
from apikeychain.egress import Egress
from apikeychain.errors import BackendSettingsError, BackendUnavailableError, DamagedDataError
from apikeychain.model.ids import TenantId
from apikeychain.ports.witness import Extension
from apikeychain.proof.checkpoint import Checkpoint, Statement
from apikeychain.proof.extension import is_news, read_witnessed
from apikeychain.proof.reading import ProofError, canonical_json, read_object, require, require_members

_KEPT = Kept("witness", "application/json", MAX_ANSWER_BYTES)
_NEWEST = re.compile(r"([0-9]{16})[.]json")
_TOP = (1 << 53) - 1
_DAYS = range(1, 36_501)
# Names that no tenant has.
_KEY_LISTS, _MADE_ONCE = "_key_lists", "_made_once.json"
_AT_ONCE = 16
# How often another one may get the number first.
_RACES = 32
_OBJECT = "the object"
_now: Callable[[], datetime] = partial(datetime.now, UTC)


class S3Witness:
    """Keeps checkpoints in S3, or what speaks like it and keeps conditions on writes. See Witness.

    An async context manager, in each event loop or often. Entering it asks nobody: a server that is down is told by
    each verb. Before it keeps anything it shows itself once that the server writes nothing again.

    Args:
        bucket: its name.
        prefix: how the keys begin, for one installation alone.
        region: of the bucket, like ``eu-central-1``; ``auto`` where the server knows none.
        retain_days: for how long nobody at all may remove a checkpoint, where the bucket has object lock; None leaves
            that to the bucket's own settings.
        access_key: who asks; None for what the AWS client finds: environment, profile, role of the machine.
        profile: of the files of the AWS command, or None.
        endpoint_url: ``https://name[:port]`` of a server of your own; ``http://`` for a loopback host.
        ca_file: the authorities that its certificate may come from; None for those of the system.
        now: the wall clock, UTC.

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
        retain_days: int | None = None,
        access_key: AccessKey | None = None,
        profile: str | None = None,
        endpoint_url: str | None = None,
        ca_file: Path | str | None = None,
        now: Callable[[], datetime] = _now,
    ) -> None:
        wrong = [] if retain_days is None or retain_days in _DAYS else [f"retain_days: write 1 to {_DAYS[-1]}"]
        self._place = S3Place.parse(
            bucket,
            prefix,
            region=region,
            access_key=access_key,
            profile=profile,
            endpoint_url=endpoint_url,
            ca_file=ca_file,
            more=wrong,
        )
        self._prefix, self._days, self._now = self._place.prefix, retain_days, now
        self._guard = Egress()
        self._lines: OpenedLines[Objects] = OpenedLines("witness")

    async def __aenter__(self) -> Self:
        """Open it in this event loop.

        Raises:
            SettingsError: the authorities cannot be read.
        """
        await self._lines.enter(self._new_line)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close what belongs to this event loop."""
        await self._lines.leave()

    async def latest(self, tenant: TenantId) -> Checkpoint | None:
        """See Witness.latest."""
        _, last = await self._last(tenant)
        return last

    async def publish(self, extensions: Sequence[Extension]) -> None:
        """See Witness.publish. Checkpoints of other chains are kept while one is not to be had.

        Raises:
            BackendSettingsError: the server would write again what is there, or retain nothing.
        """
        given = by_chain(extensions)
        refused = dict(given.refused)
        await self._require_made_once()
        room = asyncio.Semaphore(_AT_ONCE)

        async def keep(tenant: TenantId, extension: Extension) -> None:
            async with room:
                try:
                    await self._keep(tenant, extension)
                except (ProofError, DamagedDataError) as error:
                    refused[tenant] = str(error)

        ended = await asyncio.gather(*(keep(*each) for each in given.chains.items()), return_exceptions=True)
        failed = {tenant: failure for tenant, failure in zip(given.chains, ended, strict=True) if failure}
        require_no_failure(failed, refused)
        require_none(refused)

    async def vouch(self, key_lists: Sequence[str]) -> None:
        """See Witness.vouch.

        Raises:
            BackendSettingsError: as `publish`.
        """
        await self._require_made_once()
        for _ in range(_RACES):
            kept = await self.key_lists()
            added = added_key_lists(kept, key_lists)
            if not added:
                return
            body = canonical_json({"key_list": added[0], "v": 1})
            await self._make(f"{self._prefix}/{_KEY_LISTS}/{len(kept) + 1:06}.json", body)
        self._outrun()

    async def key_lists(self) -> Sequence[str]:
        """See Witness.key_lists."""
        begin = f"{self._prefix}/{_KEY_LISTS}/"
        names = await self._objects.names(begin)
        if names != [f"{number:06}.json" for number in range(1, len(names) + 1)]:
            self._refuse(begin, "one of the key lists is missing, or something else stands among them")
        return [await self._read_key_list(begin + name) for name in names]

    async def _keep(self, tenant: TenantId, extension: Extension) -> None:
        checkpoint = extension.checkpoint
        body = canonical_json({"checkpoint": checkpoint.members, "note": checkpoint.note, "v": 1})
        for _ in range(_RACES):
            number, last = await self._last(tenant)
            if not is_news(last, checkpoint, since=extension.since, path=extension.path):
                return
            if await self._make(f"{self._prefix}/{tenant}/{_TOP - number - 1:016}.json", body):
                return
        self._outrun()

    async def _last(self, tenant: TenantId) -> tuple[int, Checkpoint | None]:
        """The number of the last checkpoint of a chain, and what it is; 0 and None where there is none."""
        begin = f"{self._prefix}/{tenant}/"
        name = await self._objects.first(begin)
        if name is None:
            return 0, None
        if not (found := _NEWEST.fullmatch(name)):
            self._refuse(begin, "something else stands before the checkpoints", tenant)
        raw = await self._objects.read(begin + name)
        try:
            return _TOP - int(found[1]), _read(raw, tenant)
        except ProofError as error:
            self._refuse(begin + name, str(error), tenant)

    async def _read_key_list(self, key: str) -> str:
        raw = await self._objects.read(key)
        try:
            found = read_object(raw.decode("utf-8", "replace"), _OBJECT, canonical=True)
            require_members(found, {"key_list": str, "v": int}, _OBJECT)
        except ProofError as error:
            self._refuse(key, str(error))
        return str(found["key_list"])

    async def _require_made_once(self) -> None:
        objects = self._objects
        if objects.is_proven:
            return
        key = f"{self._prefix}/{_MADE_ONCE}"
        if await self._make(key, b"{}") and await self._make(key, b"{}"):
            msg = "the server of the bucket knows no conditions on writes: what it has can be replaced"
            raise BackendSettingsError(msg)
        objects.is_proven = True

    async def _make(self, key: str, body: bytes) -> bool:
        return await self._objects.make(key, body, self._lock())

    def _lock(self) -> Mapping[str, object] | None:
        if not self._days:
            return None
        until = self._now() + timedelta(days=self._days)
        # The client asks for the name of the digest beside it, once something is to be locked.
        return {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until, "ChecksumAlgorithm": "SHA256"}

    async def _new_line(self) -> Objects:
        return await self._place.line(self._guard, _KEPT)

    def _refuse(self, key: str, why: str, tenant: str = "") -> NoReturn:
        what = f"what is kept as {key}"
        raise damaged(what, why, tenant) from None

    def _outrun(self) -> NoReturn:
        msg = "others publish to this witness without a pause"
        raise BackendUnavailableError(msg)

    @property
    def _objects(self) -> Objects:
        return self._lines.here


def _read(raw: bytes, tenant: str) -> Checkpoint:
    found = read_object(raw.decode("utf-8", "replace"), _OBJECT, canonical=True)
    require_members(found, {"checkpoint": dict, "note": str, "v": int}, _OBJECT)
    checkpoint = read_witnessed(found["checkpoint"], found["note"])
    require(Statement.parse(checkpoint.statement).tenant == tenant, "it is of another tenant")
    return checkpoint
