"""A terminal of 80 columns in an empty folder, as a fixture."""

import os
from pathlib import Path

import pytest

from terminal import Terminal


@pytest.fixture
def terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    for name in [name for name in os.environ if name.startswith("APIKEYCHAIN_")]:
        monkeypatch.delenv(name)
    return Terminal(tmp_path / "data", capsys)
