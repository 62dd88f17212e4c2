"""The windows that a project's ledger tells of: what the watch would have counted, as far as it was written down.

A call counts in the window in which it ended, as it does while calls are served. Entries stand in the ledger nearly in
that order: a window is over once something is told of that happened 15 seconds after its end, and what comes later is
left out. A project has at most two windows open, so that a ledger of any length takes no more memory.

What is not in a ledger is not in the windows: parameters, the pages that called, and which route a refused call was
for. A call over a quota is told as a refused one, also where its caller was admitted.

Source: contracts 6 (`call`, `refusals`), 7; spec 8.2; decision 34.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, final

from apikeychain.model.finding import WINDOW_SECONDS, Window
from apikeychain.model.ids import ProjectId
from apikeychain.model.ledger import JSON
from apikeychain.model.tally import Tally
from apikeychain.rules.chain import MAX_INTEGER
from apikeychain.rules.observation import failure_of, unadmitted_of
from apikeychain.rules.tallies import Counting

LATE = timedelta(seconds=15)
NOT_RECORDED = ("parameters", "origins", "routes of refused calls")
_WINDOW = timedelta(seconds=WINDOW_SECONDS)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_MS = 86_400_000
# Beyond it there is no room to reckon with moments.
_LATEST = datetime(9000, 1, 1, tzinfo=UTC)
_PSEUDONYM = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCall:
    """A call that a ledger tells of, or some that were refused together.

    Attributes:
        project: whose ledger it is of.
        at: when it ended, or when the first of them was refused.
        route: its name; "" where they were refused.
        caller: the pseudonym, or None where it is not known.
        country: where from, or "".
        bytes_out: of its answer.
        failure: one of FAILURES, or None for a success.
        refused: of UNADMITTED; "" for a call that was admitted.
        count: how many they are.
    """

    project: str
    at: datetime
    route: str = ""
    caller: str | None = None
    country: str = ""
    bytes_out: int = 0
    failure: str | None = None
    refused: str = ""
    count: int = 1


def read_call(payload: bytes) -> RecordedCall | None:
    """What the payload of an entry tells of calls; None where that is nothing, or nothing that can be read.

    Whether it is what was written down, `ledger verify` tells.
    """
    try:
        entry: Any = json.loads(payload)
        project, data, at = _text(entry, "project"), entry["data"], _moment(entry, "at")
        if entry.get("kind") == "call":
            return _call(project, at, data)
        return _refusals(project, data) if entry.get("kind") == "refusals" else None
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError):
        return None


def _call(project: str, at: datetime, data: Mapping[str, JSON]) -> RecordedCall:
    caller, country, refusal = data.get("caller"), data.get("country"), data.get("refusal")
    return RecordedCall(
        project=project,
        at=at + timedelta(milliseconds=min(_number(data, "duration_ms"), _LONGEST_MS)),
        route=_text(data, "route"),
        caller=caller if isinstance(caller, str) and _PSEUDONYM.fullmatch(caller) else None,
        country=country if isinstance(country, str) and country.isprintable() else "",
        bytes_out=_number(data, "bytes_out"),
        failure=failure_of(
            _number(data, "status"),
            refusal if isinstance(refusal, str) else None,
            by_provider=data.get("answered") == "provider",
        ),
    )


def _refusals(project: str, data: Mapping[str, JSON]) -> RecordedCall:
    return RecordedCall(
        project=project,
        at=_moment(data, "since"),
        refused=unadmitted_of(_text(data, "code")),
        count=_number(data, "count"),
    )


def _text(data: Mapping[str, JSON], name: str) -> str:
    if not isinstance(value := data[name], str) or not value.isprintable():
        raise ValueError(name)
    return value


def _moment(data: Mapping[str, JSON], name: str) -> datetime:
    moment = datetime.fromisoformat(_text(data, name))
    if moment.tzinfo is None or not _EPOCH + _WINDOW <= moment < _LATEST:
        raise ValueError(name)
    return moment


def _number(data: Mapping[str, JSON], name: str) -> int:
    if not isinstance(value := data[name], int) or not 0 <= value <= MAX_INTEGER:
        raise ValueError(name)
    return value


@dataclass(slots=True)
class _Open:
    """A window that is not over yet."""

    routes: dict[str, Counting] = field(default_factory=dict[str, Counting])
    refused: dict[str, int] = field(default_factory=dict[str, int])

    def count(self, call: RecordedCall) -> None:
        if call.refused:
            self.refused[call.refused] = self.refused.get(call.refused, 0) + call.count
        else:
            counting = self.routes.setdefault(call.route, Counting())
            counting.add(call.failure, call.bytes_out, call.caller, call.country, "")

    @property
    def tallies(self) -> Mapping[str, Tally]:
        tallies = {route: counting.tally for route, counting in self.routes.items()}
        return tallies | ({"": Tally(unadmitted=self.refused)} if self.refused else {})


@final
class Recording:
    """Makes windows of what was recorded of one project.

    Args:
        project: of which the calls are.

    Attributes:
        late: how many calls came after their window was over, and are in none.
    """

    def __init__(self, project: ProjectId) -> None:
        self._project, self.late = project, 0
        self._open: dict[datetime, _Open] = {}
        self._over = datetime.min.replace(tzinfo=UTC)

    def over(self, moment: datetime) -> Iterator[Window]:
        """The windows that are over since something is told of that happened at `moment`, in order.

        Ask before that is counted.
        """
        reached = begin_of(moment - LATE)
        self._over = max(self._over, reached)
        for begin in sorted(begin for begin in self._open if begin < reached):
            yield self._window(begin)

    def count(self, call: RecordedCall) -> None:
        """Count a call into its window."""
        begin = begin_of(call.at)
        if begin < self._over:
            self.late += call.count
        else:
            self._open.setdefault(begin, _Open()).count(call)

    def rest(self) -> Iterator[Window]:
        """The windows that are left, once nothing more is told of."""
        for begin in sorted(self._open):
            yield self._window(begin)

    def _window(self, begin: datetime) -> Window:
        return Window(project=self._project, begin=begin, routes=self._open.pop(begin).tallies)


def begin_of(moment: datetime) -> datetime:
    """Of the window in which that is."""
    return _EPOCH + (moment - _EPOCH) // _WINDOW * _WINDOW
