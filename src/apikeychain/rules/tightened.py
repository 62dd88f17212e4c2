"""Quotas that are smaller for a while: what is left of each.

A route or an origin that has no quota of its own gets one of the project's then: it had that much before.

Source: contracts 7; spec 8.2.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from apikeychain.model.quota import Quota
from apikeychain.model.watch import TightenedQuota


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    """The quotas of a project, ready.

    Attributes:
        routes: by name, where a route has one.
        origins: by origin, where one has another than `origin`.
    """

    project: Quota
    address: Quota
    origin: Quota | None
    routes: dict[str, Quota]
    origins: dict[str, Quota]


def tightened(quotas: Quotas, smaller: Iterable[TightenedQuota]) -> Quotas:
    """What is left of quotas. That of the project takes along that of each address."""
    project, address = quotas.project, quotas.address
    routes, origins = dict(quotas.routes), dict(quotas.origins)
    for one in smaller:
        if one.scope == "route":
            routes[one.value] = _part(quotas.routes.get(one.value, quotas.project), one.divisor)
        elif one.scope == "origin":
            origins[one.value] = _part(quotas.origin or quotas.project, one.divisor)
        else:
            project, address = _part(quotas.project, one.divisor), _part(quotas.address, one.divisor)
    return replace(quotas, project=project, address=address, routes=routes, origins=origins)


def _part(quota: Quota, divisor: int) -> Quota:
    return replace(quota, amount=max(1, quota.amount // divisor))
