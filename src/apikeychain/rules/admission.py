"""Which route a call takes, and all that can refuse it there before its quotas.

Source: contracts 1 (refusals in their order), 3 (`require`), 7 (suspensions come after admission); amendments 1, 3.
"""

from datetime import datetime

from apikeychain.errors import NotFoundError
from apikeychain.model.call import Call
from apikeychain.model.origin import Origin
from apikeychain.rules import routing, signature, suspension
from apikeychain.rules.caller import Caller
from apikeychain.rules.routing import CompiledRoute
from apikeychain.rules.signature import Signature
from apikeychain.rules.snapshot import Snapshot


def admit(
    call: Call,
    project: Snapshot,
    caller: Caller,
    *,
    signed: Signature | None,
    page: Origin | None,
    now: datetime,
    pseudonym: str | None = None,
) -> CompiledRoute:
    """The route of a call that nothing but its quotas keeps from being recorded.

    Args:
        call: that passed the origin gate.
        project: that it names.
        caller: who calls.
        signed: its signature, which holds, or None.
        page: from which it comes, where one is known.
        now: the moment of the call.
        pseudonym: of the caller, where `project.names_callers`.

    Raises:
        SignatureMissingError, CallerMissingError: the project or the route asks for more than the call brings.
        NotFoundError, MethodRefusedError: there is no such route, or not with this method.
        SuspendedError: something that it meets is suspended.
    """
    signature.require(project.project.require, signed)
    signature.require_caller(project.project.require_caller, call.login)
    if project.unserved and (why := project.unserved.get(call.path.partition(b"/")[0])):
        raise NotFoundError(why)
    route = routing.match(call, project)
    signature.require(route.route.require, signed)
    suspension.admit(project, route, page, caller, now, pseudonym=pseudonym)
    return route
