"""How long the import takes of what a host imports, and that it loads nothing that is needed later."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_LATE = ("sqlalchemy", "alembic", "aiobotocore", "botocore", "asyncpg", "redis", "aiohttp", "httpx")
_PROGRAM = """
import json, sys, time
began = time.perf_counter()
import apikeychain
from apikeychain import APIKeyChain, APIKeyChainMiddleware
taken = time.perf_counter() - began
print(json.dumps([taken, sorted(name for name in sys.modules if "." not in name)]))
"""


@dataclass(frozen=True, slots=True)
class StartUp:
    """What was found: `seconds` of the import, and which of the packages that are needed `later` it loaded."""

    seconds: float
    later: Sequence[str]


def measure(rounds: int) -> StartUp:
    """Each time in a process of its own; the first compiles, as an installer does, and does not count."""
    with tempfile.TemporaryDirectory() as compiled:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        told = [_import(environment) for _ in range(rounds + 1)]
    loaded = set(told[0][1])
    return StartUp(statistics.median(seconds for seconds, _ in told[1:]), [name for name in _LATE if name in loaded])


def _import(environment: Mapping[str, str]) -> tuple[float, list[str]]:
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", _PROGRAM], stdout=subprocess.PIPE, text=True, check=True, env=environment
    )
    seconds, modules = json.loads(done.stdout)
    return seconds, modules
