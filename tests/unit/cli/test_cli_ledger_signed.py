"""`apikeychain ledger verify --key`, `prove`, `export --proofs`, and the chains that belong to no tenant."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from apikeychain.backends.sql import SQLStore
from apikeychain.embedded import DATABASE
from apikeychain.model.ids import TenantId
from apikeychain.model.records import Tenant
from apikeychain.rules import chain
from notarized import STRANGER, notarize
from signed_ledgers import ACME, NOON, TRUSTED
from terminal import Terminal

AT = "2026-01-02T12:00:00.000Z"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    file = tmp_path / "gate.keys"
    file.write_text("".join(f"{key}\n" for key in TRUSTED))
    return file


@pytest.fixture
def project(terminal: Terminal) -> str:
    """A project in whose ledger five things stand, of which all are signed."""
    project = terminal.project()
    change(terminal, project, 3)
    sign(terminal)
    return project


def change(terminal: Terminal, project: str, times: int = 1) -> None:
    for _ in range(times):
        verb = "disable" if terminal.read("project", "show", project)["enabled"] else "enable"
        terminal.told("project", verb, project)


def sign(terminal: Terminal, minutes: int = 0, tenant: TenantId = ACME, **more: Any) -> None:
    async def signed() -> None:
        async with SQLStore.sqlite(terminal.data / DATABASE) as store:
            await notarize(store, tenant, minutes=minutes, **more)

    asyncio.run(signed())


def sql(terminal: Terminal, statement: str) -> None:
    with closing(sqlite3.connect(terminal.data / DATABASE)) as database, database:
        database.execute(statement)


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_bytes().splitlines()]


@pytest.mark.usefixtures("project")
def test_a_chain_is_verified_against_what_its_keys_signed(terminal: Terminal, keys: Path) -> None:
    told = terminal.told("ledger", "verify", "acme", "--key", keys).splitlines()
    assert told[:2] == [
        "all 5 entries of acme hold, each behind the one before it",
        f"the first 5 agree with the stored checkpoint, at {AT}",
    ]
    assert told[-3].startswith("the end is not anchored: ")
    document = terminal.read("ledger", "verify", "acme", "--key", keys)
    assert (document["holds"], document["anchored"], document["complete"], document["since"]) == (
        True,
        False,
        True,
        None,
    )
    (anchor,) = document["anchors"]
    assert anchor["source"] == f"the stored checkpoint, at {AT}"
    assert (anchor["elsewhere"], anchor["size"], len(anchor["hash"]), len(anchor["root"])) == (False, 5, 64, 64)


def test_without_a_key_it_says_what_it_could_not_compare(terminal: Terminal, project: str) -> None:
    assert project
    told = terminal.told("ledger", "verify", "acme")
    reason = "nobody says which keys sign: name them with --key"
    assert f"it was not compared with the stored checkpoint: {reason}\n" in told
    unheard = terminal.read("ledger", "verify", "acme")["unheard"]
    assert unheard[-1] == {"source": "the stored checkpoint", "reason": reason, "failure": False}


def test_only_what_is_new_is_read_since_the_checkpoint(terminal: Terminal, project: str, keys: Path) -> None:
    change(terminal, project, 2)
    told = terminal.told("ledger", "verify", "acme", "--key", keys, "--since-checkpoint")
    assert told.splitlines()[0] == (
        "the 2 entries of acme behind entry 5 hold, each behind the one before it; the first 5 were not read but taken "
        "as they were signed"
    )
    document = terminal.read("ledger", "verify", "acme", "--key", keys, "--since-checkpoint")
    assert (document["entries"], document["since"][:2]) == (2, "5:")
    assert document["keep"] == terminal.read("ledger", "verify", "acme")["keep"]


def test_a_checkpoint_that_does_not_hold_has_an_exit_code_of_its_own(
    terminal: Terminal, project: str, keys: Path
) -> None:
    sign(terminal, keys=STRANGER)
    code, out, err = terminal.run("ledger", "verify", "acme", "--key", keys)
    assert code == 3
    assert out.startswith("all 5 entries of acme hold, each behind the one before it\n")
    assert "\nit was not compared with the stored checkpoint: the note has no Ed25519 signature by a key of" in out
    assert err.startswith(
        "apikeychain: the ledger of 'acme' holds, but was not compared with all that it ought to be: the stored "
        "checkpoint: the note has no Ed25519 signature by a key of"
    )
    code, out, _ = terminal.run("ledger", "verify", "acme", "--key", keys, "--json")
    document = json.loads(out)
    assert (code, document["holds"], document["complete"]) == (3, True, False)
    sql(terminal, "update ledger set actor = 'x' where seq = 2 and tenant = 'acme'")
    code, out, err = terminal.run("ledger", "verify", "acme", "--key", keys)
    assert (code, "it was not compared with the stored checkpoint" in out) == (1, True)
    assert "is broken at entry 2: edited" in err


def test_keys_that_are_none_are_refused(terminal: Terminal, project: str, tmp_path: Path) -> None:
    assert project
    assert "cannot be read" in terminal.refused("ledger", "verify", "acme", "--key", tmp_path / "missing")
    (tmp_path / "bad").write_text("x")
    assert "a key has base64" in terminal.refused("ledger", "verify", "acme", "--key", tmp_path / "bad")


@pytest.mark.usefixtures("project")
def test_a_proof_is_written_and_holds_by_the_keys(terminal: Terminal, keys: Path, tmp_path: Path) -> None:
    file = tmp_path / "entry-4.proof"
    assert terminal.told("ledger", "prove", "acme", 4, "--out", file) == (
        f"the proof of entry 4 of acme, by the checkpoint of {AT} on 5 entries, is in {file}\n"
    )
    assert file.stat().st_mode & 0o777 == 0o600
    assert terminal.read("ledger", "verify-proof", file, "--key", keys)["entry"] == 4
    assert "cannot be written: File exists" in terminal.refused("ledger", "prove", "acme", 3, "--out", file)
    file.unlink()
    facts = {"tenant": "acme", "entry": 4, "file": str(file), "entries": 5, "at": AT}
    assert terminal.read("ledger", "prove", "acme", 4, "--out", file) == facts
    printed = tmp_path / "printed"
    printed.write_text(terminal.told("ledger", "prove", "acme", 4), "utf-8")
    assert terminal.read("ledger", "verify-proof", printed, "--key", keys)["entry"] == 4
    assert json.loads(printed.read_text()) == json.loads(file.read_text())


def test_an_entry_that_is_not_signed_yet_is_told_with_what_to_do(terminal: Terminal, project: str) -> None:
    change(terminal, project)
    told = terminal.refused("ledger", "prove", "acme", 6)
    assert told.startswith(f"entry 6 of 'acme' is not signed: the last checkpoint, of {AT}, is on 5 entries; ")
    assert told.endswith("at once with: apikeychain ledger checkpoint")


def exported(terminal: Terminal, file: Path, *options: object) -> tuple[int, int, int]:
    """How many entries are in the file, how many of them are new, and how many newer ones there are."""
    told = terminal.read("ledger", "export", "acme", file, "--proofs", *options)
    assert (told["file"], told["at"], told["size"]) == (str(file), AT, 5)
    return told["entries"], told["added"], told["newer"]


def test_an_export_with_proofs_holds_by_the_keys(terminal: Terminal, project: str, keys: Path, tmp_path: Path) -> None:
    file = tmp_path / "acme.jsonl"
    change(terminal, project)
    assert terminal.told("ledger", "export", "acme", file, "--proofs") == (
        f"5 entries of acme are in {file}, each with its proof by the checkpoint of {AT} on 5 entries: 0 stood there, "
        "5 were added\n1 newer ones are not on it: they take another file, and a later checkpoint\n"
    )
    assert [json.loads(line["payload"])["seq"] for line in lines(file)[1:]] == [1, 2, 3, 4, 5]
    assert terminal.told("ledger", "verify-proof", file, "--key", keys) == (
        f"all 5 entries that acme had in the ledger of gate.example.com/ledger at {AT} are in the file, and hold\n"
    )
    assert terminal.read("ledger", "verify-proof", file, "--key", keys) == {
        "holds": True,
        "tenant": "acme",
        "exported": 5,
        "whole": True,
        "origin": "gate.example.com/ledger",
        "entries": 5,
        "at": AT,
    }


def test_a_part_of_an_export_is_told_as_a_part(terminal: Terminal, project: str, keys: Path, tmp_path: Path) -> None:
    assert project
    file = tmp_path / "acme.jsonl"
    assert exported(terminal, file, "--kind", "project.enabled") == (2, 2, 0)
    told = terminal.told("ledger", "verify-proof", file, "--key", keys)
    assert told.startswith("2 of the 5 entries that acme had")


def test_an_export_that_was_killed_is_gone_on_with_under_its_own_checkpoint(
    terminal: Terminal, project: str, tmp_path: Path
) -> None:
    file = tmp_path / "acme.jsonl"
    exported(terminal, file)
    whole = file.read_bytes()
    first = whole.index(b"\n") + 1
    for end in (0, 1, first - 1, first, first + 9, len(whole) - 1, len(whole)):
        file.write_bytes(whole[:end])
        stood = max(whole[:end].count(b"\n") - 1, 0)
        assert exported(terminal, file) == (5, 5 - stood, 0)
        assert file.read_bytes() == whole
    change(terminal, project, 2)
    sign(terminal, minutes=1)
    for end in (first, first + 9, len(whole)):
        file.write_bytes(whole[:end])
        assert exported(terminal, file)[::2] == (5, 2)
        assert file.read_bytes() == whole
    file.write_bytes(whole[: first - 9])
    assert "nothing was changed" in terminal.refused("ledger", "export", "acme", file, "--proofs")


def test_a_file_with_anything_else_is_left_as_it_is(terminal: Terminal, project: str, tmp_path: Path) -> None:
    assert project
    file = tmp_path / "acme.jsonl"
    terminal.told("tenant", "create", "other")
    sign(terminal, tenant=TenantId("other"))
    terminal.told("ledger", "export", "other", file, "--proofs")
    others = file.read_bytes()
    exported(terminal, tmp_path / "good")
    good = (tmp_path / "good").read_bytes()
    plain = tmp_path / "plain"
    terminal.told("ledger", "export", "acme", plain)
    for content, reason in (
        (others, f"'{file}' holds an export of the ledger of 'other': name another file; nothing was changed"),
        (plain.read_bytes(), f"'{file}' holds no export with proofs: name another file; nothing was changed"),
        (b"\xff\n", f"'{file}' holds no export with proofs: name another file; nothing was changed"),
        (good + b"{", f"'{file}' holds more behind line 6 than the ledger"),
        (good.replace(b'"path": ["', b'"path":  ["', 2), f"'{file}' holds something else behind line"),
    ):
        file.write_bytes(content)
        assert reason in terminal.refused("ledger", "export", "acme", file, "--proofs")
        assert file.read_bytes() == content


def test_a_ledger_that_was_changed_is_not_exported_with_proofs(
    terminal: Terminal, project: str, tmp_path: Path
) -> None:
    sql(terminal, "update ledger set hash = zeroblob(32) where seq = 4 and tenant = 'acme'")
    told = terminal.refused("ledger", "export", "acme", tmp_path / "new", "--proofs")
    assert told == f"the ledger of 'acme' is broken at entry 5: the checkpoint of {AT} signed other entries"


@pytest.mark.usefixtures("project")
def test_an_export_that_does_not_hold_is_told_with_its_line(terminal: Terminal, keys: Path, tmp_path: Path) -> None:
    file = tmp_path / "acme.jsonl"
    exported(terminal, file)
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b"project.disabled", b"project.enabled"))
    reason = "line 5 does not hold: the path through the tree of the chain leads to another root"
    code, out, err = terminal.run("ledger", "verify-proof", file, "--key", keys, "--json")
    assert (code, json.loads(out), err) == (1, {"holds": False, "reason": reason}, f"apikeychain: {reason}\n")
    file.write_bytes(whole[:-1])
    assert "line 6 does not end" in terminal.refused("ledger", "verify-proof", file, "--key", keys)


@pytest.mark.usefixtures("project")
def test_a_terminal_sees_how_far_proofs_are(
    terminal: Terminal, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    file = tmp_path / "acme.jsonl"
    for arguments, words in (
        (("prove", "acme", 4, "--out", tmp_path / "proof"), ["reading"]),
        (("export", "acme", file, "--proofs"), ["reading", "exporting"]),
        (("verify-proof", file, "--key", keys), ["verifying"]),
    ):
        code, _, err = terminal.run("ledger", *arguments)
        assert code == 0
        assert all(word in err for word in words)


def put_platform_entry(terminal: Terminal) -> None:
    async def put() -> None:
        async with SQLStore.sqlite(terminal.data / DATABASE) as store:
            await store.append_many({chain.PLATFORM: [chain.admin("key.rotated", at=NOON, actor="cli")]})

    asyncio.run(put())


def test_the_chain_of_the_platform_has_its_own_name(terminal: Terminal, keys: Path, tmp_path: Path) -> None:
    terminal.project()
    put_platform_entry(terminal)
    size = len(terminal.read("ledger", "list", "platform"))
    assert terminal.read("ledger", "list", "platform", "--kind", "key.rotated")[-1]["actor"] == "cli"
    assert "key.rotated" in terminal.told("ledger", "tail", "platform")
    assert terminal.read("ledger", "show", "platform", size)["holds"] is True
    assert terminal.read("ledger", "verify", "platform")["entries"] == size
    assert terminal.read("ledger", "export", "platform", tmp_path / "platform.jsonl")["entries"] == size
    sign(terminal, tenant=chain.PLATFORM)
    terminal.told("ledger", "prove", "platform", 1, "--out", tmp_path / "proof")
    assert terminal.read("ledger", "verify-proof", tmp_path / "proof", "--key", keys)["tenant"] == "platform"
    told = terminal.refused("ledger", "list", "platform", "--project", "shop")
    assert told == "there is no tenant 'platform' whose projects have names: name this one by its id"


def test_the_chain_of_a_tenant_that_is_gone_can_be_read(terminal: Terminal) -> None:
    async def remove() -> None:
        async with SQLStore.sqlite(terminal.data / DATABASE) as store, store.tenant(TenantId("gone")) as rows:
            stored = await rows.get(Tenant, ())
            assert stored
            await rows.remove(Tenant, (), stored.generation)

    terminal.told("tenant", "create", "gone")
    asyncio.run(remove())
    assert "there is no tenant" in terminal.refused("tenant", "show", "gone")
    assert terminal.read("ledger", "verify", "gone")["entries"] == 1
    project = "p_" + "a" * 20
    assert terminal.read("ledger", "list", "gone", "--project", project) == []
    told = terminal.refused("ledger", "verify", "nobody")
    assert told == "there is no tenant 'nobody', and no ledger of one that is gone"
