"""Other processes that use a keychain, for tests of what happens between two of them."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import IO

import canary
from command import unmeasured
from key_costs import LEAST

_FRAME = """
import asyncio, sys
from pathlib import Path
from apikeychain import APIKeyChain, APIKeyChainSettings, HeaderCredential, Provider, Secret, primitives
QUICK = APIKeyChainSettings(kdf="pbkdf2-sha512")
vars(primitives).update({costs})

async def main(directory, *arguments):
    keychain = APIKeyChain.embedded(directory, settings=QUICK)
{body}

try:
    asyncio.run(main(*sys.argv[1:]))
except Exception as error:
    print(f"{{type(error).__name__}}: {{error}}", flush=True)
    sys.exit(1)
"""


def program(body: str) -> str:
    """A script whose `body` has a `keychain` on `directory`."""
    return _FRAME.format(body="\n".join(f"    {line}" for line in body.strip().splitlines()), costs=LEAST)


def run_other(body: str, *arguments: object) -> tuple[int, str]:
    """Exit code and output of a process that ran `body`."""
    done = subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-c", program(body), *map(str, arguments)],
        stdout=subprocess.PIPE,
        env=unmeasured(),
        text=True,
        check=False,
        timeout=60,
    )
    canary.hear("what another process says", done.stdout)
    return done.returncode, done.stdout.strip()


@contextmanager
def other_running(body: str, *arguments: object) -> Generator[tuple["subprocess.Popen[str]", IO[str]], None, None]:
    """A process that runs `body`, killed at the end of the block, and its output."""
    process = subprocess.Popen(  # noqa: S603  # our own program
        [sys.executable, "-c", program(body), *map(str, arguments)], stdout=subprocess.PIPE, env=unmeasured(), text=True
    )
    assert process.stdout
    try:
        yield process, process.stdout
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


async def until_open(port: int, process: asyncio.subprocess.Process) -> None:
    """Wait until somebody listens on the port.

    Raises:
        RuntimeError: the process that should has ended.
    """
    async with asyncio.timeout(60):
        while process.returncode is None:
            with contextlib.suppress(ConnectionError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.05)
    msg = "the server did not start"
    raise RuntimeError(msg)
