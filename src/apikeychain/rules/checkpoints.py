"""Checkpoints: what is said of each chain that moved, and what is signed for all of them at once.

Whoever keeps a checkpoint where this installation cannot write sees a chain that was cut or written anew. Here they are
made; `apikeychain.proof` verifies them.

Source: contracts 6; RFC 6962, section 2.1; C2SP tlog-checkpoint.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from apikeychain.errors import InvalidValueError, LedgerBrokenError
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head, timestamp
from apikeychain.model.ledger_records import SignedChain
from apikeychain.proof.checkpoint import Checkpoint, Statement, verify_checkpoint
from apikeychain.proof.note import ORIGIN, Moment, VerifierKey
from apikeychain.proof.reading import ProofError
from apikeychain.rules.merkle import Frontier, inclusion_paths

SALT_BYTES = 32


def has_moved(head: Head, latest: Statement | None) -> bool:
    """Whether there is something new to say of a chain.

    Args:
        head: where it ends now.
        latest: what was last said of it, None for nothing yet.

    Raises:
        LedgerBrokenError: it is shorter than was said, or ends otherwise at the same size.
    """
    if latest is None:
        return head.size > 0
    if head.size < latest.size:
        reason = f"it is missing, and a checkpoint of {latest.at} signed {latest.size} entries"
        raise LedgerBrokenError(head.tenant, head.size + 1, reason)
    if head.size == latest.size:
        _require_last(head, latest)
    return head.size > latest.size


def require_no_shorter(head: Head, signed: Head) -> None:
    """Require that a chain still has all entries that were signed.

    Args:
        head: where it ends now.
        signed: where it ended when its last checkpoint was signed.

    Raises:
        LedgerBrokenError: it is shorter.
    """
    if head.size < signed.size:
        reason = f"it is missing, and a checkpoint signed {signed.size} entries"
        raise LedgerBrokenError(head.tenant, head.size + 1, reason)


def checkpoint_of(record: SignedChain) -> Checkpoint:
    """The checkpoint in a record."""
    return Checkpoint(record.statement, record.index, record.path, record.note)


def signed_frontier(statement: Statement, peaks: tuple[bytes, ...]) -> Frontier:
    """The right edge of the tree that a statement signs.

    Args:
        statement: one that was verified.
        peaks: as they are stored beside it, by whomever.

    Raises:
        InvalidValueError: they are not those of its tree.
    """
    frontier = Frontier(statement.size, peaks)
    if frontier.root != statement.root:
        msg = "the peaks that are stored beside it are not those of its tree"
        raise InvalidValueError(msg)
    return frontier


def resume(tenant: TenantId, record: SignedChain, keys: Iterable[VerifierKey]) -> tuple[Statement, Frontier]:
    """What was last said of a chain, and the tree from which it goes on.

    Args:
        tenant: whose chain it is.
        record: as it is stored with the chain.
        keys: public keys that may have signed it.

    Raises:
        LedgerBrokenError: the record is not what was signed, or its peaks are of another tree.
    """
    try:
        statement = verify_checkpoint(checkpoint_of(record), keys)
        frontier = signed_frontier(statement, record.peaks)
    except (ProofError, InvalidValueError) as fault:
        raise LedgerBrokenError(tenant, 1, f"its stored checkpoint does not hold: {fault}") from None
    if statement.tenant != tenant:
        reason = "its stored checkpoint is that of another chain"
        raise LedgerBrokenError(tenant, statement.size, reason)
    return statement, frontier


def require_signed(head: Head, frontier: Frontier, statement: Statement) -> None:
    """Require that a chain, as far as it was read, is what a checkpoint signed.

    Args:
        head: where what was read ends, at the size of `statement`.
        frontier: over all entries that were read.
        statement: one that was verified.

    Raises:
        LedgerBrokenError: it is another chain; which entry was changed, the tree alone does not tell.
    """
    _require_last(head, statement)
    if (frontier.size, frontier.root) != (statement.size, statement.root):
        reason = f"a checkpoint of {statement.at} signed other entries before it"
        raise LedgerBrokenError(head.tenant, head.size, reason)


def _require_last(head: Head, statement: Statement) -> None:
    if (head.tenant, head.size, head.hash) != (statement.tenant, statement.size, statement.head):
        reason = f"a checkpoint of {statement.at} signed another entry in its place"
        raise LedgerBrokenError(head.tenant, head.size, reason)


def state(origin: str, head: Head, frontier: Frontier, at: datetime, salt: bytes) -> Statement:
    """The statement on the chain that ends at `head`.

    Args:
        origin: who says it: the name of the keys that will sign, 1 to 200 printable ASCII characters, no space, no
            ``+``.
        head: of a chain with entries.
        frontier: of the tree over all of them.
        at: with a time zone; the same for all statements of a moment.
        salt: 32 random bytes, drawn for this statement alone.

    Raises:
        InvalidValueError: `origin` is none, the chain has no entries, `frontier` is of another size, `at` has no time
            zone, or `salt` another length.
    """
    if not re.fullmatch(ORIGIN, origin):
        msg = f"not the origin of a ledger: {origin!r}"
        raise InvalidValueError(msg)
    if not head.size or frontier.size != head.size or at.tzinfo is None:
        msg = f"no statement on {head.size} entries with a tree over {frontier.size} and the moment {at.isoformat()}"
        raise InvalidValueError(msg)
    if len(salt) != SALT_BYTES:
        msg = f"the salt of a statement has {SALT_BYTES} bytes, not {len(salt)}"
        raise InvalidValueError(msg)
    return Statement(origin, head.tenant, head.size, head.hash, frontier.root, timestamp(at), salt)


def moment(statements: Iterable[Statement]) -> Moment:
    """What is signed for all these statements.

    Raises:
        InvalidValueError: there are none, two are of one tenant, or they are not of one origin and moment.
    """
    ordered = _ordered(statements)
    root = Frontier().added(statement.text.encode() for statement in ordered).root
    return Moment(ordered[0].origin, len(ordered), root, ordered[0].at)


def checkpoints(statements: Iterable[Statement], note: str) -> list[Checkpoint]:
    """The checkpoint of each chain, in the order of their tenants.

    Args:
        statements: as they were given to `moment`.
        note: what was signed, with its signatures.

    Raises:
        InvalidValueError: as `moment` does.
    """
    texts = [statement.text for statement in _ordered(statements)]
    paths = inclusion_paths([text.encode() for text in texts])
    return [
        Checkpoint(text, index, tuple(path), note) for index, (text, path) in enumerate(zip(texts, paths, strict=True))
    ]


def _ordered(statements: Iterable[Statement]) -> Sequence[Statement]:
    ordered = sorted(statements, key=lambda statement: statement.tenant)
    tenants = {statement.tenant for statement in ordered}
    moments = {(statement.origin, statement.at) for statement in ordered}
    if len(tenants) != len(ordered) or len(moments) != 1:
        msg = "the statements that are signed together are of one origin and moment, one for each tenant"
        raise InvalidValueError(msg)
    return ordered
