"""Where tenants, projects and the audit chain are kept."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.ledger import Head, LedgerDraft, LedgerEntry
from apikeychain.model.records import Key, Record

R = TypeVar("R", bound=Record)


class TenantReader(Protocol):
    """What can be read of one tenant: a question across tenants cannot be asked.

    Contract (tested by `apikeychain.testing.StoreContract`):
        T1: `get` returns what was last inserted or replaced under that kind and key, or None.
        T2: `list` returns the records of a kind with keys after `after` (all from ``()``), in the order of their
            keys compared as tuples by code point, at most `limit`.
        T7: `entries` returns entries with a seq above `after`, in order, at most `limit`.
        T10: `head` returns where the chain ends.
    """

    async def get(self, kind: type[R], key: Key) -> R | None:
        """The record of that kind and key, or None.

        Raises:
            DamagedDataError: it is stored and cannot be read. So from `list`, for any of them.
        """
        ...

    async def list(self, kind: type[R], after: Key, limit: int) -> Sequence[R]:
        """At most `limit` records with keys after `after`, in order."""
        ...

    async def entries(self, after: int, limit: int) -> Sequence[LedgerEntry]:
        """At most `limit` entries of the chain with a seq above `after`, in order, as they are stored."""
        ...

    async def head(self) -> Head:
        """The end of the chain.

        Raises:
            DamagedDataError: it is stored and cannot be read.
        """
        ...


class TenantStore(TenantReader, Protocol):
    """One transaction, bound to one tenant.

    Contract (tested by `apikeychain.testing.StoreContract`):
        T3: `insert` of a key that exists raises AlreadyExistsError and stores nothing.
        T4: `replace` stores only if the stored generation is the one given; else ConflictError, also when gone.
        T5: `remove` removes only if the stored generation is the one given; else ConflictError, also when gone.
        T6: `append` puts all drafts behind the tenant's chain in order and returns its new head.
        T8: `lease` returns True to one holder at a time, renews for the same holder of this store, and frees itself
            after `seconds`.
        T9: no method sees or changes another tenant's records, entries or leases.
        T11: `retain` takes the bodies of the entries `first` to `last` away, each of which then is its own
            `LedgerEntry.dropped`, puts the draft behind the chain and returns the new head; a range that the chain
            does not have raises InvalidValueError and changes nothing.
        T12: `replace_all` stores each record in place of the one with the generation before its own; where one is not
            there so, ConflictError.
    """

    async def insert(self, record: Record) -> None:
        """Store a new record.

        Raises:
            AlreadyExistsError: the key is taken.
        """
        ...

    async def replace(self, record: Record, generation: int) -> None:
        """Store `record` in place of the one that has `generation`.

        Raises:
            ConflictError: the stored one has another generation, or is gone.
        """
        ...

    async def replace_all(self, records: Sequence[Record]) -> None:
        """Store many records, each in place of the one that has the generation before its own, in few trips.

        Raises:
            ConflictError: a stored one has another generation, or is gone: the transaction is to be left.
        """
        ...

    async def remove(self, kind: type[Record], key: Key, generation: int) -> None:
        """Remove the record that has `generation`.

        Raises:
            ConflictError: the stored one has another generation, or is gone.
        """
        ...

    async def append(self, payloads: Sequence[LedgerDraft]) -> Head:
        """Put the drafts behind the chain, in order."""
        ...

    async def retain(self, first: int, last: int, payload: LedgerDraft) -> Head:
        """Drop the bodies of the entries `first` to `last`, and put the draft, which says so, behind the chain.

        Raises:
            InvalidValueError: the chain has no such entries.
        """
        ...

    async def lease(self, name: str, seconds: float) -> bool:
        """Whether this store now holds the lease `name` of the tenant for `seconds`."""
        ...


class Store(Protocol):
    """Keeps everything that outlives a process.

    Contract (tested by `apikeychain.testing.StoreContract`):
        S1: `tenant` is a transaction: what is done in it is whole after a clean exit and absent after an exception.
        S2: what a transaction does is not seen by others before it ends.
        S3: `tenant_of` names the tenant of a stored project, else None.
        S4: `tenants` returns the ids of stored tenants above `after`, in order, at most `limit`.
        S5: `append_many` puts each tenant's drafts behind its chain in one transaction and returns the heads; no
            drafts leave a chain as it is.
        S6: concurrent appends to one chain, by whatever verb, make one chain without a gap or a fork.
        S7: a store that cannot be reached raises BackendUnavailableError.
        S8: a transaction that would leave a record whose tenant or project is not stored raises ConflictError at its
            end, and stores nothing; `records.CHAIN_KINDS` belong to a chain, and need neither.
        S9: an `append_many` that ended by a failure or a cancellation is whole or absent, and settled as soon as
            `append` or `append_many` tell anybody a head of its chains: what that head does not count is never written.
        S10: a `reading` shows one moment, whatever others commit meanwhile; it waits for no transaction and keeps
            none waiting, and what it yields has no verb that changes anything.
    """

    async def tenant_of(self, project: ProjectId) -> TenantId | None:
        """Whose project this is, or None."""
        ...

    async def tenants(self, after: str, limit: int) -> Sequence[TenantId]:
        """At most `limit` tenant ids above `after`, in order."""
        ...

    async def append_many(self, payloads: Mapping[TenantId, Sequence[LedgerDraft]]) -> Mapping[TenantId, Head]:
        """Put drafts behind the chains of several tenants, in one transaction.

        Raises:
            DamagedDataError: one of the chains cannot be read; the error names its tenant.
        """
        ...

    def tenant(self, tenant: TenantId) -> AbstractAsyncContextManager[TenantStore]:
        """A transaction bound to `tenant`, committed at a clean exit."""
        ...

    def reading(self, tenant: TenantId) -> AbstractAsyncContextManager[TenantReader]:
        """One moment of what is stored of `tenant`, for whoever changes nothing."""
        ...
