"""An auditor copies one room of the package, and needs nothing else of it."""

import shutil
import sys
from pathlib import Path

from command import ROOT, run
from signed_ledgers import TRUSTED, a_proof

# `_cffi_backend` and `_openssl` are parts of cryptography.
_PROGRAM = """
import sys
from pathlib import Path

before = set(sys.modules)
from apikeychain.proof.entry import parse_proof, verify_proof
from apikeychain.proof.note import parse_keys

proven = verify_proof(parse_proof(Path("entry.proof").read_text("utf-8")), parse_keys(Path("gate.keys").read_text()))
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
print(proven.seq, *sorted(loaded - sys.stdlib_module_names - {"_cffi_backend", "_openssl"}))
print(*sorted(name for name in sys.modules if name.startswith("apikeychain.")))
"""
_ROOM = ["checkpoint", "entry", "note", "reading", "tree"]


def test_the_room_verifies_without_the_rest_of_the_package(tmp_path: Path) -> None:
    room = tmp_path / "apikeychain" / "proof"
    shutil.copytree(ROOT / "src" / "apikeychain" / "proof", room, ignore=shutil.ignore_patterns("__pycache__"))
    (room.parent / "__init__.py").touch()
    (tmp_path / "entry.proof").write_text(a_proof(7).text, "utf-8")
    (tmp_path / "gate.keys").write_text("\n".join(map(str, TRUSTED)))
    told = run(sys.executable, "-c", _PROGRAM, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)})
    assert told.splitlines() == [
        "7 apikeychain cryptography",
        " ".join(["apikeychain.proof", *(f"apikeychain.proof.{name}" for name in _ROOM)]),
    ]
