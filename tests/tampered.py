"""A ledger in a SQLite file, and what somebody who may write to that file does to it."""

import json
import sqlite3
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from apikeychain.backends.sql import SQLStore
from apikeychain.ledger.examine import Against, examine
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.ledger import Head, LedgerDraft, canonical_json, link
from apikeychain.model.ledger_report import LedgerReport

ACME, OTHER = TenantId("acme"), TenantId("other")
PROJECT = ProjectId("p_" + "a" * 20)
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def drafts(count: int, actor: str = "gate") -> list[LedgerDraft]:
    """Of calls, a second apart."""
    return [
        LedgerDraft(at=NOON + timedelta(seconds=number), kind="call", actor=actor, project=PROJECT, data={"n": number})
        for number in range(1, count + 1)
    ]


class TamperedLedger:
    """The entries of ACME, which somebody changes behind the store's back, and what an examination says then.

    Attributes:
        store: which reads the file.
        head: where the chain ended when it was written.
    """

    def __init__(self, path: Path, store: SQLStore, head: Head) -> None:
        self._path, self.store, self.head = path, store, head

    def sql(self, statement: str, *bound: object) -> int:
        """Execute a statement, and say how many rows it changed."""
        with closing(sqlite3.connect(self._path)) as database, database:
            database.execute("PRAGMA synchronous = OFF")
            return database.execute(statement, bound).rowcount

    def rows(self, tenant: TenantId = ACME) -> list[dict[str, Any]]:
        """The entries of a tenant as they are stored."""
        with closing(sqlite3.connect(self._path)) as database:
            database.row_factory = sqlite3.Row
            found = database.execute("SELECT * FROM ledger WHERE tenant = ? ORDER BY seq", (tenant,))
            return [dict(row) for row in found]

    def put(self, rows: Iterable[dict[str, Any]], *, head: bool = True) -> None:
        """Store these entries in the place of all.

        Args:
            rows: as `rows` gives them.
            head: whether the stored head is set to the last of them.
        """
        with closing(sqlite3.connect(self._path)) as database, database:
            database.execute("DELETE FROM ledger WHERE tenant = ?", (ACME,))
            for row in rows:
                columns = ", ".join(row)
                places = ", ".join("?" * len(row))
                statement = f"INSERT INTO ledger ({columns}) VALUES ({places})"  # noqa: S608  # the columns' own names
                database.execute(statement, tuple(row.values()))
                if head:
                    database.execute(
                        "UPDATE heads SET size = ?, hash = ? WHERE tenant = ?", (row["seq"], row["hash"], ACME)
                    )

    async def examined(self, kept: Head | None = None, batch: int = 7) -> LedgerReport:
        """What is found now."""
        return await examine(self.store, ACME, Against(kept=kept), batch=batch)


def changed(row: dict[str, Any], **members: Any) -> bytes:
    """The payload of a row with other members."""
    return canonical_json({**json.loads(row["payload"]), **members})


def relinked(rows: list[dict[str, Any]], start: int = 0) -> list[dict[str, Any]]:
    """The rows, those from `start` on with hashes that fit what stands before them, as an attacker computes them."""
    previous = rows[start - 1]["hash"] if start else Head.empty(ACME).hash
    for row in rows[start:]:
        row["hash"] = previous = link(previous, row["payload"])
    return rows


def renumbered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, stored under numbers without a gap; what they say of themselves stays."""
    for seq, row in enumerate(rows, 1):
        row["seq"] = seq
    return rows


def respelled(rows: list[dict[str, Any]], start: int = 0) -> list[dict[str, Any]]:
    """The rows as a whole chain: numbered without a gap in the payload too, with hashes that fit."""
    for row in renumbered(rows)[start:]:
        before, _, behind = row["payload"].partition(b'"seq":')
        row["payload"] = before + b'"seq":%d' % row["seq"] + behind[behind.index(b",") :]
    return relinked(rows, start)


@asynccontextmanager
async def tampered_ledger(path: Path, count: int = 10) -> AsyncGenerator[TamperedLedger, None]:
    """One of `count` entries, in a file at `path`, beside a chain of OTHER that is as long."""
    async with SQLStore.sqlite(path) as store:
        heads = await store.append_many({ACME: drafts(count), OTHER: drafts(count)})
        yield TamperedLedger(path, store, heads[ACME])
