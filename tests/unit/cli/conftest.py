"""A terminal of 80 columns in an empty folder."""

from pathlib import Path

import pytest

from terminal import Terminal


@pytest.fixture
def terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("APIKEYCHAIN_DATA", raising=False)
    return Terminal(tmp_path / "data", capsys)
