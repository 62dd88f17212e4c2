"""The verbs of a project's watch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from apikeychain.errors import InvalidValueError
from apikeychain.listing import every
from apikeychain.model.finding import Answer, Finding
from apikeychain.model.watch import ANSWERS, Deed, Mode, Sums, TightenedQuota, WatchMemory, WatchPolicy
from apikeychain.rules.watch_policy import mode_of
from apikeychain.rules.watch_rules import parse_rules
from apikeychain.tenants.change import ProjectChange, require_tenant
from apikeychain.tenants.project_handle import ProjectHandle
from apikeychain.watch.case import policy_of
from apikeychain.watch.suspension import owner_of

MODES: tuple[Mode, ...] = ("off", "observe", "act")
# What the ladder ends with, whatever a project wants.
MOST_MINUTES, MOST_SUSPENSIONS = 60, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchInfo:
    """All that is told of the watch of a project.

    Attributes:
        policy: as it is stored, or that of whoever says nothing.
        mode: that holds now.
        windows: how many were looked at; `last` the last of them, or None.
        learned: how many characters each detector remembers, by its name.
        deeds: of the last two days, the oldest first.
        tightened: quotas that are smaller for now.
        late: how often something was counted too late to be looked at.
    """

    policy: WatchPolicy
    mode: Mode
    windows: int
    last: Sums | None
    learned: Mapping[str, int]
    deeds: tuple[Deed, ...]
    tightened: tuple[TightenedQuota, ...]
    late: int


class WatchVerbs(ProjectHandle):
    """What is done about calls that nobody expected. See `ProjectAdmin`, of which this is a part."""

    async def watch(self) -> WatchInfo:
        """How the project is watched, what was seen last and what was done.

        Raises:
            DoesNotExistError: it is gone.
        """
        now = self._office.now()
        async with self._office.store.reading(self._tenant) as reader:
            await require_tenant(reader, self._tenant)
            project = await owner_of(reader, self.id)
            policy = await policy_of(reader, self.id)
            memory = await reader.get(WatchMemory, (self.id,)) or WatchMemory(project=self.id)
            smaller = await every(reader, TightenedQuota, self.id)
        return WatchInfo(
            policy=policy,
            mode=cast("Mode", mode_of(policy, project.created, now)),
            windows=memory.windows,
            last=memory.seen,
            learned={name: len(state) for name, state in memory.states.items()},
            deeds=memory.deeds,
            tightened=tuple(one for one in smaller if one.until > now),
            late=memory.late,
        )

    async def set_watch(
        self,
        *,
        mode: Mode | None = None,
        answers: Sequence[Answer] | None = None,
        rules: Sequence[str] | None = None,
        suspend_minutes: int | None = None,
        suspensions_a_day: int | None = None,
        default_mode: bool = False,
    ) -> WatchPolicy:
        """Say what is done about findings; None leaves as it is.

        Args:
            mode: ``"off"``, ``"observe"`` or ``"act"``.
            answers: that it may give, of ``"alert"``, ``"tighten"``, ``"suspend"`` and ``"rotate"``.
            rules: of the tenant's own, in place of those before.
            suspend_minutes: how long the first suspension lasts, 1 to 60.
            suspensions_a_day: of origins, routes and the project together, 0 to 3.
            default_mode: whether the mode is that of a project of its age again: `observe` in its first week.

        Raises:
            InvalidValueError: one of them cannot be; nothing is changed.
            DoesNotExistError: the project is gone.
        """
        async with self._change() as change:
            before = await policy_of(change.store, self.id)
            wanted = replace(
                before,
                mode=None if default_mode else mode or before.mode,
                answers=before.answers if answers is None else _parse_answers(answers),
                rules=before.rules if rules is None else tuple(rule.text for rule in parse_rules(_parse_lines(rules))),
                suspend_minutes=before.suspend_minutes if suspend_minutes is None else suspend_minutes,
                suspensions_a_day=before.suspensions_a_day if suspensions_a_day is None else suspensions_a_day,
            )
            _require(wanted)
            return await _store(change, before, wanted)

    async def findings(self, limit: int = 50) -> list[Finding]:
        """What was not expected, the newest first; the last 200 are kept.

        Raises:
            InvalidValueError: not a whole number of 1 or more.
            DoesNotExistError: the project is gone.
        """
        if not _is_whole(limit) or limit < 1:
            msg = f"1 finding or more, not {limit}"
            raise InvalidValueError(msg)
        async with self._office.store.reading(self._tenant) as reader:
            await require_tenant(reader, self._tenant)
            await owner_of(reader, self.id)
            found = await every(reader, Finding, self.id)
        return sorted(found, key=lambda one: (one.at, one.id), reverse=True)[:limit]


async def _store(change: ProjectChange, before: WatchPolicy, wanted: WatchPolicy) -> WatchPolicy:
    """As it is stored then; what is so already changes nothing."""
    if wanted == before:
        return before
    is_new = await change.find(WatchPolicy) is None
    stored = wanted if is_new else replace(wanted, generation=before.generation + 1)
    if is_new:
        await change.store.insert(stored)
    else:
        await change.store.replace(stored, before.generation)
    change.note(
        "watch.changed",
        mode=stored.mode,
        answers=list(stored.answers),
        rules=list(stored.rules),
        suspend_minutes=stored.suspend_minutes,
        suspensions_a_day=stored.suspensions_a_day,
    )
    return stored


def _parse_answers(given: Sequence[Answer]) -> tuple[Answer, ...]:
    """Least first, each once."""
    unknown = [answer for answer in given if answer not in ANSWERS]
    if unknown:
        msg = f"not an answer: {unknown[0]!r}; there are: {', '.join(ANSWERS)}"
        raise InvalidValueError(msg)
    return tuple(answer for answer in ANSWERS if answer in given)


def _parse_lines(rules: Sequence[object]) -> list[str]:
    lines = [rule for rule in rules if isinstance(rule, str)]
    if len(lines) < len(rules):
        msg = "a rule is a line of text, like 'rate > 1000 / minute'"
        raise InvalidValueError(msg)
    return lines


def _is_whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool)


def _require(wanted: WatchPolicy) -> None:
    if wanted.mode is not None and wanted.mode not in MODES:
        msg = f"not a mode: {wanted.mode!r}; there are: {', '.join(MODES)}"
        raise InvalidValueError(msg)
    if not _is_whole(wanted.suspend_minutes) or not 1 <= wanted.suspend_minutes <= MOST_MINUTES:
        msg = f"a suspension begins with 1 to {MOST_MINUTES} minutes, not {wanted.suspend_minutes}"
        raise InvalidValueError(msg)
    if not _is_whole(wanted.suspensions_a_day) or not 0 <= wanted.suspensions_a_day <= MOST_SUSPENSIONS:
        msg = f"0 to {MOST_SUSPENSIONS} suspensions a day, not {wanted.suspensions_a_day}"
        raise InvalidValueError(msg)
