"""The `apikeychain` command."""

import sys
from collections.abc import Sequence

from apikeychain.errors import MissingExtraError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: instead of those of the process.

    Returns:
        0, 1 for an error that was told on stderr, 2 for a command line that is wrong.
    """
    try:
        from apikeychain.cli.app import run  # noqa: PLC0415 - cyclopts and rich may be missing
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in {"cyclopts", "rich"}:
            raise
        sys.stderr.write(f"apikeychain: {MissingExtraError('the command', 'cli')}\n")
        return 1
    return run(sys.argv[1:] if arguments is None else list(arguments))
