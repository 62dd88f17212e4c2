"""`apikeychain secret`. A secret comes from a prompt, stdin, a file or the environment, never from the command line."""

import getpass
import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from apikeychain.cli.invocation import Call
from apikeychain.errors import InvalidValueError
from apikeychain.secret import MAX_BYTES, Secret
from apikeychain.tenants.secrets import SecretInfo

app = App(name="secret", help="Secrets of providers: put, never read back.")
_COLUMNS = ["name", "provider", "version", "fingerprint", "changed"]


@app.command
async def put(
    project: str,
    name: str,
    /,
    *,
    provider: str | None = None,
    stdin: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    file: Path | None = None,
    env: str | None = None,
    call: Call,
) -> None:
    """Put a secret; it is asked for without echo unless you say where it is.

    The value is never an argument: command lines are seen by others and kept in histories.

    Args:
        project: its id p_..., or TENANT/NAME.
        name: of the secret; routes ask for that of their provider unless they name another.
        provider: the only one that it is sent to; without this, the one named like the secret.
        stdin: read it from standard input.
        file: read it from this file.
        env: take it from the environment variable of this name.
    """
    async with call.project(project) as found:
        given = _given(name, stdin=stdin, file=file, env=env)
        info = await found.put_secret(name, given, provider=provider or name)
    sentence = f"secret {name} is put for {info.provider}: version {info.version}, fingerprint {info.fingerprint}"
    call.done(sentence, project=found.id, **_facts(info))


@app.command(name="list")
async def list_(project: str, /, *, call: Call) -> None:
    """List secrets: all but their values.

    Args:
        project: its id p_..., or TENANT/NAME.
    """
    async with call.project(project) as found:
        rows = [_facts(info) for info in await found.list_secrets()]
    nothing = f"{found.name} has no secret; put one with: apikeychain secret put {found.id} NAME"
    call.many(rows, _COLUMNS, nothing)


@app.command
async def remove(project: str, name: str, /, *, call: Call) -> None:
    """Remove a secret: routes that send it answer 503 from then on.

    Args:
        project: its id p_..., or TENANT/NAME.
        name: of the secret.
    """
    async with call.project(project) as found:
        await found.remove_secret(name)
    call.done(f"secret {name} is removed", project=found.id, name=name, removed=True)


def read_secret(path: Path) -> Secret:
    """The secret in a file, with or without a line break at its end.

    Raises:
        InvalidValueError: it cannot be read, or does not hold a secret.
    """
    try:
        with path.open("rb") as file:
            return _secret(file.read(MAX_BYTES + 2))
    except OSError as error:
        msg = f"the file {str(path)!r} cannot be read: {error.strerror}"
        raise InvalidValueError(msg) from None


def _given(name: str, *, stdin: bool, file: Path | None, env: str | None) -> Secret:
    if stdin + (file is not None) + (env is not None) > 1:
        msg = "say one of --stdin, --file and --env"
        raise InvalidValueError(msg)
    if env is not None:
        return _from_env(env)
    if file is not None:
        return read_secret(file)
    with _interruptible():
        return _secret(sys.stdin.buffer.read(MAX_BYTES + 2)) if stdin else _asked(name)


def _asked(name: str) -> Secret:
    if not sys.stdin.isatty():
        msg = "there is no terminal to ask for the secret: say --stdin, --file PATH or --env NAME"
        raise InvalidValueError(msg)
    try:
        return Secret(getpass.getpass(f"Secret {name} (not shown): "))
    except EOFError:
        msg = "no secret was given"
        raise InvalidValueError(msg) from None


@contextmanager
def _interruptible() -> Generator[None, None, None]:
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


def _facts(info: SecretInfo) -> dict[str, object]:
    return {
        "name": info.name,
        "provider": info.provider,
        "version": info.version,
        "fingerprint": info.fingerprint,
        "created": info.created,
        "changed": info.changed,
    }
