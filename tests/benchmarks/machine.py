"""This machine: what it is, which cores are whose, and what a process and its children have used.

Source: proc(5), ``schedstat``, ``status``, ``clear_refs``.
"""

import os
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("aiohttp", "cryptography", "granian", "httpx", "sqlalchemy", "starlette", "uvicorn")
_PROC = Path("/proc")
_CORES = sorted(os.sched_getaffinity(0))

# The proxies have one core for themselves; load and provider share the other.
PROXY_CORE, LOAD_CORE = _CORES[0], _CORES[-1]


def card() -> dict[str, str]:
    """What the figures were measured on, by name."""
    cpu = _line_of(_PROC / "cpuinfo", "model name")
    memory = int(_line_of(_PROC / "meminfo", "MemTotal").split()[0]) / 2**20
    return {
        "processor": f"{cpu}, {len(_CORES)} cores",
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
        "nginx": _told(["nginx", "-v"]).rpartition("/")[2],
        "wrk": _told(["wrk", "-v"]).split()[1],
    }


def family(pid: int) -> list[int]:
    """The process and all that come from it."""
    found, waiting = [], [pid]
    while waiting:
        each = waiting.pop()
        found.append(each)
        waiting += [int(child) for file in _PROC.glob(f"{each}/task/*/children") for child in _read(file).split()]
    return found


def cpu_seconds(pid: int) -> float:
    """What the threads of the process and of its children have had of the processor."""
    files = (file for each in family(pid) for file in _PROC.glob(f"{each}/task/*/schedstat"))
    return sum(int(line.split()[0]) for line in map(_read, files) if line) / 1e9


def memory_bytes(pid: int, kind: str = "VmRSS") -> int:
    """What they hold in memory; with the kind ``VmHWM`` the most that they have held since `forget_peak`."""
    lines = (line for each in family(pid) for line in _read(_PROC / f"{each}/status").splitlines())
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{kind}:"))


def forget_peak(pid: int) -> None:
    """Begin anew with what they have held at most."""
    for each in family(pid):
        (_PROC / f"{each}/clear_refs").write_text("5", encoding="ascii")


def open_files(pid: int) -> int:
    """The file descriptors that they hold."""
    return sum(len(list(_PROC.glob(f"{each}/fd/*"))) for each in family(pid))


def _line_of(path: Path, name: str) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "unknown")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _told(command: Sequence[str]) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)  # noqa: S603 - our own command
    return done.stdout.strip()
