"""Which entries of a ledger a command is asked for."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from apikeychain.errors import DoesNotExistError, InvalidValueError
from apikeychain.model.ids import parse_project_id
from apikeychain.rules.selection import Selection, parse_moment
from apikeychain.tenants.ledger_verbs import LedgerVerbs
from apikeychain.tenants.tenant import TenantAdmin


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What the options say.

    Attributes:
        kind: only of this kind, like call or secret.put, or of a noun, like secret; may be said more than once.
        project: only of this project: its id, or its name.
        from_: only from this moment on: 2026-01-31 or 2026-01-31T18:30, in UTC.
        to: only before this moment.
    """

    kind: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = ()
    project: str | None = None
    from_: Annotated[str | None, Parameter(name="--from")] = None
    to: str | None = None

    async def selection(self, ledger: LedgerVerbs, actor: str | None) -> Selection:
        """The entries of `ledger` that are wanted.

        Args:
            ledger: whose they are.
            actor: only those of this label, or None.

        Raises:
            InvalidValueError: a kind or moment is none.
            DoesNotExistError: there is no project of that name.
        """
        return Selection(
            kinds=self.kind,
            project=await _project_id(ledger, self.project) if self.project else None,
            actor=actor,
            since=parse_moment(self.from_) if self.from_ else None,
            until=parse_moment(self.to) if self.to else None,
        )


Only = Annotated[Filter, Parameter(name="*")]
EVERY_ENTRY = Filter()


async def _project_id(ledger: LedgerVerbs, project: str) -> str:
    """Its id; that of a project that was removed is taken, too, since its entries stay."""
    try:
        return parse_project_id(project)
    except InvalidValueError:
        if isinstance(ledger, TenantAdmin):
            return (await ledger.project(project.removeprefix(f"{ledger.id}/"))).id
    msg = f"there is no tenant {ledger.id!r} whose projects have names: name this one by its id"
    raise DoesNotExistError(msg)
