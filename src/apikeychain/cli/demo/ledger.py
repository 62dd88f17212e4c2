"""The demo's ledger: shown, verified, and tampered with in a copy."""

import asyncio
import contextlib
import json
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

from apikeychain.backends.sql import SQLStore
from apikeychain.cli.demo.house import House
from apikeychain.embedded import DATABASE
from apikeychain.errors import LedgerBrokenError
from apikeychain.ledger.verify import verify
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import LedgerEntry

SHOWN = 7


async def newest(house: House) -> dict[str, object]:
    """The newest entries, newest first, and what `verify` says of the whole chain."""
    head = await house.tenant.verify_ledger()
    entries = await house.tenant.entries(max(head.size - SHOWN, 0), SHOWN)
    return {
        "size": head.size,
        "head": head.hash.hex(),
        "entries": [_row(entry) for entry in reversed(entries)],
    }


def data_of(entry: LedgerEntry) -> dict[str, Any]:
    """What an entry tells beside its kind."""
    data: dict[str, Any] = json.loads(entry.payload)["data"]
    return data


async def calls(house: House) -> int:
    """How many calls stand in the ledger."""
    size = (await house.tenant.verify_ledger()).size
    return sum(entry.kind == "call" for entry in await house.tenant.entries(0, size))


async def middle(house: House) -> int:
    """The entry that is tampered with."""
    return ((await house.tenant.verify_ledger()).size + 1) // 2


async def verdict_on_tampered_copy(house: House, seq: int) -> LedgerBrokenError | None:
    """Change one byte of entry `seq` in a copy of the database, and say what `verify` finds there."""
    with tempfile.TemporaryDirectory(prefix="apikeychain-demo-copy-") as folder:
        copy = Path(folder, DATABASE)
        await asyncio.to_thread(_tamper, house.directory / DATABASE, copy, house.tenant.id, seq)
        async with SQLStore.sqlite(copy) as store:
            try:
                await verify(store, house.tenant.id)
            except LedgerBrokenError as broken:
                return broken
    return None


def _tamper(original: Path, copy: Path, tenant: TenantId, seq: int) -> None:
    with contextlib.closing(sqlite3.connect(original)) as source, contextlib.closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        target.execute(
            "UPDATE ledger SET payload = CAST(replace(CAST(payload AS TEXT), '\"v\":1', '\"v\":2') AS BLOB)"
            " WHERE tenant = ? AND seq = ?",
            (tenant, seq),
        )
        target.commit()


def _row(entry: LedgerEntry) -> dict[str, object]:
    data = data_of(entry)
    refusal = data.get("refusal") or data.get("code")
    subject = data.get("route") or data.get("origin") or data.get("secret") or data.get("provider") or ""
    outcome = " ".join(str(part) for part in (data.get("status"), refusal, data.get("count")) if part)
    return {
        "seq": entry.seq,
        "at": entry.at.strftime("%H:%M:%S"),
        "kind": entry.kind,
        "what": f"{subject} {outcome}".strip(),
        "hash": entry.hash.hex()[:8],
    }
