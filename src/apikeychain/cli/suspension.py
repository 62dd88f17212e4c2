"""`apikeychain project suspend` and `lift`."""

from datetime import timedelta
from typing import Annotated

from cyclopts import Parameter

from apikeychain.cli.invocation import Call
from apikeychain.errors import InvalidValueError
from apikeychain.model.suspension import Scope


async def suspend(
    project: str,
    /,
    *,
    reason: str,
    caller: str | None = None,
    origin: str | None = None,
    route: str | None = None,
    duration: Annotated[timedelta | None, Parameter(name="--for")] = None,
    cut: Annotated[bool, Parameter(negative=())] = False,
    call: Call,
) -> None:
    """Refuse a caller, an origin, a route or the whole project for a while.

    Args:
        project: its id p_..., or TENANT/NAME.
        reason: for the ledger; no name, no address.
        caller: only this IP address, or the pseudonym that the ledger calls it by.
        origin: only this origin.
        route: only this route.
        duration: how long, like 30m, 2h or 7d; without it until it is lifted.
        cut: end calls under way too, streams in the middle; else they run out.
    """
    scope, value = _scope(caller, origin, route)
    seconds = duration.total_seconds() if duration else None
    async with call.project(project) as found:
        done = await found.suspend(scope, value, reason=reason, seconds=seconds, cut=cut)
    what = f"{scope} {value}" if value else f"project {found.name}"
    until = f"until {done.until:%Y-%m-%d %H:%M:%S} UTC" if done.until else "until it is lifted"
    call.done(f"{what} is suspended {until}", id=found.id, scope=scope, value=done.value, until=done.until)


async def lift(
    project: str,
    /,
    *,
    caller: str | None = None,
    origin: str | None = None,
    route: str | None = None,
    call: Call,
) -> None:
    """End a suspension.

    Args:
        project: its id p_..., or TENANT/NAME.
        caller: that of this IP address or pseudonym.
        origin: that of this origin.
        route: that of this route.
    """
    scope, value = _scope(caller, origin, route)
    async with call.project(project) as found:
        await found.lift(scope, value)
    call.done(f"{scope} {value or found.name} is not suspended any more", id=found.id, scope=scope, value=value)


def _scope(caller: str | None, origin: str | None, route: str | None) -> tuple[Scope, str]:
    given: dict[Scope, str | None] = {"caller": caller, "origin": origin, "route": route}
    named: list[tuple[Scope, str]] = [(scope, value) for scope, value in given.items() if value is not None]
    if len(named) > 1:
        msg = "say one of --caller, --origin and --route, or none for the whole project"
        raise InvalidValueError(msg)
    return named[0] if named else ("project", "")
