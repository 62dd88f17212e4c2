"""A program that publishes one checkpoint behind the other to a file, and says each one that was acknowledged."""

import asyncio
import sys

from apikeychain.backends.file_witness import FileWitness
from apikeychain.proof.checkpoint import Statement
from apikeychain.testing.checkpoints import ACME, extension, written

CHAIN = written(ACME, 400)


async def write(path: str) -> None:
    """Until it is killed."""
    async with FileWitness(path) as witness:
        last = await witness.latest(ACME)
        size = Statement.parse(last.statement).size if last else 0
        while size < len(CHAIN):
            await witness.publish([extension(CHAIN[: size + 1], size, size)])
            size += 1
            print(size, flush=True)  # noqa: T201  # whoever kills it reads along


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1]))
