"""Which buckets a call spends from, and what the caller is told about them.

::

    RateLimit-Policy: "address";q=60;w=60, "project";q=600;w=60
    RateLimit: "address";r=59;t=42, "project";r=411;t=42

Source: contracts 7; draft-ietf-httpapi-ratelimit-headers-10, sections 3 and 4; RFC 9110, section 10.2.3 (Retry-After).
"""

from collections.abc import Sequence

from apikeychain.errors import HeaderLines, RateLimitedError
from apikeychain.model.ids import ProjectId
from apikeychain.model.quota import Balance, Quota, Spend
from apikeychain.rules.caller import Caller, bucket_address
from apikeychain.rules.routing import CompiledRoute
from apikeychain.rules.snapshot import Snapshot

REFUSALS = Quota(60, 60)


def spends(project: Snapshot, route: CompiledRoute, caller: Caller) -> tuple[Spend, ...]:
    """What one call spends, narrowest first: address, the route where it has a quota, project."""
    key = project.project.id
    address = Spend(f"{key}:address:{bucket_address(caller.address)}", "address", project.address_quota)
    whole = Spend(f"{key}:project", "project", project.quota)
    name = route.route.name
    quota = project.route_quotas.get(name)
    if quota is None:
        return (address, whole)
    return (address, Spend(f"{key}:route:{name}", "route", quota), whole)


def refusal_spend(project_id: ProjectId, caller: Caller) -> Spend:
    """What a refused call spends: a bucket of its own, that touches neither the tenant's quota nor another caller."""
    return Spend(f"{project_id}:refusals:{bucket_address(caller.address)}", "refusals", REFUSALS)


def admit(balances: Sequence[Balance]) -> HeaderLines:
    """The RateLimit lines of an answer to a call that all buckets admitted.

    Raises:
        RateLimitedError: one of them had no room; with the same lines and Retry-After.
    """
    lines: HeaderLines = (
        (b"ratelimit-policy", ", ".join(_policy(balance.spend) for balance in balances).encode()),
        (b"ratelimit", ", ".join(_limit(balance) for balance in balances).encode()),
    )
    empty = [balance for balance in balances if not balance.admitted]
    if not empty:
        return lines
    wait = max(balance.reset_seconds for balance in empty)
    spend = empty[0].spend
    hint = f"The quota {spend.name!r} of {spend.quota.amount} calls in {spend.quota.window_seconds} s is used up."
    raise RateLimitedError(hint, headers=((b"retry-after", str(wait).encode()), *lines))


def _policy(spend: Spend) -> str:
    return f'"{spend.name}";q={spend.quota.amount};w={spend.quota.window_seconds}'


def _limit(balance: Balance) -> str:
    return f'"{balance.spend.name}";r={balance.remaining};t={balance.reset_seconds}'
