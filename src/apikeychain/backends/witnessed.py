"""What the witnesses of the package have in common: the good of a moment is kept, the rest refused with its reasons."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from apikeychain.errors import APIKeyChainError, DamagedDataError, InvalidValueError, WitnessRefusedError
from apikeychain.model.ids import TenantId, parse_tenant_id
from apikeychain.ports.witness import Extension
from apikeychain.proof.checkpoint import Statement
from apikeychain.proof.extension import new_key_lists
from apikeychain.proof.reading import ProofError

# Whose chain it is cannot be told. No tenant has this id, nor is it that of the key lists.
NOBODY = "?"


@dataclass(frozen=True, slots=True)
class Given:
    """What was given to be kept.

    Attributes:
        chains: the extension of each chain.
        refused: why others are not looked at, by tenant.
    """

    chains: Mapping[TenantId, Extension]
    refused: Mapping[str, str]


def by_chain(extensions: Iterable[Extension]) -> Given:
    """What was given, by the tenant whose chain it is."""
    chains: dict[TenantId, Extension] = {}
    refused: dict[str, str] = {}
    for extension in extensions:
        try:
            tenant = parse_tenant_id(Statement.parse(extension.checkpoint.statement).tenant)
        except (ProofError, InvalidValueError) as error:
            refused[NOBODY] = str(error)
            continue
        if chains.setdefault(tenant, extension) is not extension:
            refused[tenant] = "two checkpoints of one chain were published together"
    return Given({tenant: extension for tenant, extension in chains.items() if tenant not in refused}, refused)


def require_none(refused: Mapping[str, str]) -> None:
    """Raise WitnessRefusedError where something was refused."""
    if refused:
        raise WitnessRefusedError(refused)


def require_no_failure(failed: Mapping[TenantId, BaseException], refused: Mapping[str, str]) -> None:
    """Raise what failed, and with it what was refused of others.

    Args:
        failed: why chains were neither kept nor refused.
        refused: why others were.

    Raises:
        WitnessRefusedError: something was refused; the chains that failed are told with it.
    """
    for failure in failed.values():
        if not refused or not isinstance(failure, APIKeyChainError):
            raise failure
    untold = {tenant: f"it was not kept: {failure}" for tenant, failure in failed.items()}
    require_none(untold | dict(refused) if untold else {})


def added_key_lists(kept: Sequence[str], given: Sequence[str]) -> Sequence[str]:
    """See `new_key_lists`.

    Raises:
        WitnessRefusedError: they are not those that are kept, with others behind them.
    """
    try:
        return new_key_lists(kept, given)
    except ProofError as error:
        raise WitnessRefusedError({"": str(error)}) from None


def damaged(what: str, why: str, tenant: str = "") -> DamagedDataError:
    """For what a witness kept and cannot read any more.

    Args:
        what: it is.
        why: in our words.
        tenant: whose, where it is one's.
    """
    return DamagedDataError(f"{what} ({why})", tenant, advice="keep it as it is, and find out who changed it")
