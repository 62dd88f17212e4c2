"""Whether a call meets something that is suspended.

Source: contracts 7; spec 8.
"""

from datetime import datetime

from apikeychain.errors import SuspendedError
from apikeychain.model.origin import Origin
from apikeychain.model.suspension import Suspension
from apikeychain.rules.caller import Caller, bucket_address
from apikeychain.rules.routing import CompiledRoute
from apikeychain.rules.snapshot import Snapshot


def admit(project: Snapshot, route: CompiledRoute, origin: Origin | None, caller: Caller, now: datetime) -> None:
    """Refuse a call whose project, route, origin or caller is suspended at `now`.

    Raises:
        SuspendedError: one of them is.
    """
    for suspension in project.suspensions:
        if (suspension.until is None or now < suspension.until) and _meets(suspension, route, origin, caller):
            until = f"until {suspension.until:%Y-%m-%d %H:%M:%S %Z}" if suspension.until else "until it is lifted"
            hint = f"This {suspension.scope} is suspended {until}: {suspension.reason}"
            raise SuspendedError(hint)


def _meets(suspension: Suspension, route: CompiledRoute, origin: Origin | None, caller: Caller) -> bool:
    if suspension.scope == "project":
        return True
    if suspension.scope == "route":
        return suspension.value == route.route.name
    if suspension.scope == "origin":
        return suspension.value == origin
    # An IPv6 caller owns its /64, so the whole of it is meant, however the address was written.
    return bucket_address(suspension.value) == bucket_address(caller.address)
