"""A ledger of a million entries is verified with no more memory than a short one, and again for what is new."""

import json
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from apikeychain import APIKeyChain
from apikeychain.ledger.verify import PAGE
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import JSON, LedgerDraft
from apikeychain.ports.store import Store
from apikeychain.rules.checkpoints import state
from apikeychain.rules.merkle import Frontier
from command import unmeasured
from notarized import put_signed
from signed_ledgers import NOON, ORIGIN, SALT, TRUSTED, signed

BIG, SMALL = TenantId("big"), TenantId("small")
MANY, FEW, NEW = 1_000_000, 20_000, 300
# Peaks of a run that is as short differ by as much from one to the next.
SAME_KILOBYTES = 8_000
_PROGRAM = """
import resource, sys
from apikeychain.cli import main
code = main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
sys.exit(code)
"""
CALL: dict[str, JSON] = {
    "answered": "provider",
    "base_url": "https://api.weather.example",
    "bytes_in": 0,
    "bytes_out": 512,
    "caller": None,
    "country": None,
    "duration_ms": 12,
    "method": "GET",
    "path": "/v1/weather",
    "query": ["q"],
    "refusal": None,
    "route": "weather",
    "status": 200,
}


async def fill(store: Store, tenant: TenantId, count: int) -> None:
    step = 5_000
    for start in range(0, count, step):
        drafts = [
            LedgerDraft(at=NOON + timedelta(seconds=start + n), kind="call", actor="gate", data={**CALL, "bytes_in": n})
            for n in range(min(step, count - start))
        ]
        await store.append_many({tenant: drafts})


async def sign(store: Store, tenant: TenantId) -> None:
    frontier, after, last = Frontier(), 0, None
    async with store.reading(tenant) as rows:
        while entries := await rows.entries(after, PAGE):
            frontier, last = frontier.added(entry.hash for entry in entries), entries[-1]
            after = last.seq
    assert last
    checkpoint = signed(state(ORIGIN, last.head, frontier, NOON, SALT))[0]
    await put_signed(store, tenant, checkpoint, frontier.peaks)


def run(data: Path, *arguments: object) -> tuple[dict[str, Any], int, str]:
    """What the command says as JSON, how many kilobytes it took at most, and what it showed meanwhile."""
    command = [sys.executable, "-c", _PROGRAM, "--data", data, *arguments, "--json"]
    started = time.monotonic()
    done = subprocess.run(  # noqa: S603 - written above
        [str(part) for part in command],
        env=unmeasured() | {"FORCE_COLOR": "1", "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=True,
    )
    document, _, kilobytes = done.stdout.rstrip().rpartition("\n")
    sys.stderr.write(f"{arguments}: {time.monotonic() - started:.1f} s, {int(kilobytes) // 1000} MB\n")
    return json.loads(document), int(kilobytes), done.stderr


@pytest.mark.long
async def test_a_million_entries_are_verified_with_the_memory_of_few(tmp_path: Path) -> None:
    keys, data = tmp_path / "gate.keys", tmp_path / "data"
    keys.write_text("".join(f"{key}\n" for key in TRUSTED))
    async with APIKeyChain.embedded(data) as keychain:
        store = keychain._office.store  # so many are not made by calls
        for tenant, count in ((SMALL, FEW), (BIG, MANY)):
            await keychain.create_tenant(tenant)
            await fill(store, tenant, count - 1)
            await sign(store, tenant)
            await fill(store, tenant, NEW)
    small, little, _ = run(data, "ledger", "verify", SMALL, "--key", keys)
    big, much, shown = run(data, "ledger", "verify", BIG, "--key", keys)
    assert (small["holds"], small["entries"], small["anchors"][0]["size"]) == (True, FEW + NEW, FEW)
    assert (big["holds"], big["entries"], big["anchors"][0]["size"]) == (True, MANY + NEW, MANY)
    assert abs(much - little) < SAME_KILOBYTES
    assert "verifying" in shown
    assert f"{MANY + NEW}/{MANY + NEW}" in shown
    new, _, _ = run(data, "ledger", "verify", BIG, "--key", keys, "--since-checkpoint")
    assert (new["holds"], new["entries"], new["since"].partition(":")[0]) == (True, NEW, str(MANY))
    assert new["keep"] == big["keep"]
    proof, proving, _ = run(data, "ledger", "prove", BIG, MANY // 8, "--out", tmp_path / "proof")
    assert proof["entries"] == MANY
    assert abs(proving - little) < SAME_KILOBYTES
    exported, _, _ = run(data, "ledger", "export", SMALL, tmp_path / "export", "--proofs")
    held, _, _ = run(data, "ledger", "verify-proof", tmp_path / "export", "--key", keys)
    assert (exported["entries"], held["exported"], held["whole"]) == (FEW, FEW, True)
