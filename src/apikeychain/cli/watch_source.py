"""Where a replay reads calls: the ledger of a keychain, or a file that `ledger export` wrote."""

import base64
import binascii
import json
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from apikeychain.cli.files import unreadable
from apikeychain.cli.ledger_reading import pages
from apikeychain.errors import InvalidValueError
from apikeychain.proof.export import read_lines
from apikeychain.proof.reading import ProofError
from apikeychain.rules.recorded import RecordedCall, read_call
from apikeychain.rules.selection import Selection
from apikeychain.tenants.ledger_verbs import LedgerVerbs

CALL_KINDS = ("call", "refusals")
# An entry says when its call began, and stands where it ended: a stream may last so long.
_LONGEST = timedelta(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Of what time calls are read.

    Attributes:
        since: not before this moment; `until`: before that; None where that is open.
    """

    since: datetime | None = None
    until: datetime | None = None

    def holds(self, call: RecordedCall) -> bool:
        """Whether the call is of that time."""
        return (self.since is None or call.at >= self.since) and (self.until is None or call.at < self.until)


async def first_of(ledger: LedgerVerbs, since: datetime | None, end: int) -> int:
    """A number behind which every entry stands that is about a call since then, found by halving.

    Args:
        ledger: that is read.
        since: the moment, or None for the whole ledger.
        end: the number of the last entry.
    """
    low, high = 0, end if since else 0
    while since and low < high:
        middle = (low + high) // 2
        found = await ledger.entries(middle, 1)
        if found and found[0].at < since - _LONGEST:
            low = middle + 1
        else:
            high = middle
    return low


async def calls_of_ledger(
    ledger: LedgerVerbs, project: str, span: Span, told: Callable[[int], None], begin: int
) -> AsyncGenerator[RecordedCall, None]:
    """What a ledger tells of the calls of a project.

    Args:
        ledger: of its tenant.
        project: its id.
        span: of what time.
        told: how many entries were read, after each page.
        begin: the number of the entry behind which to read.
    """
    wanted, read = Selection(kinds=CALL_KINDS, project=project), 0
    async for page in pages(ledger, begin):
        for entry in filter(wanted.holds, page):
            call = read_call(entry.payload)
            if call is not None and span.holds(call):
                yield call
        told(read := read + len(page))


def calls_of_file(
    path: Path, project: str | None, span: Span, told: Callable[[int], None]
) -> Generator[RecordedCall, None, None]:
    """What an export of a ledger, with proofs or without, tells of the calls of one project.

    Args:
        path: of the file.
        project: its id; None where the file tells of one alone.
        span: of what time.
        told: how many bytes were read, now and then.

    Raises:
        InvalidValueError: it cannot be read, is no export, or tells of several projects and none was said.
    """
    try:
        with path.open("rb") as file:
            yield from filter(span.holds, _calls(file, path, project, told))
    except OSError as error:
        raise unreadable(path, error) from None
    except ProofError as error:
        msg = f"the file {str(path)!r} is no export of a ledger: {error}"
        raise InvalidValueError(msg) from None


def _calls(
    file: BinaryIO, path: Path, project: str | None, told: Callable[[int], None]
) -> Generator[RecordedCall, None, None]:
    is_named = project is not None
    for number, line in enumerate(read_lines(file), 1):
        call = read_call(_payload(line, number, path))
        if number % 1_000 == 0:
            told(file.tell())
        if call is None or (is_named and call.project != project):
            continue
        project = project or call.project
        if call.project != project:
            msg = f"the file {str(path)!r} tells of several projects: say which, like {project} or {call.project}"
            raise InvalidValueError(msg)
        yield call


def _payload(line: str, number: int, path: Path) -> bytes:
    """Of the entry in a line; nothing of one that is no UTF-8, or was dropped, or is the head of an export."""
    try:
        said: Any = json.loads(line)
        if "payload" in said:
            return str(said["payload"]).encode()
        if "payload_base64" in said:
            return base64.b64decode(said["payload_base64"])
        is_head = number == 1 and "checkpoint" in said
    except (ValueError, TypeError, RecursionError, binascii.Error):
        is_head = False
    if not is_head:
        msg = f"the file {str(path)!r} is no export of a ledger: line {number} holds no entry"
        raise InvalidValueError(msg)
    return b""
