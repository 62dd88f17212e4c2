"""The wheel holds the whole package, and works without the source tree, also for whoever writes a plug."""

import re
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from command import ROOT, module, run

PACKAGE = ROOT / "src" / "apikeychain"
_PAGES = {"custom_store": "write-a-store", "custom_key_service": "write-a-key-service"}
_CONTRACT = re.compile(r"^```python\n((?:(?!```).)*class Test.*?)^```$", re.MULTILINE | re.DOTALL)
_SERVERS = """
pytest_plugins = ["apikeychain.testing.fixtures"]


def test_the_servers_of_the_extra_start(postgres, valkey, openbao, s3):
    assert postgres.execute("SELECT 1") == "1"
    assert valkey.ask("PING")
    assert openbao.ask("GET", "sys/health")["initialized"]
    assert s3.is_running
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    module("hatchling", "build", "-t", "wheel", "-d", folder)
    (built,) = folder.glob("*.whl")
    return built


def test_every_file_of_the_package_is_in_the_wheel(wheel: Path) -> None:
    source = {str(path.relative_to(PACKAGE.parent)) for path in PACKAGE.rglob("*") if path.is_file()}
    expected = {name for name in source if "__pycache__" not in name}
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("apikeychain/")}
    assert packed == expected
    assert "apikeychain/py.typed" in packed
    assert any("migrations" in name for name in packed)


def test_the_wheel_carries_the_license_and_the_description(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = [name for name in archive.namelist() if name.endswith("METADATA")]
        assert any(name.endswith("LICENSE") for name in archive.namelist())
        assert "pip install -e '.[dev]' && pytest" in archive.read(metadata).decode()


def test_the_installed_wheel_runs_without_the_source_tree(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    module("pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile", "--target", site, wheel)
    installed = {"PYTHONPATH": str(site)}
    where = run(sys.executable, "-c", "import apikeychain; print(apikeychain.__file__)", cwd=tmp_path, env=installed)
    assert Path(where.strip()).is_relative_to(site)
    assert "apikeychain" in run(site / "bin" / "apikeychain", "--help", cwd=tmp_path, env=installed)
    program = "from apikeychain.client import browser_script; print(browser_script().decode(), end='')"
    script = run(sys.executable, "-c", program, cwd=tmp_path, env=installed)
    assert script == (PACKAGE / "client" / "apikeychain.js").read_text()


@pytest.fixture
def author(tmp_path: Path) -> Path:
    """A project of somebody who writes plugs: two of them, and for each the test module that its page shows."""
    project = tmp_path / "author"
    project.mkdir()
    (project / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    for plug, page in _PAGES.items():
        shutil.copy(ROOT / "examples" / f"{plug}.py", project)
        shown = _CONTRACT.search((ROOT / "docs" / "how-to" / f"{page}.md").read_text())
        assert shown
        (project / f"test_{plug}.py").write_text(shown[1])
    return project


def _contracts_pass(python: str | Path, author: Path, **environment: str) -> str:
    command = (python, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    told = run(*command, cwd=author, env={"PYTHONSAFEPATH": "", "PYTHONPATH": str(author)} | environment)
    assert re.search(r"^2[0-9] passed", told, re.MULTILINE), told
    return told


def test_an_author_runs_the_contracts_of_an_installed_wheel(wheel: Path, tmp_path: Path, author: Path) -> None:
    site = tmp_path / "site"
    module("pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile", "--target", site, wheel)
    paths = f"{site}:{author}"
    where = run(sys.executable, "-c", "import apikeychain.testing as it; print(it.__file__)", env={"PYTHONPATH": paths})
    assert Path(where.strip()).is_relative_to(site)
    _contracts_pass(sys.executable, author, PYTHONPATH=paths)


@pytest.mark.long
def test_an_author_needs_the_extra_and_nothing_else(wheel: Path, tmp_path: Path, author: Path) -> None:
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", f"{wheel}[testing]")
    (author / "test_servers.py").write_text(_SERVERS)
    _contracts_pass(python, author)
