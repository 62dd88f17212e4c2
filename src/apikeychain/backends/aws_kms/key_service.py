"""A platform key in AWS KMS, which never leaves it: one KMS key for each version, so that a version can be destroyed.

The context (tenant, project, purpose and version of what is wrapped; what is absent is left out) is the encryption
context of KMS, without which it opens nothing. It is no secret: AWS writes it to CloudTrail with each use.

Source: contracts 5; AWS KMS API Reference; AWS KMS Developer Guide, "Encryption context", "Key states".
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, Self, cast

from apikeychain.backends.aws_kms.epochs import NAME, Epochs, alias_of, parse_wrapped, wrapped_text
from apikeychain.backends.aws_kms.line import Line
from apikeychain.backends.aws_kms.place import parse_place
from apikeychain.backends.aws_kms.ring import Ring
from apikeychain.backends.aws_kms.wire import FORBIDDEN, AccessKey, Answer, Wire, tls_context
from apikeychain.backends.opened_lines import OpenedLines
from apikeychain.egress import Egress
from apikeychain.errors import BackendUnavailableError, InvalidValueError, SealedValueError, SettingsError
from apikeychain.model.keys import KeyContext

_WAITING_DAYS = range(7, 31)
# How many others may rotate at the same time.
_RACES = 8
_PENDING = "PendingDeletion"
_SEALED = FORBIDDEN | {"IncorrectKeyException", "InvalidCiphertextException", "NotFoundException"}
# What a key has to be for the promises of a KeyService, and what breaks otherwise.
_MUST_BE: tuple[tuple[str, object, str], ...] = (
    ("KeySpec", "SYMMETRIC_DEFAULT", "it knows no encryption context"),
    ("KeyUsage", "ENCRYPT_DECRYPT", "it wraps nothing"),
    ("Origin", "AWS_KMS", "whoever holds its material can still open what a destroyed version wrapped"),
    ("MultiRegion", False, "a copy of it in another region outlives its end"),
    ("KeyState", "Enabled", "it wraps nothing: enable it, or rotate"),
)

_log = logging.getLogger("apikeychain.aws_kms")


class Opened:
    """What is open in one event loop.

    Attributes:
        line: to KMS.
        ring: its epochs.
        entered: how often it was opened.
    """

    def __init__(self, wire: Wire, name: str) -> None:
        self.line = Line(wire)
        self.ring = Ring(self.line, name)
        self.entered = 0

    async def aclose(self) -> None:
        """Close the connections."""
        await self.line.aclose()


class AWSKeyService:
    """Holds the platform key in AWS KMS. See KeyService.

    An async context manager: entering it looks at the newest key, once in each event loop or often. Connections belong
    to the loop and end when it is left.

    Args:
        region: of AWS, like ``eu-central-1``.
        name: of the platform key: its epochs are the aliases ``alias/<name>-1``, ``alias/<name>-2`` and so on.
        create: whether to make the first epoch if there is none. Only for a new installation.
        waiting_days: how long AWS keeps a retired key, closed, until it destroys it: 7 to 30.
        access_key: who asks; None for what the AWS client finds: environment, profile, role of the machine.
        profile: of the files of the AWS command, or None.
        endpoint_url: ``https://name[:port]`` of an endpoint of your own; ``http://`` for a loopback host.
        ca_file: the authorities that its certificate may come from; None for those of the system.

    Raises:
        SettingsError: with every problem of what is given.
    """

    def __init__(
        self,
        region: str,
        *,
        name: str = "apikeychain",
        create: bool = False,
        waiting_days: int = 30,
        access_key: AccessKey | None = None,
        profile: str | None = None,
        endpoint_url: str | None = None,
        ca_file: Path | str | None = None,
    ) -> None:
        trust = Path(ca_file) if ca_file else None
        self._place, problems = parse_place(region, endpoint_url=endpoint_url, ca_file=trust)
        if not NAME.fullmatch(name):
            problems.append("name: write the name of an alias, of letters, digits, `/`, `_` and `-`")
        if waiting_days not in _WAITING_DAYS:
            problems.append("waiting_days: write 7 to 30")
        if access_key is not None and profile is not None:
            problems.append("access_key and profile: give one of them")
        if problems:
            raise SettingsError(problems)
        self._name, self._create, self._days = name, create, waiting_days
        self._access_key, self._profile = access_key, profile
        self._guard = Egress()
        self._lines: OpenedLines[Opened] = OpenedLines()

    async def __aenter__(self) -> Self:
        """Look at the newest key.

        Raises:
            SettingsError: there is none, it is not what it has to be, or the authorities cannot be read.
            BackendUnavailableError: KMS does not answer, or does not know us.
        """
        await self._lines.enter(self._new_line, self._greet)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close what belongs to this event loop."""
        await self._lines.leave()

    async def wrap(self, key: bytes, context: KeyContext) -> bytes:
        """See KeyService.wrap."""
        epochs = await self._ring.current()
        newest = epochs.newest
        answer = await self._line.ask(
            "encrypt", KeyId=epochs.keys.get(newest, ""), Plaintext=key, EncryptionContext=_bound(context)
        )
        return self._wrapped(answer, newest)

    async def unwrap(self, wrapped: bytes, context: KeyContext) -> bytes:
        """See KeyService.unwrap."""
        epoch, blob = parse_wrapped(wrapped)
        answer = await self._line.ask(
            "decrypt",
            KeyId=await self._ring.key_of(epoch),
            CiphertextBlob=blob,
            EncryptionContext=_bound(context),
        )
        _require_opens(answer)
        key = answer.body.get("Plaintext")
        if not isinstance(key, bytes):
            self._refuse(answer, epoch)
        return key

    async def rewrap(self, wrapped: bytes, context: KeyContext) -> bytes:
        """See KeyService.rewrap. The key does not leave KMS."""
        epoch, blob = parse_wrapped(wrapped)
        source = await self._ring.key_of(epoch)
        epochs = await self._ring.current()
        newest = epochs.newest
        answer = await self._line.ask(
            "re_encrypt",
            CiphertextBlob=blob,
            SourceKeyId=source,
            SourceEncryptionContext=_bound(context),
            DestinationKeyId=epochs.keys.get(newest, ""),
            DestinationEncryptionContext=_bound(context),
        )
        _require_opens(answer)
        return self._wrapped(answer, newest)

    async def rotate(self) -> int:
        """See KeyService.rotate. Where others rotate at the same time, each gets a version of its own.

        Raises:
            BackendUnavailableError: KMS does not answer, or does not allow it. A key that has no alias then wraps
                nothing, and is yours to remove: the log names it.
        """
        epochs = await self._ring.current(0)
        answer = await self._line.ask(
            "create_key",
            repeats=False,
            Description=f"platform key {self._name} of apikeychain",
            KeySpec="SYMMETRIC_DEFAULT",
            KeyUsage="ENCRYPT_DECRYPT",
            MultiRegion=False,
            Tags=[{"TagKey": "apikeychain", "TagValue": self._name}],
        )
        key = _metadata(answer).get("KeyId")
        if not isinstance(key, str):
            self._refuse(answer, epochs.newest + 1)
        try:
            return await self._named(key, epochs)
        except BackendUnavailableError:
            _log.warning("the KMS key %s was made for a new epoch, and may have no alias", key)
            raise

    async def retire(self, version: int) -> datetime:
        """See KeyService.retire. AWS closes its key at once, and destroys it after the waiting days.

        Until then who may do so in AWS can cancel that. Asked again, it says the same day.

        Raises:
            InvalidValueError: it is the newest, there never was one of that number, or its key is that of another
                version too.
        """
        epochs = await self._ring.current(0)
        if not 0 < version < epochs.newest:
            msg = f"version {version} of the platform key cannot be retired: 1 to {epochs.newest - 1} can"
            raise InvalidValueError(msg)
        key = epochs.keys.get(version)
        if key is None:
            # An alias goes with its key.
            return datetime.now(UTC)
        if list(epochs.keys.values()).count(key) > 1:
            msg = f"version {version} of the platform key cannot be retired: its key is that of another version too"
            raise InvalidValueError(msg)
        return await self._ended(key, version)

    async def _ended(self, key: str, version: int) -> datetime:
        answer = await self._line.ask("describe_key", KeyId=key)
        told = _metadata(answer)
        if answer.is_good and told.get("KeyState") != _PENDING:
            answer = await self._line.ask("schedule_key_deletion", KeyId=key, PendingWindowInDays=self._days)
            told = answer.body
        ends = told.get("DeletionDate")
        if not answer.is_good or not isinstance(ends, datetime):
            self._refuse(answer, version)
        return ends.astimezone(UTC)

    async def _named(self, key: str, epochs: Epochs) -> int:
        for epoch in range(epochs.newest + 1, epochs.newest + 1 + _RACES):
            # Asked once: a lost answer, asked for again, would say that somebody else has it, and it had two names.
            answer = await self._line.ask(
                "create_alias", repeats=False, AliasName=alias_of(self._name, epoch), TargetKeyId=key
            )
            if answer.is_good:
                self._ring.add(epoch, key)
                return epoch
            if answer.code != "AlreadyExistsException":
                self._refuse(answer, epoch)
        return self._line.refuse("too many rotate at the same time")

    async def _new_line(self) -> Opened:
        context = await asyncio.to_thread(tls_context, self._place)
        wire = Wire(self._place, self._guard, context, access_key=self._access_key, profile=self._profile)
        return Opened(wire, self._name)

    async def _greet(self) -> None:
        epochs = await self._ring.current()
        if not epochs.keys and self._create:
            await self.rotate()
            return
        if not epochs.keys:
            raise SettingsError(["there is no KMS key with the alias of epoch 1: create=True makes it, once"])
        answer = await self._line.ask("describe_key", KeyId=epochs.keys[epochs.newest])
        if not answer.is_good:
            self._refuse(answer, epochs.newest)
        told = _metadata(answer)
        wrong = [(name, why) for name, must, why in _MUST_BE if told.get(name) != must]
        if wrong:
            raise SettingsError(
                [f"the KMS key of epoch {epochs.newest}: {name} is wrong, {why}" for name, why in wrong]
            )

    def _wrapped(self, answer: Answer, epoch: int) -> bytes:
        blob = answer.body.get("CiphertextBlob")
        if not isinstance(blob, bytes):
            self._ring.forget()
            self._refuse(answer, epoch)
        return wrapped_text(epoch, blob)

    def _refuse(self, answer: Answer, epoch: int) -> NoReturn:
        self._line.refuse(answer.why(f"the key of epoch {epoch} is not as it was"))

    @property
    def _line(self) -> Line:
        return self._lines.here.line

    @property
    def _ring(self) -> Ring:
        return self._lines.here.ring


def _require_opens(answer: Answer) -> None:
    """Raise SealedValueError for what KMS says of a text that this key did not make, or whose key is at its end."""
    if answer.code in _SEALED or (answer.code == "KMSInvalidStateException" and "pending deletion" in answer.message):
        raise SealedValueError


def _metadata(answer: Answer) -> Mapping[str, Any]:
    told = answer.body.get("KeyMetadata")
    return cast("Mapping[str, Any]", told) if isinstance(told, dict) else {}


def _bound(context: KeyContext) -> dict[str, str]:
    fields = {name: getattr(context, name) for name in ("tenant", "project", "purpose", "version")}
    return {name: value for name, value in fields.items() if value}
