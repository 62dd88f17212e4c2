"""Whether a call meets something that is suspended.

Source: contracts 7; spec 8.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from apikeychain.errors import SuspendedError
from apikeychain.model.origin import Origin
from apikeychain.model.suspension import Scope, Suspension
from apikeychain.rules.caller import Caller, bucket_address
from apikeychain.rules.routing import CompiledRoute
from apikeychain.rules.snapshot import Snapshot

# What a suspension names, and its value, or None where that is not known: nothing suspends it then.
_Subject = tuple[Scope, str | None]


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
        _require_none(project, _subjects(route, origin, caller, pseudonym), now)


def admit_caller(project: Snapshot, caller: Caller, now: datetime, pseudonym: str | None = None) -> None:
    """Refuse a call of a suspended caller, whatever it asks for. See `admit`.

    Raises:
        SuspendedError: the caller is suspended, by its address or by its pseudonym.
    """
    if project.suspensions:
        _require_none(project, _names(caller, pseudonym), now)


def is_cut(
    project: Snapshot,
    route: CompiledRoute,
    origin: Origin | None,
    caller: Caller,
    now: datetime,
    *,
    pseudonym: str | None = None,
) -> bool:
    """Whether a call under way ends at `now`, since something of it is suspended with `cut`. See `admit`."""
    return any(found.cut for found in _in_effect(project, _subjects(route, origin, caller, pseudonym), now))


def _subjects(route: CompiledRoute, origin: Origin | None, caller: Caller, pseudonym: str | None) -> Sequence[_Subject]:
    return (("project", ""), ("route", route.route.name), ("origin", origin), *_names(caller, pseudonym))


def _names(caller: Caller, pseudonym: str | None) -> Sequence[_Subject]:
    # An IPv6 caller owns its /64, so the whole of it is meant, however the address was written.
    return (("caller", bucket_address(caller.address)), ("caller", pseudonym))


def _in_effect(project: Snapshot, subjects: Iterable[_Subject], now: datetime) -> Iterator[Suspension]:
    for scope, value in subjects:
        found = None if value is None else project.suspensions.get((scope, value))
        if found is not None and (found.until is None or now < found.until):
            yield found


def _require_none(project: Snapshot, subjects: Iterable[_Subject], now: datetime) -> None:
    for found in _in_effect(project, subjects, now):
        until = f"until {found.until:%Y-%m-%d %H:%M:%S %Z}" if found.until else "until it is lifted"
        hint = f"This {found.scope} is suspended {until}: {found.reason}"
        raise SuspendedError(hint)
