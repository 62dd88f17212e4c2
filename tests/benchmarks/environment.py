"""What has to be here first: nginx and wrk from the system, and an environment for the gate and its peers.

They run on the same versions of server and clients, so that a ratio compares the proxies and nothing else, and on the
parts of uvicorn that are fast, which the tests do without.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

_TOOLS = {"nginx": "nginx-light", "wrk": "wrk"}
_ROOT = Path(__file__).resolve().parents[2]
_FAST = ("httptools==0.9.0", "uvloop==0.23.0")
_SAME = ("aiohttp", "cryptography", "granian", "httpx", "multidict", "starlette", "uvicorn", "yarl")
_EXTRAS = "embedded,postgres,valkey"
_PEERS = ("asgiproxy==0.2.0", "fastapi-proxy-lib[standard]==0.3.0", "sniffio==1.3.1")


class MissingToolError(Exception):
    """Something has to be installed first; the text says how."""


def require_tools() -> None:
    """Have nginx and wrk; where this user may, install what is missing.

    Raises:
        MissingToolError: this user may not.
    """
    os.environ["PATH"] += ":/usr/sbin"
    missing = [package for tool, package in _TOOLS.items() if shutil.which(tool) is None]
    if not missing:
        return
    if os.geteuid():
        msg = f"install first: apt-get install {' '.join(missing)}"
        raise MissingToolError(msg)
    _run("apt-get", "update", "-qq")
    _run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing)


def made_python() -> str:
    """The interpreter of that environment, which is made once and kept in the user's cache."""
    wanted = [
        *_FAST,
        *(f"{name}=={version(name)}" for name in _SAME),
        *_PEERS,
        "-e",
        f"{_ROOT}[{_EXTRAS}]",
    ]
    name = hashlib.sha256("\n".join([sys.version, *wanted]).encode()).hexdigest()[:16]
    folder = Path.home() / ".cache" / "apikeychain-benchmarks" / name
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        sys.stderr.write(f"installing the gate and its peers into {folder}\n")
        _run(sys.executable, "-m", "venv", "--clear", str(folder))
        _run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted)
        (folder / "complete").touch()
    return str(python)


def _run(*command: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)  # noqa: S603 - our own commands
