"""What the ledger costs, beside the least that it can cost: SHA-256 over its bytes, and inserts of its rows."""

import asyncio
import hashlib
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import insert

from apikeychain.backends.sql import SQLStore
from apikeychain.backends.sql.engine import sqlite_engine
from apikeychain.backends.sql.schema import LEDGER
from apikeychain.ledger.ledger import FLUSH_ENTRIES
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.ledger import Head, LedgerDraft, LedgerEntry, chained
from apikeychain.rules import call_entries, chain

_TENANT = TenantId("acme")


@dataclass(frozen=True, slots=True)
class Ledger:
    """What was found.

    Attributes:
        verifying: how many times the time of SHA-256 over the same bytes a verification takes.
        appending: what part of the rate of bare inserts, of the same rows in the same batches, appends reach.
        entries_a_second: appended.
    """

    verifying: float
    appending: float
    entries_a_second: float


def measure(folder: Path, entries: int, rounds: int) -> Ledger:
    """A chain of so many entries; medians of the rounds, in which all is done in turn."""
    drafts = [a_draft(number) for number in range(entries)]
    stored = chained(Head.empty(_TENANT), drafts)
    verified = [_seconds(lambda: _verify(stored)) / _seconds(lambda: _hash(stored)) for _ in range(rounds)]
    appended = [asyncio.run(_in_turn(folder, number, drafts, stored)) for number in range(rounds)]
    return Ledger(
        verifying=statistics.median(verified),
        appending=statistics.median(bare / ours for ours, bare in appended),
        entries_a_second=entries / statistics.median(ours for ours, _ in appended),
    )


def a_draft(number: int = 0) -> LedgerDraft:
    """Of a call as most are."""
    data = call_entries.call_data(
        call_entries.asked_data(
            route="thing",
            base_url="https://api.example.com",
            path_template="/v1/thing",
            method="GET",
            query=["q", "limit"],
            caller="0123456789abcdef0123456789abcdef",
        ),
        status=200,
        duration_ms=number % 97,
        bytes_in=0,
        bytes_out=1024,
        answered="provider",
        refusal=None,
    )
    return LedgerDraft(
        at=datetime.now(UTC), kind="call", actor="gate", project=ProjectId("p_aaaaaaaaaaaaaaaaaaaa"), data=data
    )


def _seconds(deed: Callable[[], object]) -> float:
    began = time.process_time()
    deed()
    return time.process_time() - began


def _verify(entries: Sequence[LedgerEntry]) -> None:
    chain.verify(Head.empty(_TENANT), entries)


def _hash(entries: Sequence[LedgerEntry]) -> None:
    for entry in entries:
        hashlib.sha256(entry.payload).digest()


async def _in_turn(
    folder: Path, number: int, drafts: Sequence[LedgerDraft], entries: Sequence[LedgerEntry]
) -> tuple[float, float]:
    """Seconds of the appends and of the bare inserts."""
    bare = await _insert(folder / f"{number}-bare.sqlite3", entries)
    return await _append(folder / f"{number}.sqlite3", drafts), bare


async def _append(path: Path, drafts: Sequence[LedgerDraft]) -> float:
    async with SQLStore.sqlite(path) as store:
        began = time.perf_counter()
        for first in range(0, len(drafts), FLUSH_ENTRIES):
            await store.append_many({_TENANT: drafts[first : first + FLUSH_ENTRIES]})
        return time.perf_counter() - began


async def _insert(path: Path, entries: Sequence[LedgerEntry]) -> float:
    """The same rows into the same table, in the same batches and by the same engine, with nothing made of them."""
    rows = [{**entry.columns, "payload": entry.payload, "hash": entry.hash} for entry in entries]
    async with SQLStore.sqlite(path):
        pass
    engine = sqlite_engine(path)
    began = time.perf_counter()
    for first in range(0, len(rows), FLUSH_ENTRIES):
        async with engine.begin() as connection:
            await connection.execute(insert(LEDGER), rows[first : first + FLUSH_ENTRIES])
    taken = time.perf_counter() - began
    await engine.dispose()
    return taken
