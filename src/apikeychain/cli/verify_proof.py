"""`apikeychain ledger verify-proof`: what an auditor runs, on one file and public keys. It opens no keychain."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from apikeychain.cli import output
from apikeychain.cli.files import read_text, unreadable
from apikeychain.cli.invocation import Call
from apikeychain.cli.progress import progress
from apikeychain.errors import ProofBrokenError
from apikeychain.proof.entry import parse_proof
from apikeychain.proof.entry import verify_proof as verified
from apikeychain.proof.export import MAX_LINE_BYTES, is_export, read_lines, verify_export
from apikeychain.proof.note import VerifierKey, parse_keys
from apikeychain.proof.reading import ProofError


def verify_proof(file: Path, /, *, key: list[Path], call: Call) -> None:
    """Verify that an entry stands in a ledger that was signed; a file and public keys are all that it needs.

    An export with proofs is recognised, and every line of it is verified. Take the keys from whom you trust, not from
    whoever gave you the file. No data directory is needed.

    Args:
        file: the proof file, or an export with proofs.
        key: a file with public keys, one on each line; may be given more than once.
    """
    with _opened(file) as lines, _told(call):
        texts = [read_text(path) for path in key]
        if is_export(lines.readline(MAX_LINE_BYTES).decode("utf-8", "replace")):
            lines.seek(0)
            _verify_export(lines, file.stat().st_size, _keys(texts), call)
            return
    document = read_text(file)
    with _told(call):
        _verify_entry(document, _keys(texts), call)


def _verify_entry(document: str, keys: Sequence[VerifierKey], call: Call) -> None:
    proof = parse_proof(document)
    proven = verified(proof, keys)
    said = proven.statement
    call.done(
        f"entry {proven.seq} of {said.tenant} stands in the ledger of {said.origin}, which had {said.size} entries at "
        f"{said.at}; it is\n{proof.payload}",
        holds=True,
        tenant=said.tenant,
        entry=proven.seq,
        hash=proven.hash.hex(),
        payload=proof.payload,
        origin=said.origin,
        entries=said.size,
        at=said.at,
    )


def _verify_export(lines: BinaryIO, size: int, keys: Sequence[VerifierKey], call: Call) -> None:
    with progress("verifying", size) as told:
        exported = verify_export(read_lines(lines), keys, lambda _: told(lines.tell()))
    said = exported.statement
    which = f"all {said.size} entries" if exported.is_whole else f"{exported.entries} of the {said.size} entries"
    call.done(
        f"{which} that {said.tenant} had in the ledger of {said.origin} at {said.at} are in the file, and hold",
        holds=True,
        tenant=said.tenant,
        exported=exported.entries,
        whole=exported.is_whole,
        origin=said.origin,
        entries=said.size,
        at=said.at,
    )


def _keys(texts: Sequence[str]) -> list[VerifierKey]:
    return [found for text in texts for found in parse_keys(text)]


@contextmanager
def _opened(path: Path) -> Generator[BinaryIO, None, None]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise unreadable(path, error) from None
    with file:
        yield file


@contextmanager
def _told(call: Call) -> Generator[None, None, None]:
    """What proves nothing ends the command, and is told as JSON too."""
    try:
        yield
    except ProofError as error:
        if call.json:
            output.document({"holds": False, "reason": str(error)})
        raise ProofBrokenError(str(error)) from None
