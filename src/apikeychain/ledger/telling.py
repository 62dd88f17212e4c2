"""What a witness says is told in bounded words: it may be anybody's, and a log is read line by line."""

from collections.abc import Mapping

from apikeychain.errors import APIKeyChainError, WitnessRefusedError
from apikeychain.model.checkpoint_round import Publication
from apikeychain.model.ids import TenantId

MAX_REASON = 200
MAX_ADVICE = 1000
MAX_TENANTS = 20
# Whose chains are refused is not told.
NOBODY = TenantId("?")


def plain(text: str, most: int = MAX_REASON) -> str:
    """What others wrote, without control characters, and no more than so many characters of it."""
    return "".join(each if each.isprintable() else " " for each in text[:most])


def advice(error: APIKeyChainError) -> str:
    """What an error of a plug says, whole as far as it is for the operator."""
    return plain(str(error) or type(error).__name__, MAX_ADVICE)


def reasons_of(refused: WitnessRefusedError) -> dict[TenantId, str]:
    """Why a witness refused what, at least one."""
    reasons = {TenantId(plain(tenant)): plain(reason) for tenant, reason in refused.reasons.items()}
    return reasons or {NOBODY: "it does not say why"}


def bounded(reasons: Mapping[TenantId, str]) -> dict[TenantId, str]:
    """The first 20 of them."""
    return dict(sorted(reasons.items())[:MAX_TENANTS])


def told_of(came: Publication) -> str:
    """What there is to tell of a publication, or nothing."""
    shown = bounded(came.refused)
    told = [f"{tenant or 'key lists'}: {why}" for tenant, why in shown.items()]
    more = len(came.refused) - len(shown)
    return came.fault or "; ".join([*told, *([f"and {more} more"] if more else [])])
