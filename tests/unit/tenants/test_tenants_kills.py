"""Kill -9 in the middle of management changes: each is whole or absent, and the ledger verifies."""

import asyncio
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from apikeychain import APIKeyChain, APIKeyChainSettings, Secret
from management import CANARY, OTHER, data, entries
from processes import other_running

_CHANGES = 100
# Each round is four changes of several records; a number is told once the round was acknowledged.
_BODY = f"""
run = int(arguments[0])
async with keychain:
    acme = await keychain.ensure_tenant("acme")
    print("open", flush=True)
    for number in range(run * 100, run * 100 + {_CHANGES} // 4):
        project = await acme.create_project(f"shop{{number}}")
        await project.configure(
            origins=["https://one.example.com", "https://two.example.com"],
            providers=[Provider("weather", "https://api.weather.example", HeaderCredential("x-api-key"))],
            quota=f"{{number + 1}}/minute",
            enabled=True,
        )
        await project.put_secret("weather", Secret("{CANARY}"), provider="weather")
        await project.put_secret("weather", Secret("{OTHER}"), provider="weather")
        print(number, flush=True)
"""
_CONFIGURED = {"origin.allowed": 2, "provider.registered": 1, "project.changed": 1, "project.enabled": 1}


def change_until_killed(directory: Path, run: int, moments: random.Random) -> list[str]:
    """The rounds that were acknowledged before the kill, which comes at a random moment."""
    with other_running(_BODY, directory, run) as (process, output):
        told = [output.readline() for _ in range(1 + moments.randrange(_CHANGES // 8))]
        time.sleep(moments.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        told += output.readlines()
    return [line.strip() for line in told if line.endswith("\n") and line != "open\n"]


async def require_whole(directory: Path, run: int) -> set[str]:
    """The numbers of the run's projects whose round is whole. Every change is whole or absent, records and ledger."""
    whole: set[str] = set()
    async with APIKeyChain.embedded(directory, settings=APIKeyChainSettings(kdf="pbkdf2-sha512")) as keychain:
        acme = await keychain.ensure_tenant("acme")
        ledger = await entries(acme)
        projects = await acme.list_projects()
        assert {p.id for p in projects} == {e.project for e in ledger if e.kind == "project.created"}
        for stored in projects:
            number = stored.name.removeprefix("shop")
            if int(number) // 100 != run:
                continue
            project = await acme.project(stored.name)
            written = Counter(entry.kind for entry in ledger if entry.project == stored.id)
            configured = Counter(_CONFIGURED if stored.enabled else {})
            assert {kind: written[kind] for kind in _CONFIGURED} == {kind: configured[kind] for kind in _CONFIGURED}
            assert len(await project.list_origins()) == configured["origin.allowed"]
            assert len(await project.list_providers()) == configured["provider.registered"]
            assert stored.quota == (f"{int(number) + 1}/minute" if stored.enabled else "600/minute")
            puts = [data(e) for e in ledger if e.project == stored.id and e.kind == "secret.put"]
            told = await project.list_secrets()
            assert [(each.version, each.fingerprint) for each in told] == [
                (put["version"], put["fingerprint"]) for put in puts[-1:]
            ]
            assert written["key.created"] == min(len(puts), 1)
            assert stored.generation == 1 + stored.enabled + len(puts)
            if len(puts) == 2:
                whole.add(number)
    return whole


async def require_last_opens(directory: Path, number: str) -> None:
    """The secret of a whole round is the one that was put last: putting it again changes nothing."""
    async with APIKeyChain.embedded(directory, settings=APIKeyChainSettings(kdf="pbkdf2-sha512")) as keychain:
        project = await (await keychain.tenant("acme")).project(f"shop{number}")
        assert (await project.put_secret("weather", Secret(OTHER), provider="weather")).version == 2


def kill_often(directory: Path, kills: int) -> None:
    moments = random.Random(2026)  # noqa: S311  # moments, not secrets
    acknowledged: set[str] = set()
    for run in range(kills):
        told = set(change_until_killed(directory, run, moments))
        assert told <= asyncio.run(require_whole(directory, run))
        acknowledged |= told
    assert acknowledged
    asyncio.run(require_last_opens(directory, max(acknowledged)))


def test_ten_kills_leave_every_change_whole_or_absent(tmp_path: Path) -> None:
    kill_often(tmp_path, 10)


@pytest.mark.long
def test_a_hundred_kills_leave_every_change_whole_or_absent(tmp_path: Path) -> None:
    kill_often(tmp_path, 100)
