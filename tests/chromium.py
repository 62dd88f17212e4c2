"""Real Chromium, from Debian's packages."""

from pathlib import Path

import pytest

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def require(chromium: Path) -> Path:
    if not chromium.exists():
        pytest.fail("Chromium is missing: apt-get install -y chromium", pytrace=False)
    return chromium
