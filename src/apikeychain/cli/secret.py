"""`apikeychain secret`. A secret comes from a prompt, stdin, a file or the environment, never from the command line."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from apikeychain.cli.given import given_secret
from apikeychain.cli.invocation import Call
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
        given = given_secret(f"Secret {name}", stdin=stdin, file=file, env=env)
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


def _facts(info: SecretInfo) -> dict[str, object]:
    return {
        "name": info.name,
        "provider": info.provider,
        "version": info.version,
        "fingerprint": info.fingerprint,
        "created": info.created,
        "changed": info.changed,
    }
