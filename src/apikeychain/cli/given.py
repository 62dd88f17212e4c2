"""A secret that a command is given: from a prompt, stdin, a file or the environment, never from the command line."""

import getpass
import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from apikeychain.cli.files import unreadable
from apikeychain.errors import InvalidValueError
from apikeychain.secret import MAX_BYTES, Secret


def read_secret(path: Path) -> Secret:
    """The secret in a file, with or without a line break at its end.

    Raises:
        InvalidValueError: it cannot be read, or does not hold a secret.
    """
    try:
        with path.open("rb") as file:
            return _secret(file.read(MAX_BYTES + 2))
    except OSError as error:
        raise unreadable(path, error) from None


def given_secret(what: str, *, stdin: bool, file: Path | None, env: str | None) -> Secret:
    """The secret from where it is, or asked for without echo.

    Args:
        what: it is, for the prompt.
        stdin: whether it comes from standard input.
        file: it is in this file.
        env: it is in the environment variable of this name.

    Raises:
        InvalidValueError: more than one of them, or there is no secret. The text never holds what was given.
    """
    if stdin + (file is not None) + (env is not None) > 1:
        msg = "say one of --stdin, --file and --env"
        raise InvalidValueError(msg)
    if env is not None:
        return _from_env(env)
    if file is not None:
        return read_secret(file)
    with interruptible():
        return _secret(sys.stdin.buffer.read(MAX_BYTES + 2)) if stdin else _asked(what)


def _asked(what: str) -> Secret:
    if not sys.stdin.isatty():
        msg = "there is no terminal to ask for the secret: say --stdin, --file PATH or --env NAME"
        raise InvalidValueError(msg)
    try:
        return Secret(getpass.getpass(f"{what} (not shown): "))
    except EOFError:
        msg = "no secret was given"
        raise InvalidValueError(msg) from None


@contextmanager
def interruptible() -> Generator[None, None, None]:
    """Ctrl-C ends a wait for input at once: the handler of an event loop only notes it until the input is there."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _from_env(name: str) -> Secret:
    # Not Secret.from_env: it shows the name, and here people put the value in its place.
    value = os.environ.get(name)
    if not value:
        msg = "there is no environment variable of that name: --env takes its name, not its value"
        raise InvalidValueError(msg)
    return Secret(value)


def _secret(raw: bytes) -> Secret:
    return Secret(raw.removesuffix(b"\n").removesuffix(b"\r").decode("latin-1"))
