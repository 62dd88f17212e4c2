"""Which buckets a call spends from, and what the caller is told about them.

::

    RateLimit-Policy: "address";q=60;w=60, "project";q=600;w=60
    RateLimit: "address";r=59;t=42, "project";r=411;t=42

A bucket is told by its kind alone: no address, user or origin stands in a header or a hint.

Source: contracts 7; draft-ietf-httpapi-ratelimit-headers-10, sections 3 and 4; RFC 9110, section 10.2.3 (Retry-After).
"""

from collections.abc import Sequence
from typing import Literal

from apikeychain.errors import (
    AnswerError,
    HeaderLines,
    OriginRefusedError,
    PreflightRefusedError,
    RateLimitedError,
    RefusalError,
)
from apikeychain.model.ids import ProjectId
from apikeychain.model.origin import Origin
from apikeychain.model.quota import Balance, Quota, Spend
from apikeychain.model.session_key import USER
from apikeychain.rules.caller import Caller, bucket_address
from apikeychain.rules.routing import CompiledRoute
from apikeychain.rules.signature import Signature
from apikeychain.rules.snapshot import Snapshot

REFUSALS = Quota(60, 60)
# Claims that were made for nothing: ten times what an address may call, and 900 of them live at most.
OVERRUN = Quota(600, 60)
# A foreign page could else make its visitors' browsers empty their own buckets at a project that they use; and who is
# over a quota is refused by that quota until it has room, not longer.
_FREE = (OriginRefusedError, PreflightRefusedError, RateLimitedError)


def user_bucket(project: Snapshot, caller: Caller, user: str | None, *, proven: bool) -> str | None:
    """The key of the bucket of one user, or None where there is none: no user quota, no label that can be counted.

    Args:
        project: whose user it is.
        caller: who names it.
        user: its label.
        proven: whether the host's login or a session key vouches for it. What callers merely claim is counted apart
            and for each address, so that nobody can use up a user's quota by its name.
    """
    if project.user_quota is None or user is None or not USER.fullmatch(user):
        return None
    kind = "user" if proven else f"claimed-user:{bucket_address(caller.address)}"
    return f"{project.project.id}:{kind}:{user}"


def spends(
    project: Snapshot,
    route: CompiledRoute,
    caller: Caller,
    *,
    origin: Origin | None = None,
    user: str | None = None,
    proven: bool = False,
) -> tuple[Spend, ...]:
    """What one call spends, narrowest first: address, user, route, origin, project, each where there is a quota.

    Args:
        project: that is called.
        route: of it.
        caller: whose address counts, always.
        origin: that was admitted, or None for a call that sent none.
        user: its label, or None; see `user_bucket`, also for `proven`.
        proven: whether somebody vouches for it.
    """
    key = project.project.id
    found = [Spend(f"{key}:address:{bucket_address(caller.address)}", "address", project.address_quota)]
    bucket = user_bucket(project, caller, user, proven=proven)
    if bucket is not None and project.user_quota is not None:
        found.append(Spend(bucket, "user", project.user_quota))
    if (of_route := project.route_spends.get(route.route.name)) is not None:
        found.append(of_route)
    of_origin = None if origin is None else project.origin_quotas.get(origin, project.origin_quota)
    if of_origin is not None:
        found.append(Spend(f"{key}:origin:{origin}", "origin", of_origin))
    return (*found, project.project_spend)


def holder(signature: Signature | None, caller: Caller) -> str | None:
    """Whose calls that are under way are counted together: those of an address, but none that a signing key signed."""
    return None if signature and signature.session is None else bucket_address(caller.address)


def refusal_spend(project_id: ProjectId, caller: Caller, *, cost: Literal[0, 1] = 1) -> Spend:
    """What a refused call spends: a bucket of its own, that touches neither the tenant's quota nor another caller.

    Args:
        project_id: that was called.
        caller: whose address counts.
        cost: 0 to ask only.
    """
    return Spend(f"{project_id}:refusals:{bucket_address(caller.address)}", "refusals", REFUSALS, cost)


def overrun_spend(project_id: ProjectId, caller: Caller, user: str | None, *, cost: Literal[0, 1] = 1) -> Spend:
    """What a signed call spends that is refused after its claim: the replay guard keeps that claim for all tenants.

    Args:
        project_id: that was called.
        caller: whose address counts where there is no user.
        user: whom a session key names.
        cost: 0 to ask only.
    """
    claimant = f"address:{bucket_address(caller.address)}" if user is None else f"user:{user}"
    return Spend(f"{project_id}:overrun:{claimant}", "overrun", OVERRUN, cost)


def spends_refusal(error: AnswerError) -> bool:
    """Whether a call that met `error` before its quotas spends from the bucket of refusals."""
    return isinstance(error, RefusalError) and not isinstance(error, _FREE)


def used_up(balances: Sequence[Balance]) -> tuple[Spend, ...]:
    """The spends that found no room, narrowest first."""
    return tuple([balance.spend for balance in balances if not balance.admitted])


def admit(balances: Sequence[Balance], *, observe: bool = False) -> HeaderLines:
    """The RateLimit lines of an answer to a call that all buckets admitted.

    Args:
        balances: of its spends.
        observe: whether a quota that is used up is told, and admits all the same. Such a call has taken from no
            bucket, as a refused one has not: what `used_up` names is what would have been refused.

    Raises:
        RateLimitedError: one of them had no room; with the same lines and Retry-After.
    """
    policy = [f'"{asked.name}";q={asked.quota.amount};w={asked.quota.window_seconds}' for asked, _, _, _ in balances]
    limit = [f'"{asked.name}";r={remaining};t={reset}' for asked, _, remaining, reset in balances]
    lines: HeaderLines = (
        (b"ratelimit-policy", ", ".join(policy).encode()),
        (b"ratelimit", ", ".join(limit).encode()),
    )
    empty = [balance for balance in balances if not balance.admitted]
    if observe or not empty:
        return lines
    wait = max(balance.reset_seconds for balance in empty)
    spend = empty[0].spend
    hint = f"The quota {spend.name!r} of {spend.quota.amount} calls in {spend.quota.window_seconds} s is used up."
    raise RateLimitedError(hint, headers=((b"retry-after", str(wait).encode()), *lines))
