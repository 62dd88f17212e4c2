"""Refused calls are counted and not written one by one: nobody without admission can grow or fill the log.

Source: contracts 6: one `refusals` entry for each project, code and 10 s.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.ledger import JSON, LedgerDraft, timestamp

WINDOW = timedelta(seconds=10)
# Projects times codes that a worker sees in 10 s; beyond it refusals are only counted, and the number is written.
MAX_GROUPS = 4096
_Group = tuple[TenantId, ProjectId, str]


@dataclass(slots=True)
class _Count:
    since: datetime
    count: int = 0


class Refusals:
    """Groups of refused calls.

    Attributes:
        beyond: how many were counted in no group since this was last set to 0.
    """

    def __init__(self) -> None:
        self._groups: dict[_Group, _Count] = {}
        self.beyond = 0

    def count(self, tenant: TenantId, project: ProjectId, code: str, now: datetime) -> None:
        """Count one refusal."""
        group = self._groups.get((tenant, project, code))
        if group is None:
            if len(self._groups) >= MAX_GROUPS:
                self.beyond += 1
                return
            group = self._groups[tenant, project, code] = _Count(now)
        group.count += 1

    def take(self, now: datetime, *, every: bool = False) -> Iterator[tuple[TenantId, LedgerDraft]]:
        """Remove and yield the groups whose 10 s are over, or `every` one.

        A group may be older than 10 s: while nothing can be written it goes on counting, which bounds the memory.
        """
        over = [key for key, group in self._groups.items() if every or now - group.since >= WINDOW]
        for tenant, project, code in over:
            group = self._groups.pop((tenant, project, code))
            data: dict[str, JSON] = {"code": code, "count": group.count, "since": timestamp(group.since)}
            yield tenant, LedgerDraft(at=now, kind="refusals", actor="gate", project=project, data=data)
