"""The wheel holds the whole package, and works without the source tree."""

import sys
import zipfile
from pathlib import Path

import pytest

from command import ROOT, module, run

PACKAGE = ROOT / "src" / "apikeychain"


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
