"""What the page on compliance names exists: modules, settings and tests; and it says what is not there."""

import dataclasses
import re

from apikeychain.environment.variables import PLUGS, PREFIX, SETTINGS
from apikeychain.model.records import Project
from apikeychain.settings import APIKeyChainSettings
from command import ROOT

_PAGE = ROOT / "docs" / "explanation" / "compliance.md"
_HEAD = ["requirement", "what is there", "code", "setting", "shown by", "yours"]
_SOURCE = ROOT / "src" / "apikeychain"


def _rows() -> list[dict[str, str]]:
    lines = [line.strip("| ").split(" | ") for line in _PAGE.read_text().splitlines() if line.startswith("| ")]
    return [dict(zip(_HEAD, line, strict=True)) for line in lines if line != _HEAD and set(line) != {"---"}]


def _named(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", cell))


def test_every_module_setting_and_test_of_the_page_exists() -> None:
    files = [*(ROOT / "tests").rglob("*.py"), *(_SOURCE / "testing").rglob("*.py")]
    tests = {name for file in files for name in re.findall(r"def (test_\w+)", file.read_text())}
    fields = {field.name for cls in (APIKeyChainSettings, Project) for field in dataclasses.fields(cls)}
    settings = fields | {PREFIX + name for name in (*PLUGS, *SETTINGS)}
    rows = _rows()
    assert len(rows) > 30
    assert [name for row in rows for name in sorted(_named(row["code"])) if not (_SOURCE / name).is_file()] == []
    assert [name for row in rows for name in sorted(_named(row["setting"]) - settings)] == []
    assert [name for row in rows for name in sorted(_named(row["shown by"]) - tests)] == []


def test_a_row_shows_what_it_says_or_says_that_it_is_not_there() -> None:
    for row in _rows():
        assert row["yours"], row
        for column in ("code", "setting", "shown by"):
            assert bool(_named(row[column])) == (row[column] != "none"), row
        if row["shown by"] == "none":
            assert row["what is there"].startswith("*Not here*"), row
        else:
            assert row["code"] != "none", row
