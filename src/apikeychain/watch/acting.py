"""What comes of one window of a project, written in one transaction: what was learned, found, done and told.

The memory is replaced where nobody else wrote it, and names the window: whatever worker looks at it, and however often
one dies on the way, a window is learned once, and what follows from it is done once.

Source: contracts 6, 7; decision 33.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from apikeychain import agenda
from apikeychain.alerts import outbox
from apikeychain.listing import every
from apikeychain.model.finding import Finding
from apikeychain.model.ids import ProjectId
from apikeychain.model.ledger import LedgerDraft
from apikeychain.model.watch import CountedWindow, Deed, WatchMemory
from apikeychain.ports.store import TenantStore
from apikeychain.rules.judgement import Judged, Ready, remembered
from apikeychain.rules.watch_bounds import DAY, is_within
from apikeychain.rules.watch_policy import Planned
from apikeychain.watch import deeds
from apikeychain.watch.case import Case, Post
from apikeychain.watch.handover import TOPIC
from apikeychain.watch.suspension import owner_of, raise_generation
from apikeychain.watch.telling import Outcome, alert_of, said

MOST_FINDINGS: Final = 200
# Of these, that anybody can cause: who was not admitted pushes out nothing of those who were.
MOST_UNADMITTED: Final = 100
DEEDS_KEPT: Final = timedelta(days=2)
# What could not be done is told once in a day, and so many of it at most.
MOST_FAILED: Final = 100


async def carry_out(post: Post, case: Case, ready: Ready, judged: Judged, plans: Sequence[Planned]) -> WatchMemory:
    """Write what comes of a window, and announce it.

    Args:
        post: what the watch needs.
        case: as it was read.
        ready: the window.
        judged: what detectors made of it.
        plans: what is to be done.

    Returns:
        The memory as it is stored now.

    Raises:
        ConflictError: somebody else wrote at the same time; nothing is written then.
        DoesNotExistError: the project is gone.
    """
    at, project = post.now(), case.project.id
    allowed = _within(plans, case.memory, at)
    secrets, at = await _prepare(post, case, allowed, at), post.now()
    async with post.store.tenant(case.tenant) as records:
        outcomes = [Outcome(finding) for finding in judged.findings]
        is_changed = False
        for outcome in outcomes:
            mine = [one for one in allowed if one.finding.id == outcome.finding.id]
            moved = [replace(one, deed=replace(one.deed, at=at)) for one in mine]
            is_changed |= await _answer(records, outcome, moved, secrets.get(outcome.finding.id, ()))
        memory = await keep(records, case, _with_deeds(remembered(case.memory, judged), outcomes, at))
        for counted in ready.counted:
            await records.remove(CountedWindow, counted.key, counted.generation)
        for outcome in outcomes:
            is_news = bool(outcome.done) or _fails_first(outcome, case.memory, memory)
            if is_news or outcome.finding.at == outcome.finding.since:
                await records.append([_noticed(outcome, at), *outcome.entries])
            if is_news and "alert" in case.policy.answers:
                await outbox.file(records, alert_of(case.tenant, outcome, at))
        await _keep_findings(records, project, outcomes)
        if is_changed:
            await raise_generation(records, await owner_of(records, project))
    if is_changed:
        await post.announce(project)
    return memory


def _within(plans: Sequence[Planned], memory: WatchMemory, at: datetime) -> list[Planned]:
    """What may be done; each counts for those behind it."""
    found: list[Planned] = []
    for planned in plans:
        if is_within(planned, [*memory.deeds, *(one.deed for one in found)], at):
            found.append(planned)
    return found


async def _prepare(post: Post, case: Case, plans: Sequence[Planned], at: datetime) -> dict[str, list[str]]:
    """Note all that comes due by what is about to be stored; the secrets of each finding that asks for new keys."""
    secrets: dict[str, list[str]] = {}
    if plans:
        await outbox.announce(post.store, case.tenant, at)
    for planned in plans:
        deed = planned.deed
        if deed.answer == "tighten" and deed.until is not None:
            await agenda.note(post.store, TOPIC, case.tenant, case.project.id, deed.until)
        if deed.answer == "rotate":
            async with post.store.reading(case.tenant) as reader:
                secrets[planned.finding.id] = found = await deeds.secrets_of(reader, case.project.id, deed)
            if not deed.observed:
                await deeds.note_rotations(post.store, case.tenant, case.project.id, found, at)
    return secrets


async def _answer(records: TenantStore, outcome: Outcome, plans: Sequence[Planned], secrets: Sequence[str]) -> bool:
    """Do what is planned about a finding; whether calls see it."""
    is_changed = False
    for planned in plans:
        is_told = planned.deed.observed
        ordered, failure = (secrets, "") if is_told else await _do(records, planned, secrets, outcome.entries)
        if failure:
            outcome.failed.append((planned, failure))
        if ordered or not failure:
            outcome.done.append((planned, said(planned.deed, ordered)))
            is_changed |= planned.deed.answer != "alert" and not planned.deed.observed
    return is_changed


async def _do(
    records: TenantStore, planned: Planned, secrets: Sequence[str], entries: list[LedgerDraft]
) -> tuple[Sequence[str], str]:
    """Of which secrets new keys were ordered; and what kept from the deed as a sentence, or ""."""
    deed, project = planned.deed, planned.finding.project
    if deed.answer == "tighten":
        return (), await deeds.tighten(records, project, deed, entries)
    if deed.answer == "suspend":
        return (), await deeds.refuse(records, project, deed, planned.finding.why, entries)
    if deed.answer == "rotate":
        return await deeds.rotate(records, project, secrets, deed.at, entries)
    return (), ""


def _noticed(outcome: Outcome, at: datetime) -> LedgerDraft:
    finding, done = outcome.finding, [planned.deed for planned, _ in outcome.done]
    return deeds.entry(
        "watch.noticed",
        finding.project,
        at,
        finding=finding.id,
        detector=finding.detector,
        feature=finding.feature,
        scope=finding.scope,
        value=finding.value,
        sure=finding.sure,
        why=finding.why,
        answers=[deed.answer for deed in done if not deed.observed],
        observed=[deed.answer for deed in done if deed.observed],
    )


def _with_deeds(memory: WatchMemory, outcomes: Sequence[Outcome], at: datetime) -> WatchMemory:
    """The memory with what was done; and of what could not be, the last try of each."""
    kept = [deed for deed in memory.deeds if at - deed.at < DEEDS_KEPT]
    done = [planned.deed for outcome in outcomes for planned, _ in outcome.done]
    failed = {deed.place: deed for deed in memory.failed if at - deed.at < DAY}
    for deed in _failed(outcomes):
        if deed.place in failed or len(failed) < MOST_FAILED:
            failed[deed.place] = deed
    return replace(memory, deeds=(*kept, *done), failed=tuple(failed.values()))


def _failed(outcomes: Sequence[Outcome]) -> list[Deed]:
    """What could not be done at all."""
    done = {planned.deed for outcome in outcomes for planned, _ in outcome.done}
    failed = [planned.deed for outcome in outcomes for planned, _ in outcome.failed]
    return [deed for deed in failed if deed not in done]


def _fails_first(outcome: Outcome, before: WatchMemory, after: WatchMemory) -> bool:
    """Whether something failed that was not tried within a day, and that is remembered."""
    known = {deed.place for deed in before.failed}
    return any(deed in after.failed and deed.place not in known for deed in _failed([outcome]))


async def keep(records: TenantStore, case: Case, memory: WatchMemory) -> WatchMemory:
    """Store the memory in the place of the one that was read; as it is stored then.

    Raises:
        ConflictError, AlreadyExistsError: somebody else stored one meanwhile.
    """
    if case.stored is None:
        await records.insert(memory)
        return memory
    following = replace(memory, generation=case.stored.generation + 1)
    await records.replace(following, case.stored.generation)
    return following


async def _keep_findings(records: TenantStore, project: ProjectId, outcomes: Sequence[Outcome]) -> None:
    """Store what was found; of more than may be kept the oldest go, first of what anybody can cause."""
    if not outcomes:
        return
    known = {finding.id: finding for finding in await every(records, Finding, project)}
    for outcome in outcomes:
        finding = replace(outcome.finding, done=outcome.answers, generation=1)
        # A detector of a host's own may use an id again.
        if before := known.get(finding.id):
            finding = replace(finding, generation=before.generation + 1)
            await records.replace(finding, before.generation)
        else:
            await records.insert(finding)
        known[finding.id] = finding
    stored = sorted(known.values(), key=lambda finding: (finding.at, finding.id))
    gone = [one for one in stored if not one.admitted][:-MOST_UNADMITTED]
    gone += [one for one in stored if one not in gone][:-MOST_FINDINGS]
    for finding in gone:
        await records.remove(Finding, finding.key, finding.generation)
