"""`apikeychain signing-key`. A key is shown once, when it is made."""

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

from cyclopts import App, Parameter

from apikeychain.cli.invocation import Call
from apikeychain.tenants.signing_keys import GRACE, ShownKey

app = App(name="signing-key", help="Keys with which an application signs its calls.")
_COLUMNS = ["id", "created", "until"]


@app.command
async def add(project: str, /, *, call: Call) -> None:
    """Make a signing key and show it, once. Two are valid at a time, so that one can take over from the other.

    Args:
        project: its id p_..., or TENANT/NAME.
    """
    async with call.project(project) as found:
        shown = await found.add_signing_key()
    _show(call, shown, "\nKeep it now: it is not shown again.")


@app.command
async def rotate(project: str, /, *, grace: timedelta = GRACE, call: Call) -> None:
    """Make a signing key in the place of the one that there is, and show it, once. Both are good for the grace.

    Args:
        project: its id p_..., or TENANT/NAME.
        grace: how long the old one stays good: 1h, 30m, 2d.
    """
    async with call.project(project) as found:
        shown = await found.rotate_signing_key(grace=grace)
    _show(call, shown, f"\nKeep it now: it is not shown again. The old one ends in {grace}.")


@app.command(name="list")
async def list_(project: str, /, *, call: Call) -> None:
    """List signing keys: all but the keys themselves.

    Args:
        project: its id p_..., or TENANT/NAME.
    """
    async with call.project(project) as found:
        rows = [asdict(key) for key in await found.list_signing_keys()]
    call.many(rows, _COLUMNS, f"{found.name} has no signing key; make one with: apikeychain signing-key add {found.id}")


@app.command
async def retire(project: str, key_id: str, /, *, call: Call) -> None:
    """End a signing key, and every session key that was made of it.

    Args:
        project: its id p_..., or TENANT/NAME.
        key_id: of the key.
    """
    async with call.project(project) as found:
        await found.retire_signing_key(key_id)
    call.done(f"signing key {key_id} is retired", project=found.id, id=key_id, retired=True)


@app.command
async def session(
    project: str,
    /,
    *,
    user: str,
    origin: str | None = None,
    minutes: Annotated[int, Parameter(negative="")] = 60,
    call: Call,
) -> None:
    """Make a session key for one user and show it; nothing of it is stored.

    Args:
        project: its id p_..., or TENANT/NAME.
        user: the label that its calls carry as X-Iso-User.
        origin: of the page that gets it; without this it is for an app, which sends no Origin.
        minutes: how long it is good, at most 60.
    """
    async with call.project(project) as found:
        shown = await found.session_key(user=user, origin=origin, ttl=timedelta(minutes=minutes))
    _show(call, shown)


def _show(call: Call, shown: ShownKey, remark: str = "") -> None:
    key = shown.key.reveal().decode()
    call.done(f"key id: {shown.id}\nkey:    {key}{remark}", id=shown.id, key=key)
