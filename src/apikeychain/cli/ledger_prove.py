"""`apikeychain ledger prove`, and `ledger export --proofs`: what an auditor is given."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators

from apikeychain.cli import output
from apikeychain.cli.invocation import Call
from apikeychain.cli.ledger_export import ExportFile
from apikeychain.cli.ledger_reading import size
from apikeychain.cli.progress import progress
from apikeychain.errors import InvalidValueError
from apikeychain.ledger.prove import Prover
from apikeychain.proof.checkpoint import Checkpoint, Statement
from apikeychain.proof.export import export_line, parse_header
from apikeychain.proof.reading import ProofError
from apikeychain.rules import chain
from apikeychain.rules.selection import Selection
from apikeychain.tenants.ledger_verbs import LedgerVerbs

_Number = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=chain.MAX_INTEGER))]


async def prove(tenant: str, seq: _Number, /, *, out: Path | None = None, call: Call) -> None:
    """Write the proof that an entry stands in the ledger, by the last checkpoint: verify-proof reads it.

    Args:
        tenant: its id; or platform.
        seq: the number of the entry.
        out: a file that is written; it must not be there. Without it the proof is printed.
    """
    async with call.ledger(tenant) as found:
        prover = await found.prover()
        prover.require_signed(seq)
        await _read(prover)
        proof = await prover.proof(seq)
    if out is None:
        output.document(json.loads(proof.text))
        return
    _write_new(out, proof.text)
    said = prover.statement
    sentence = (
        f"the proof of entry {seq} of {tenant}, by the checkpoint of {said.at} on {said.size} entries, is in {out}"
    )
    call.done(sentence, tenant=tenant, entry=seq, file=str(out), entries=said.size, at=said.at)


async def export_proofs(ledger: LedgerVerbs, file: Path, wanted: Selection, call: Call) -> None:
    """Write entries with their proofs to a file, or go on with it under the checkpoint with which it begins.

    Args:
        ledger: whose entries.
        file: that is written, or gone on with.
        wanted: which entries.
        call: to which this answers.

    Raises:
        InvalidValueError: the file holds anything else; it is left as it is.
        DoesNotExistError: there is no checkpoint yet.
        LedgerBrokenError: the chain is not what was signed.
    """
    with ExportFile(file) as lines:
        prover = await ledger.prover(_begun(lines.first, file, ledger.id))
        await _read(prover)
        lines.put(prover.header.encode() + b"\n")
        stood, said = lines.kept, prover.statement
        with progress("exporting", said.size) as told:
            async for entry, proof in prover.proofs():
                if wanted.holds(entry):
                    lines.put(export_line(proof).encode() + b"\n")
                told(entry.seq)
        lines.finish()
    kept, added = lines.kept - stood, lines.added - (1 - stood)
    newer = max(await size(ledger) - said.size, 0)
    sentence = (
        f"{kept + added} entries of {ledger.id} are in {file}, each with its proof by the checkpoint of {said.at} on "
        f"{said.size} entries: {kept} stood there, {added} were added"
    )
    if newer:
        sentence += f"\n{newer} newer ones are not on it: they take another file, and a later checkpoint"
    facts = {"tenant": ledger.id, "file": str(file), "entries": kept + added, "added": added}
    call.done(sentence, **facts, at=said.at, size=said.size, newer=newer)


async def _read(prover: Prover) -> None:
    with progress("reading", prover.statement.size) as told:
        await prover.read(lambda done, _: told(done))


def _begun(first: str | None, file: Path, tenant: str) -> Checkpoint | None:
    """The checkpoint with which an export begins; None where it has still to begin."""
    if first is None:
        return None
    what = "no export with proofs"
    with suppress(ProofError):
        checkpoint = parse_header(first)
        owner = Statement.parse(checkpoint.statement).tenant
        if owner == tenant:
            return checkpoint
        what = f"an export of the ledger of {owner!r}"
    msg = f"{str(file)!r} holds {what}: name another file; nothing was changed"
    raise InvalidValueError(msg)


def _write_new(path: Path, text: str) -> None:
    try:
        with os.fdopen(
            os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w", encoding="utf-8"
        ) as file:
            file.write(text)
    except OSError as error:
        msg = f"{str(path)!r} cannot be written: {error.strerror}"
        raise InvalidValueError(msg) from None
