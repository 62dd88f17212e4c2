"""What is to be done where a group was not written, decided without waiting.

An error that one tenant's entries can cause must not stop the others: whoever may have caused it is set apart and
written alone. A tenant whose entries fail alone keeps them for a minute; then they are given up, and counted.

Source: contracts 6; pitfalls 50 (loss is counted and chained).
"""

from collections.abc import Sequence

from apikeychain.errors import DamagedDataError, DoesNotExistError
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head, LedgerDraft, LedgerEntry

GIVE_UP_SECONDS = 60.0


def suspects(group: Sequence[TenantId], error: Exception) -> Sequence[TenantId]:
    """Who of `group` may have caused `error`: the tenant whose data is damaged, else everybody."""
    named = [tenant for tenant in group if isinstance(error, DamagedDataError) and error.tenant == tenant]
    return named or group


def reason_to_give_up(error: Exception, failing_seconds: float) -> str:
    """Why entries that fail alone are given up now, or "" where they are kept. Never the text of the error."""
    if isinstance(error, DoesNotExistError):
        return "gone"
    return type(error).__name__ if failing_seconds >= GIVE_UP_SECONDS else ""


def place_of(drafts: Sequence[LedgerDraft], entries: Sequence[LedgerEntry], tenant: TenantId, after: int) -> int | None:
    """The number of the first of `drafts`, where they stand in `entries` one right behind the other.

    That is how one transaction puts them.

    Args:
        drafts: at least one, in their order.
        entries: of the chain, in order.
        tenant: whose chain it is.
        after: the number of the entry before the first of `entries`.
    """
    for start in range(len(entries) - len(drafts) + 1):
        if all(
            draft.behind(Head(tenant, after + start + place, b"")).payload == entries[start + place].payload
            for place, draft in enumerate(drafts)
        ):
            return after + start + 1
    return None
