"""`apikeychain ledger checkpoint`, `keys` and `rotate-keys`."""

import json
import sqlite3

from apikeychain.cli import checkpoints
from apikeychain.model.checkpoint_round import CheckpointRound, Publication
from apikeychain.model.ids import TenantId
from apikeychain.proof.key_list import follow
from apikeychain.proof.note import parse_keys
from terminal import Terminal


def test_a_round_now_signs_what_moved(terminal: Terminal) -> None:
    terminal.project()
    came = terminal.read("ledger", "checkpoint")
    assert (came["signed"], came["broken"]) == ({"acme": 2, "platform": 2}, {})
    assert terminal.told("ledger", "checkpoint").splitlines()[0] == "0 chains have a new checkpoint"


def test_a_chain_that_does_not_hold_is_told_and_counts_as_a_failure(terminal: Terminal) -> None:
    terminal.project()
    database = sqlite3.connect(terminal.data / "apikeychain.sqlite3")
    database.execute("UPDATE ledger SET actor = 'nobody' WHERE tenant = 'acme' AND seq = 2")
    database.commit()
    database.close()
    code, out, _ = terminal.run("ledger", "checkpoint")
    assert code == 1
    assert "acme has none: the ledger of 'acme' is broken at entry 2: " in out
    code, out, _ = terminal.run("ledger", "checkpoint", "--json")
    assert (code, json.loads(out)["signed"]) == (1, {})


def test_what_became_of_them_at_each_witness_is_told() -> None:
    acme, other = TenantId("acme"), TenantId("other")
    publications = [
        Publication("witness 1 (FileWitness)", kept=[acme]),
        Publication("witness 2 (S3Witness)", refused={other: "it was cut", TenantId(""): "others are kept"}),
        Publication("witness 3 (S3Witness)", fault="it does not answer"),
    ]
    assert [*checkpoints.told(CheckpointRound({acme: 3}, {other: "it does not hold"}, publications))] == [
        "1 chains have a new checkpoint",
        "other has none: it does not hold",
        "witness 1 (FileWitness) has 1 of them now",
        "witness 2 (S3Witness) has 0 of them now",
        "witness 2 (S3Witness) refused other: it was cut",
        "witness 2 (S3Witness) refused the key lists: others are kept",
        "witness 3 (S3Witness) has 0 of them now",
        "witness 3 (S3Witness): it does not answer",
    ]


def test_the_keys_are_lines_and_each_pair_vouches_for_the_next(terminal: Terminal) -> None:
    terminal.told("tenant", "create", "acme")
    code, out, err = terminal.run("ledger", "keys")
    assert (code, out, err) == (0, "", "apikeychain: there are no keys yet: the first checkpoint makes them\n")
    terminal.told("ledger", "checkpoint")
    first = terminal.told("ledger", "keys")
    told = terminal.told("--actor", "operator", "ledger", "rotate-keys")
    assert told.startswith("these keys sign from now on; give them to whoever verifies:\n")
    assert terminal.told("ledger", "keys") == first + told.partition("\n")[2]
    assert len(parse_keys(terminal.told("ledger", "keys"))) == 4
    lists = terminal.read("ledger", "keys", "--lists")["lists"]
    assert [*follow(lists, parse_keys(first))] == parse_keys(terminal.told("ledger", "keys"))
    assert terminal.told("ledger", "keys", "--lists") == "\n".join(lists) + "\n"
    assert terminal.read("ledger", "keys")["keys"] == terminal.told("ledger", "keys").splitlines()
