"""The keys that sign checkpoints: made at the first one, rotated with an overlap, destroyed when they are over.

A pair is two seeds of 32 random bytes, one for Ed25519 and one for ML-DSA-65, each wrapped by the default key service
for this one use. Its key list names the public keys; it is signed by the pair, and from the second one on by the pair
before it. So whoever trusts one pair can follow to all later ones, and whoever may write to the database cannot put one
of his own in its place.

A pair that was rotated out signs on beside the new one for 7 days, in which everybody can learn the new keys. Then
its wrapped seeds are emptied. A copy of the database from before still holds them: they are gone for good once the
version of the platform key that wrapped them is retired.

Source: contracts 5, 6; C2SP signed-note; RFC 8032; FIPS 204.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import final

from apikeychain.errors import AlreadyExistsError, ConflictError, InvalidValueError, SealedValueError
from apikeychain.listing import every
from apikeychain.model.ledger import JSON, timestamp
from apikeychain.model.ledger_records import CheckpointKeys
from apikeychain.model.records import DEFAULT_KEY_SERVICE
from apikeychain.ports.key_service import KeyService
from apikeychain.ports.store import Store
from apikeychain.primitives import (
    KEY_BYTES,
    ed25519_public_key,
    ed25519_sign,
    mldsa65_public_key,
    mldsa65_sign,
    random_bytes,
)
from apikeychain.proof.key_list import KeyList, follow
from apikeychain.proof.note import ED25519, MLDSA65, VerifierKey, parse_keys
from apikeychain.proof.reading import ProofError
from apikeychain.rules import chain
from apikeychain.vault import contexts
from apikeychain.vault.cache import OpenedValues
from apikeychain.vault.key_services import KeyServices
from apikeychain.vault.wrapping import unwrap_key

OVERLAP = timedelta(days=7)
# Two lines of a note each: a note has at most 16, and a witness may add its own.
MAX_SIGNING = 4
_PAGE = 100
_ACTOR = "gate"
_log = logging.getLogger("apikeychain.ledger")


@final
@dataclass(frozen=True, slots=True)
class SigningPair:
    """A pair of keys, open."""

    origin: str
    ed25519_seed: bytes = field(repr=False)
    mldsa65_seed: bytes = field(repr=False)

    @property
    def public(self) -> tuple[VerifierKey, VerifierKey]:
        """Both public keys, Ed25519 first."""
        return (
            VerifierKey(self.origin, ED25519, ed25519_public_key(self.ed25519_seed)),
            VerifierKey(self.origin, MLDSA65, mldsa65_public_key(self.mldsa65_seed)),
        )

    def lines(self, text: str) -> list[str]:
        """The lines of a note with both signatures of its text."""
        classical, quantum_safe = self.public
        return [
            classical.line(ed25519_sign(self.ed25519_seed, text.encode())),
            quantum_safe.line(mldsa65_sign(self.mldsa65_seed, text.encode())),
        ]


@final
class CheckpointSigners:
    """The pairs of a ledger.

    Args:
        store: where they are kept, with the platform.
        key_services: the default one wraps them.
        origin: the name of the ledger and of its keys.
        now: the time.
        clock: seconds that only grow, for how long a pair stays open: 5 minutes at most.
    """

    def __init__(
        self,
        store: Store,
        key_services: KeyServices,
        *,
        origin: str,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._key_services, self._origin, self._now = store, key_services, origin, now
        self._opened: OpenedValues[SigningPair] = OpenedValues(clock)

    async def pairs(self) -> list[CheckpointKeys]:
        """All that there were, the oldest first.

        Raises:
            InvalidValueError: they are of another origin than the settings say.
        """
        async with self._store.reading(chain.PLATFORM) as rows:
            found = await every(rows, CheckpointKeys)
        if found and not found[0].public.startswith(f"{self._origin}+"):
            msg = f"ledger_origin: the checkpoints of this ledger are signed as {found[0].public.partition('+')[0]!r}"
            raise InvalidValueError(msg)
        return found

    async def ensure(self) -> bool:
        """Make the first pair where there is none, and tell whether that was done now.

        Raises:
            BackendUnavailableError: the store or the key service does not answer.
        """
        if await self.pairs():
            return False
        moment = self._now()
        record = await self._made("0001", self._fresh(), moment, ())
        try:
            await self._store_first(record, moment)
        except AlreadyExistsError:
            # Another worker was faster: its pair is the one.
            return False
        return True

    async def rotate(self, actor: str) -> CheckpointKeys:
        """A new pair, vouched for by the one before, which signs on beside it for 7 days.

        Raises:
            InvalidValueError: too many pairs sign at this moment.
            ConflictError: somebody else rotates at this moment.
            SealedValueError: the pair before does not open.
            BackendUnavailableError: the store or the key service does not answer.
        """
        await self.ensure()
        pairs = await self.pairs()
        # No list is of an earlier moment than the one before, whatever the clock of this machine says.
        moment = max(self._now(), pairs[-1].created)
        signing = [pair for pair in pairs if _signs(pair, moment)]
        if len(signing) >= MAX_SIGNING:
            msg = f"{len(signing)} pairs of keys sign checkpoints already, which is as many as can"
            raise InvalidValueError(msg)
        last = pairs[-1]
        record = await self._made(f"{len(pairs) + 1:04}", self._fresh(), moment, [await self._open(last)])
        try:
            await self._store_next(last, record, moment, actor)
        except AlreadyExistsError:
            msg = "the keys of checkpoints are rotated by somebody else at this moment"
            raise ConflictError(msg) from None
        return record

    async def expire(self) -> list[CheckpointKeys]:
        """Empty the seeds of pairs whose time is over, and return all pairs as they are then."""
        pairs, moment = await self.pairs(), self._now()
        for place, pair in enumerate(pairs):
            if pair.wrapped_ed25519 and not _signs(pair, moment):
                emptied = replace(pair, wrapped_ed25519=b"", wrapped_mldsa65=b"", generation=pair.generation + 1)
                async with self._store.tenant(chain.PLATFORM) as rows:
                    await rows.replace(emptied, pair.generation)
                _log.info("the keys %s of checkpoints sign no more and are destroyed", pair.id)
                pairs[place] = emptied
        return pairs

    async def signing(self, pairs: Iterable[CheckpointKeys]) -> list[SigningPair]:
        """Those that sign at this moment, open.

        Raises:
            SealedValueError: one does not open, or is not what its record says.
            BackendUnavailableError: the key service does not answer.
        """
        moment = self._now()
        return [await self._open(pair) for pair in pairs if _signs(pair, moment)]

    async def trusted(self) -> list[VerifierKey]:
        """The public keys of all pairs, once those that sign opened: so they are no others that somebody stored.

        Raises:
            InvalidValueError, SealedValueError, BackendUnavailableError: as `pairs`, `trusted_keys` and `signing`.
        """
        pairs = await self.pairs()
        await self.signing(pairs)
        return trusted_keys(pairs)

    def forget(self) -> None:
        """Drop every pair that is open."""
        self._opened.forget(None)

    async def _open(self, record: CheckpointKeys) -> SigningPair:
        async def opened() -> SigningPair:
            service, context = self._service, contexts.of_checkpoint_key(record.id)
            ed25519_seed = await unwrap_key(service, record.wrapped_ed25519, context)
            pair = SigningPair(self._origin, ed25519_seed, await unwrap_key(service, record.wrapped_mldsa65, context))
            if _public_text(pair) != record.public:
                raise SealedValueError
            return pair

        return await self._opened.fetch((chain.PLATFORM, None, record), opened)

    async def _made(
        self, number: str, pair: SigningPair, moment: datetime, before: Sequence[SigningPair]
    ) -> CheckpointKeys:
        context, listed = contexts.of_checkpoint_key(number), KeyList(self._origin, pair.public, timestamp(moment))
        return CheckpointKeys(
            id=number,
            created=moment,
            public=_public_text(pair),
            wrapped_ed25519=await self._service.wrap(pair.ed25519_seed, context),
            wrapped_mldsa65=await self._service.wrap(pair.mldsa65_seed, context),
            key_list=listed.note(line for signer in (pair, *before) for line in signer.lines(listed.text)),
        )

    async def _store_first(self, record: CheckpointKeys, moment: datetime) -> None:
        entry = chain.admin("checkpoint-key.made", at=moment, actor=_ACTOR, data=_told(record))
        async with self._store.tenant(chain.PLATFORM) as rows:
            await rows.insert(record)
            await rows.append([entry])

    async def _store_next(self, last: CheckpointKeys, record: CheckpointKeys, moment: datetime, actor: str) -> None:
        until = moment + OVERLAP
        told = _told(record) | {"before": last.id, "until": timestamp(until)}
        async with self._store.tenant(chain.PLATFORM) as rows:
            await rows.insert(record)
            await rows.replace(replace(last, until=until, generation=last.generation + 1), last.generation)
            await rows.append([chain.admin("checkpoint-key.rotated", at=moment, actor=actor, data=told)])

    def _fresh(self) -> SigningPair:
        return SigningPair(self._origin, random_bytes(KEY_BYTES), random_bytes(KEY_BYTES))

    @property
    def _service(self) -> KeyService:
        return self._key_services.named(DEFAULT_KEY_SERVICE)


def trusted_keys(pairs: Iterable[CheckpointKeys]) -> list[VerifierKey]:
    """The public keys of all pairs, whose lists follow from each other.

    Raises:
        SealedValueError: they do not: somebody put another pair in the place of one.
    """
    records = list(pairs)
    try:
        keys = follow([record.key_list for record in records], None)
        listed = [key for record in records for key in parse_keys(record.public)]
    except ProofError:
        raise SealedValueError from None
    if keys != listed:
        raise SealedValueError
    return keys


async def rewrap_pairs(store: Store, key_service: KeyService) -> None:
    """Wrap every pair that still has its seeds under the newest version of the platform key.

    Raises:
        SealedValueError: one does not unwrap.
        ConflictError: one was changed meanwhile.
        BackendUnavailableError: the store or the key service does not answer.
    """
    async with store.reading(chain.PLATFORM) as rows:
        pairs = await rows.list(CheckpointKeys, (), _PAGE * _PAGE)
    for pair in pairs:
        if not pair.wrapped_ed25519:
            continue
        context = contexts.of_checkpoint_key(pair.id)
        anew = replace(
            pair,
            wrapped_ed25519=await key_service.rewrap(pair.wrapped_ed25519, context),
            wrapped_mldsa65=await key_service.rewrap(pair.wrapped_mldsa65, context),
            generation=pair.generation + 1,
        )
        async with store.tenant(chain.PLATFORM) as platform:
            await platform.replace(anew, pair.generation)


def _signs(pair: CheckpointKeys, moment: datetime) -> bool:
    return bool(pair.wrapped_ed25519) and (pair.until is None or moment < pair.until)


def _public_text(pair: SigningPair) -> str:
    return "".join(f"{key}\n" for key in pair.public)


def _told(record: CheckpointKeys) -> dict[str, JSON]:
    return {"id": record.id, "keys": [f"{key.name}+{key.id.hex()}" for key in parse_keys(record.public)]}
