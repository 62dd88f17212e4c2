"""The verbs of a project's suspensions."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from apikeychain.errors import InvalidValueError
from apikeychain.model.records import Tenant
from apikeychain.model.suspension import Scope, Suspension
from apikeychain.rules import chain
from apikeychain.tenants.change import require_tenant
from apikeychain.tenants.project_handle import ProjectHandle
from apikeychain.watch import suspension


class SuspensionVerbs(ProjectHandle):
    """How parts of a project are refused for a while. See `ProjectAdmin`, of which this is a part."""

    async def suspend(
        self,
        scope: Scope = "project",
        value: str = "",
        *,
        reason: str,
        seconds: float | None = None,
        cut: bool = False,
    ) -> Suspension:
        """Refuse a caller, an origin, a route or the whole project for a while.

        Args:
            scope: what `value` names.
            value: an address or the pseudonym that stands for it in the ledger, an origin or a route's name; "" for
                the project.
            reason: for the ledger; no personal data.
            seconds: how long, or None until `lift`.
            cut: end what is under way too, streams in the middle; else it runs out, which may take 15 minutes.

        Raises:
            InvalidValueError: `value` does not fit `scope`, or there is no such moment.
        """
        now = self._office.now()
        until = None if seconds is None else _after(now, seconds)
        pseudonym = await self._pseudonym(scope, value)
        async with self._office.store.tenant(self._tenant) as store:
            found = await suspension.suspend(
                store,
                self.id,
                scope,
                value,
                reason=reason,
                until=until,
                at=now,
                actor=self.actor,
                pseudonym=pseudonym,
                cut=cut,
            )
        await self._office.announce(self.id)
        return found

    async def lift(self, scope: Scope = "project", value: str = "") -> None:
        """End a suspension; of a caller also one that was made by its address where `value` is its pseudonym, and back.

        Raises:
            InvalidValueError: `value` does not fit `scope`.
            DoesNotExistError: there is none.
        """
        now = self._office.now()
        pseudonym = await self._pseudonym(scope, value)
        also = () if pseudonym is None else await self._names_of(pseudonym)
        async with self._office.store.tenant(self._tenant) as store:
            await suspension.lift(
                store, self.id, scope, value, at=now, actor=self.actor, pseudonym=pseudonym, also=also
            )
        await self._office.announce(self.id)

    async def list_suspensions(self) -> list[Suspension]:
        """Every suspension, past ones too until they are lifted."""
        return await self._list(Suspension)

    async def _pseudonym(self, scope: Scope, value: str) -> str | None:
        """What stands for a caller in the ledger; its key is opened before a transaction holds others up."""
        owner = await self._owner()
        if scope != "caller":
            return None
        caller = suspension.parse_caller(value)
        if chain.is_pseudonym(caller):
            return caller
        return chain.pseudonym(await self._office.vault.pseudonym_key(owner), caller)

    async def _names_of(self, pseudonym: str) -> Sequence[str]:
        """By what a caller may be suspended: its pseudonym, and its address where that is."""
        callers = [one.value for one in await self._list(Suspension) if one.scope == "caller"]
        addresses = [value for value in callers if not chain.is_pseudonym(value)]
        if not addresses:
            return [pseudonym]
        key = await self._office.vault.pseudonym_key(await self._owner())
        return [pseudonym, *(value for value in addresses if chain.pseudonym(key, value) == pseudonym)]

    async def _owner(self) -> Tenant:
        async with self._office.store.reading(self._tenant) as store:
            return await require_tenant(store, self._tenant)


def _after(now: datetime, seconds: float) -> datetime:
    try:
        return now + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        msg = f"not a time to suspend for: {seconds} seconds"
        raise InvalidValueError(msg) from None
