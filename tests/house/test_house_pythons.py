"""The other Pythons: unit and pipeline tests on each interpreter that is installed beside this one."""

import os
from pathlib import Path

import pytest

from command import run

_PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
_OTHERS = [path for minor in ("3.12", "3.13") for path in sorted(_PYENV.glob(f"{minor}.*/bin/python"))]


@pytest.mark.long
@pytest.mark.parametrize("python", _OTHERS, ids=lambda path: path.parts[-3])
def test_unit_and_pipeline_pass_on_another_python(python: Path, tmp_path: Path) -> None:
    run(python, "-m", "venv", tmp_path / "venv")
    other = tmp_path / "venv" / "bin" / "python"
    run(other, "-m", "pip", "install", "--quiet", "-e", ".[dev]")
    told = run(other, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit", "tests/pipeline")
    assert " passed" in told
