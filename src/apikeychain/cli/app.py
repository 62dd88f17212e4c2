"""The tree of commands, the options that all of them take, and how errors are told."""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Group, Parameter, UnusedCliTokensError

from apikeychain import __version__
from apikeychain.cli import (
    alert,
    apply,
    asset,
    checkpoints,
    doctor,
    keys,
    ledger,
    ledger_prove,
    ledger_retain,
    ledger_verify,
    migrate,
    origin,
    platform_key,
    project,
    provider,
    rotation,
    route,
    secret,
    sign,
    signing_key,
    suspension,
    tenant,
    tenant_erase,
    verify_proof,
    watch,
)
from apikeychain.cli.invocation import Invocation
from apikeychain.cli.output import complain
from apikeychain.errors import APIKeyChainError

USAGE = 2
INTERRUPTED = 130

app = App(
    name="apikeychain",
    help="Manage what browsers may call, and the keys that they never see.",
    version=__version__,
    help_format="plaintext",
)
app.command(platform_key.app)
app.command(keys.app)
for _noun in (
    tenant.app,
    project.app,
    origin.app,
    provider.app,
    route.app,
    secret.app,
    rotation.app,
    signing_key.app,
    asset.app,
    alert.app,
    watch.app,
):
    app.command(_noun)
app.command(ledger.app)
ledger.app.command(ledger_verify.verify)
ledger.app.command(ledger_prove.prove)
ledger.app.command(verify_proof.verify_proof)
for _verb in (checkpoints.checkpoint, checkpoints.keys, checkpoints.rotate_keys):
    ledger.app.command(_verb)
ledger.app.command(ledger_retain.retain)
tenant.app.command(tenant_erase.erase)
project.app.command(suspension.suspend)
project.app.command(suspension.lift)
app.command(apply.apply)
app.command(sign.sign)
app.command(migrate.migrate)
app.command(doctor.doctor)


@app.command
async def demo(*, once: bool = False, directory: Path | None = None, port: int = 8000) -> int:
    """Show the whole job on this machine: a host, a stand-in provider, a page.

    Args:
        once: run through all of it without a browser, print what happened, and end.
        directory: keep the demo's data here instead of in a temporary directory.
        port: of the page, on 127.0.0.1.
    """
    from apikeychain.cli.demo.command import demo as play  # noqa: PLC0415 - it needs the extra `demo`

    return await play(once=once, directory=directory, port=port)


app.meta.suppress_keyboard_interrupt = False
_everywhere = Group("Options of every command", sort_key=100)


@app.meta.default
async def _start(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    data: Annotated[Path | None, Parameter(group=_everywhere)] = None,
    json: Annotated[bool, Parameter(group=_everywhere, negative="", show_default=False)] = False,
    actor: Annotated[str | None, Parameter(group=_everywhere)] = None,
    development: Annotated[bool, Parameter(group=_everywhere, negative="", show_default=False)] = False,
) -> object:
    """Parse what all commands take, then run the one that was named.

    Args:
        tokens: the command and its own arguments.
        data: the data directory of the keychain; else what APIKEYCHAIN_DATABASE_URL or APIKEYCHAIN_DATA say.
        json: answer with one JSON document.
        actor: the label of who does this, for the ledger: no name, no address; cli without it. For ledger list, tail
            and export: only what this label did.
        development: take http origins on localhost, for a keychain that runs in development.
    """
    command, bound, ignored = app.parse_args(tokens, exit_on_error=False, print_error=False)
    if "call" in ignored:
        call = Invocation(data=data, label=actor, development=development, json=json)
        bound.arguments["call"] = call
    result = command(*bound.args, **bound.kwargs)
    return await result if inspect.isawaitable(result) else result


def run(arguments: Sequence[str]) -> int:
    """Run one command line and tell its errors. Returns the exit code."""
    try:
        result = app.meta(
            list(arguments), exit_on_error=False, print_error=False, result_action="return_value", backend="asyncio"
        )
    except CycloptsError as error:
        return _usage(error)
    except APIKeyChainError as error:
        complain(str(error))
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return result if isinstance(result, int) else 0


def _usage(error: CycloptsError) -> int:
    told = str(error).split(" Available commands", 1)[0].removesuffix(".")
    if isinstance(error, UnusedCliTokensError):
        told = "there are arguments too many"  # not shown: one may be a secret that somebody typed
    chain = " ".join(("apikeychain", *(error.command_chain or ())))
    complain(f"{told}; see {chain} --help")
    return USAGE
