"""Runs a tool the way a person would, and shows all that it said when it fails."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import canary

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = Path(sysconfig.get_path("scripts"))


def run(
    *command: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None, expected: int = 0, seconds: int = 600
) -> str:
    """The output of `command`, which must end with `expected`. It is not measured: it looks at files, not into src."""
    done = subprocess.run(  # noqa: S603  # the commands are written in the tests
        [str(part) for part in command],
        cwd=cwd,
        env=unmeasured() | (env or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=seconds,
    )
    canary.hear("what a command says", done.stdout)
    told = f"$ {' '.join(map(str, command))}\n{done.stdout}"
    assert done.returncode == expected, f"{told}\nended with {done.returncode}, expected {expected}"
    return done.stdout


def unmeasured() -> dict[str, str]:
    """The environment of a process that is not measured: one that a signal ends would leave broken data behind."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "COV_", "PYTEST_"))}


def module(name: str, *arguments: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    """The output of ``python -m name``."""
    return run(sys.executable, "-m", name, *arguments, cwd=cwd, env=env)
