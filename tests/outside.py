"""Attack cases and published vectors that other people wrote, read from outside the project where they exist."""

import json
import os
from pathlib import Path
from typing import Any

_BESIDE = Path(__file__).resolve().parents[2] / "shared"
CASES = Path(os.environ.get("APIKEYCHAIN_CASES", _BESIDE / "cases"))
VECTORS = Path(os.environ.get("APIKEYCHAIN_VECTORS", _BESIDE / "vectors"))


def cases(name: str) -> list[dict[str, Any]]:
    """The cases of one topic, or none where the folder is absent."""
    path = CASES / f"{name}.json"
    return list(json.loads(path.read_text())["cases"]) if path.exists() else []


def vectors(name: str) -> list[dict[str, Any]]:
    """The test groups of one published vector file, or none where the folder is absent."""
    path = VECTORS / f"{name}.json"
    return list(json.loads(path.read_text())["testGroups"]) if path.exists() else []
