"""`apikeychain watch`."""

from collections.abc import Mapping
from typing import Annotated, Literal

from cyclopts import App, Parameter, validators

from apikeychain.cli.invocation import Call
from apikeychain.cli.watch_axes import value_label
from apikeychain.cli.watch_replay import replay
from apikeychain.cli.watch_report import answer_of, finding_facts, where
from apikeychain.errors import InvalidValueError
from apikeychain.model.finding import Answer, Finding
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.project_watch import MOST_MINUTES, MOST_SUSPENSIONS, WatchInfo

app = App(name="watch", help="What is unusual about a project's calls, and what is done about it.")
_COLUMNS = ("project", "id", "mode", "windows", "calls", "deeds")
_FOUND = ("at", "where", "what", "seen", "expected", "sure", "done")
_Names = Annotated[tuple[str, ...], Parameter(negative="", show_default=False)]
_Answers = Annotated[tuple[Answer, ...], Parameter(negative="", show_default=False)]
_Flag = Annotated[bool, Parameter(negative="", show_default=False)]
_Limit = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=200))]
_Minutes = Annotated[int | None, Parameter(validator=validators.Number(gte=1, lte=MOST_MINUTES))]
_Suspensions = Annotated[int | None, Parameter(validator=validators.Number(gte=0, lte=MOST_SUSPENSIONS))]


@app.command
async def status(project: str | None = None, /, *, call: Call) -> None:
    """Show how projects are watched, what was seen last and what was done within two days.

    Args:
        project: only this one, with all that is known: its id p_..., or TENANT/NAME.
    """
    async with call.keychain() as keychain:
        if project is not None:
            found = await call.find(keychain, project)
            call.one(_facts(found, await found.watch()))
            return
        rows = [
            _row(one, await one.watch())
            for tenant in await keychain.list_tenants()
            if not await (owner := await keychain.tenant(tenant)).erased()
            for one in [await owner.project(stored.name) for stored in await owner.list_projects()]
        ]
    call.many(rows, _COLUMNS, "no project yet; make one with: apikeychain project create TENANT/NAME")


@app.command
async def findings(project: str, /, *, limit: _Limit = 50, call: Call) -> None:
    """List what was not expected of a project's calls, the newest first. The last 200 are kept.

    Args:
        project: its id p_..., or TENANT/NAME.
        limit: at most so many.
    """
    async with call.project(project) as found:
        stored = await found.findings(limit)
    rows = [finding_facts(one) if call.json else _found_row(one) for one in stored]
    call.many(rows, _FOUND, f"nothing was found of {found.name}")


@app.command(name="set")
async def set_(
    project: str,
    /,
    *,
    mode: Literal["off", "observe", "act", "default"] | None = None,
    answer: _Answers = (),
    rule: _Names = (),
    no_rules: _Flag = False,
    suspend_minutes: _Minutes = None,
    suspensions_a_day: _Suspensions = None,
    call: Call,
) -> None:
    """Say what is done about findings; what is not said stays as it is.

    Args:
        project: its id p_..., or TENANT/NAME.
        mode: off, observe or act; or default: observe in the first week of the project, and act from then on.
        answer: that it may give: alert, tighten, suspend, rotate; may be said more than once, in place of those before.
        rule: of yours, like "refused_origins > 50 / 5 minutes"; may be said more than once, in place of those before.
        no_rules: without any rule of yours.
        suspend_minutes: how long the first suspension lasts; each further one in a day twice as long, an hour at most.
        suspensions_a_day: of origins, routes and the project together, 3 at most.
    """
    if rule and no_rules:
        msg = "say --rule or --no-rules"
        raise InvalidValueError(msg)
    async with call.project(project) as found:
        await found.set_watch(
            mode=None if mode == "default" else mode,
            default_mode=mode == "default",
            answers=answer or None,
            rules=() if no_rules else rule or None,
            suspend_minutes=suspend_minutes,
            suspensions_a_day=suspensions_a_day,
        )
        info = await found.watch()
    sentence = f"project {found.name} is watched in the mode {info.mode}: {', '.join(info.policy.answers)}"
    call.done(sentence, **_facts(found, info))


app.command(replay)


def _row(project: ProjectAdmin, info: WatchInfo) -> Mapping[str, object]:
    return {
        "project": f"{project.tenant}/{project.name}",
        "id": project.id,
        "mode": info.mode,
        "windows": info.windows,
        "calls": None if info.last is None else info.last.calls,
        "deeds": sum(not deed.observed for deed in info.deeds),
    }


def _facts(project: ProjectAdmin, info: WatchInfo) -> Mapping[str, object]:
    policy, last = info.policy, info.last
    return {
        "project": f"{project.tenant}/{project.name}",
        "id": project.id,
        "mode": info.mode,
        "answers": list(policy.answers),
        "rules": list(policy.rules),
        "suspend_minutes": policy.suspend_minutes,
        "suspensions_a_day": policy.suspensions_a_day,
        "windows": info.windows,
        "last": None if last is None else {name: getattr(last, name) for name in _SEEN},
        "learned": info.learned,
        "late": info.late,
        "deeds": [{"at": one.at, "what": answer_of(one), "where": where(one.scope, one.value)} for one in info.deeds],
        "smaller_quotas": [
            {"where": where(one.scope, one.value), "divisor": one.divisor, "until": one.until} for one in info.tightened
        ],
    }


_SEEN = ("begin", "calls", "failures", "callers", "bytes_out", "unadmitted")


def _found_row(finding: Finding) -> Mapping[str, object]:
    return {
        "at": f"{finding.at:%m-%d %H:%M}",
        "where": where(finding.scope, finding.value),
        "what": finding.feature,
        "seen": value_label(finding.seen),
        "expected": value_label(finding.expected),
        "sure": f"{finding.sure}%",
        "done": ", ".join(finding.done),
    }
