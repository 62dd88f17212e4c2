"""`apikeychain ledger checkpoint`, `keys` and `rotate-keys`: what is signed, and by which keys."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from apikeychain.cli import output
from apikeychain.cli.invocation import Call
from apikeychain.model.checkpoint_round import CheckpointRound, Publication

_Lists = Annotated[bool, Parameter(negative="", show_default=False)]


async def checkpoint(*, call: Call) -> int:
    """Sign what every chain has become since its last checkpoint, and take the witnesses what they lack.

    A server does so by itself, every minute and after 1,000 entries.
    """
    async with call.keychain() as keychain:
        came = await keychain.checkpoint()
    if call.json:
        publications = [asdict(one) for one in came.publications]
        output.document({"signed": {**came.signed}, "broken": {**came.broken}, "witnesses": publications})
    else:
        for line in told(came):
            output.say(line)
    return 1 if came.broken or any(one.refused or one.fault for one in came.publications) else 0


async def keys(*, lists: _Lists = False, call: Call) -> None:
    """Show the public keys that sign checkpoints or did so, a line each, as verify-proof --key takes them.

    Args:
        lists: the signed lists instead, by which each pair of keys vouches for the next.
    """
    async with call.keychain() as keychain:
        found = await (keychain.checkpoint_key_lists() if lists else keychain.checkpoint_keys())
    if call.json:
        output.document({"lists" if lists else "keys": found})
    elif found:
        output.say("\n".join(found))
    else:
        output.complain("there are no keys yet: the first checkpoint makes them")


async def rotate_keys(*, call: Call) -> None:
    """Make a new pair of keys that signs checkpoints; the one before signs on beside it for 7 days, then it is gone."""
    async with call.keychain() as keychain:
        lines = await keychain.rotate_checkpoint_keys(actor=call.actor)
    call.done("\n".join(["these keys sign from now on; give them to whoever verifies:", *lines]), keys=lines)


def told(came: CheckpointRound) -> Iterator[str]:
    """What came of a round, a sentence a line."""
    yield f"{len(came.signed)} chains have a new checkpoint"
    for tenant, why in came.broken.items():
        yield f"{tenant} has none: {why}"
    for publication in came.publications:
        yield from _told_of(publication)


def _told_of(publication: Publication) -> Iterator[str]:
    yield f"{publication.witness} has {len(publication.kept)} of them now"
    for tenant, why in publication.refused.items():
        yield f"{publication.witness} refused {tenant or 'the key lists'}: {why}"
    if publication.fault:
        yield f"{publication.witness}: {publication.fault}"
