"""`apikeychain watch replay`."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from apikeychain.cli import output
from apikeychain.cli.invocation import Call
from apikeychain.cli.ledger_reading import size
from apikeychain.cli.progress import progress
from apikeychain.cli.watch_report import Report
from apikeychain.cli.watch_source import Span, calls_of_file, calls_of_ledger, first_of
from apikeychain.cli.watch_trial import Run, Trial
from apikeychain.errors import InvalidValueError
from apikeychain.model.ids import ProjectId, parse_project_id
from apikeychain.model.watch import WatchPolicy
from apikeychain.rules.selection import parse_moment

_AS_IT_IS = Trial()


async def replay(
    project: str | None = None,
    /,
    *,
    file: Path | None = None,
    from_: Annotated[str | None, Parameter(name="--from")] = None,
    to: str | None = None,
    picture: Path | None = None,
    trial: Annotated[Trial, Parameter(name="*")] = _AS_IT_IS,
    call: Call,
) -> None:
    """Run recorded calls through detectors and a policy: what would it have found and done? Nothing is changed.

    The policy is that of the project, or the usual one with --file, in the mode `act` unless another is said.

    Args:
        project: its id p_..., or TENANT/NAME; with --file its id, where the file tells of more than one.
        file: that `ledger export` wrote, with proofs or without, instead of the ledger of this keychain.
        from_: only from this moment on: 2026-01-31 or 2026-01-31T18:30, in UTC.
        to: only before this moment.
        picture: draw it into this file, NAME.svg.
        trial: what is tried.
    """
    if picture is not None and picture.suffix != ".svg":
        msg = f"a picture is drawn as SVG: name a file that ends in .svg, not {str(picture)!r}"
        raise InvalidValueError(msg)
    span = Span(since=_moment(from_), until=_moment(to))
    if file is not None:
        report = _of_file(file, project, span, trial, picture)
    elif project is not None:
        report = await _of_project(call, project, span, trial, picture)
    else:
        msg = "what is to be replayed? Say a project, or --file FILE"
        raise InvalidValueError(msg)
    if call.json:
        output.document(report.facts)
    else:
        report.show()


def _moment(text: str | None) -> datetime | None:
    return parse_moment(text) if text else None


async def _of_project(call: Call, project: str, span: Span, trial: Trial, picture: Path | None) -> Report:
    async with call.keychain() as keychain:
        found = await call.find(keychain, project)
        policy = trial.policy((await found.watch()).policy)
        created = (await found.show()).created
        name = f"{found.tenant}/{found.name}"
        run = Run(name, policy, trial.detectors(policy), created, picture)
        ledger = await keychain.ledger(found.tenant)
        end = await size(ledger)
        begin = await first_of(ledger, span.since, end)
        with progress("replaying", end - begin) as told:
            async for one in calls_of_ledger(ledger, found.id, span, told, begin):
                run.take(one)
        return run.end()


def _of_file(file: Path, project: str | None, span: Span, trial: Trial, picture: Path | None) -> Report:
    named = parse_project_id(project) if project is not None else None
    run, told_of = None, file.stat().st_size if file.exists() else 0
    with progress("replaying", told_of) as told:
        for one in calls_of_file(file, named, span, told):
            if run is None:
                policy = trial.policy(WatchPolicy(project=ProjectId(one.project)))
                run = Run(one.project, policy, trial.detectors(policy), one.at, picture)
            run.take(one)
    if run is None:
        msg = f"the file {str(file)!r} tells of no calls{' of ' + named if named else ''} then"
        raise InvalidValueError(msg)
    return run.end()
