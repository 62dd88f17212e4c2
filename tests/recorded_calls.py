"""A ledger of calls, as the gate writes it: quiet hours of a few callers, and one of them that takes all."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from apikeychain.model.ids import ProjectId
from apikeychain.model.ledger import JSON, LedgerDraft, timestamp
from ledger_house import NOON, PROJECT

MINUTE = timedelta(minutes=1)
CALLERS = [f"{number:032x}" for number in range(1, 9)]
GREEDY = "f" * 32
# When it begins, how many minutes it lasts, and with how many calls in each.
BEGINS, LASTS, CALLS = 150, 8, 500


def called(at: datetime, caller: str = CALLERS[0], project: ProjectId = PROJECT, **changed: JSON) -> LedgerDraft:
    """The entry of a call of the route weather."""
    data: dict[str, JSON] = {
        "route": "weather",
        "base_url": "https://api.weather.example",
        "path": "/v1",
        "method": "GET",
        "query": ["q"],
        "caller": caller,
        "status": 200,
        "duration_ms": 20,
        "bytes_in": 0,
        "bytes_out": 512,
        "answered": "provider",
        "refusal": None,
        "country": None,
    }
    return LedgerDraft(at=at, kind="call", actor="gate", project=project, data={**data, **changed})


def refused(at: datetime, count: int = 1, code: str = "origin-refused", project: ProjectId = PROJECT) -> LedgerDraft:
    """The entry of calls that were refused from then on."""
    data: dict[str, JSON] = {"code": code, "count": count, "since": timestamp(at)}
    return LedgerDraft(at=at + timedelta(seconds=10), kind="refusals", actor="gate", project=project, data=data)


def an_attack(project: ProjectId = PROJECT, begin: datetime = NOON) -> Sequence[LedgerDraft]:
    """Three hours of eight calls a minute, within which one caller makes five hundred a minute."""
    return [draft for minute in range(180) for draft in _minute(project, begin + minute * MINUTE, minute)]


def _minute(project: ProjectId, at: datetime, minute: int) -> Iterator[LedgerDraft]:
    for place, caller in enumerate(CALLERS):
        yield called(at + place * timedelta(seconds=7), caller, project)
    if BEGINS <= minute < BEGINS + LASTS:
        for place in range(CALLS):
            yield called(at + timedelta(seconds=57, milliseconds=4 * place), GREEDY, project)
