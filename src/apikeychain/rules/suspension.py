"""Whether a call meets something that is suspended.

Source: contracts 7; spec 8.
"""

from datetime import datetime
from typing import Protocol

from apikeychain.errors import SuspendedError
from apikeychain.model.origin import Origin
from apikeychain.model.suspension import Scope, Suspension
from apikeychain.rules.caller import Caller, bucket_address
from apikeychain.rules.routing import CompiledRoute
from apikeychain.rules.snapshot import Snapshot


def admit(
    project: Snapshot,
    route: CompiledRoute,
    origin: Origin | None,
    caller: Caller,
    now: datetime,
    *,
    pseudonym: str | None = None,
) -> None:
    """Refuse a call whose project, route, origin or caller is suspended at `now`.

    Args:
        project: that is called.
        route: of the call.
        origin: of the page that calls, where one is known.
        caller: who calls.
        now: the moment of the call.
        pseudonym: of the caller, where `project.names_callers`.

    Raises:
        SuspendedError: one of them is.
    """
    if project.suspensions:
        _require_none(project, "project", "", now)
        _require_none(project, "route", route.route.name, now)
        _require_none(project, "origin", origin, now)
        admit_caller(project, caller, now, pseudonym)


def admit_caller(project: Snapshot, caller: Caller, now: datetime, pseudonym: str | None = None) -> None:
    """Refuse a call of a suspended caller, whatever it asks for. See `admit`.

    Raises:
        SuspendedError: the caller is suspended, by its address or by its pseudonym.
    """
    if project.suspensions:
        # An IPv6 caller owns its /64, so the whole of it is meant, however the address was written.
        _require_none(project, "caller", bucket_address(caller.address), now)
        _require_none(project, "caller", pseudonym, now)


class UnderWay(Protocol):
    """A call that was admitted."""

    @property
    def route(self) -> CompiledRoute | None:
        """What was called."""
        ...

    @property
    def page(self) -> Origin | None:
        """Whose page called, where one is known."""
        ...

    @property
    def caller(self) -> Caller:
        """Who called."""
        ...

    @property
    def pseudonym(self) -> str | None:
        """What stands for the caller in the ledger, where that is known."""
        ...


def is_cut(project: Snapshot, call: UnderWay, now: datetime) -> bool:
    """Whether a call under way ends at `now`, since its project, route, origin or caller is suspended with `cut`."""
    if not project.suspensions:
        return False
    subjects: tuple[tuple[Scope, str | None], ...] = (
        ("project", ""),
        ("route", call.route.route.name if call.route else None),
        ("origin", call.page),
        ("caller", bucket_address(call.caller.address)),
        ("caller", call.pseudonym),
    )
    found = [_in_effect(project, scope, value, now) for scope, value in subjects]
    return any(suspension is not None and suspension.cut for suspension in found)


def _in_effect(project: Snapshot, scope: Scope, value: str | None, now: datetime) -> Suspension | None:
    found = None if value is None else project.suspensions.get((scope, value))
    return found if found is not None and (found.until is None or now < found.until) else None


def _require_none(project: Snapshot, scope: Scope, value: str | None, now: datetime) -> None:
    found = _in_effect(project, scope, value, now)
    if found is not None:
        until = f"until {found.until:%Y-%m-%d %H:%M:%S %Z}" if found.until else "until it is lifted"
        hint = f"This {scope} is suspended {until}: {found.reason}"
        raise SuspendedError(hint)
