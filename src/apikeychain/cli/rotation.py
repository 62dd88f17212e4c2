"""`apikeychain rotation`: secrets that are replaced at their providers again and again."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from apikeychain.cli import output
from apikeychain.cli.declared_rotation import read_rotation
from apikeychain.cli.invocation import Call
from apikeychain.errors import DoesNotExistError, InvalidValueError
from apikeychain.model.rotation_records import DEFAULT_HOURS
from apikeychain.model.rotators import HostRotation, HowToRotate, ManualRotation
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.rotations import RotationInfo

app = App(name="rotation", help="Secrets that are replaced at their providers again and again.")
_COLUMNS = ["secret", "kind", "due", "is_due", "turn", "reason", "paused", "keys", "failure"]
_LOOK_SECONDS = 0.25


@app.command
async def add(
    project: str,
    secret: str,
    /,
    *,
    file: Path | None = None,
    host: str | None = None,
    manual: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    hours: int = DEFAULT_HOURS,
    key_id: Annotated[str, Parameter(show_default=False)] = "",
    call: Call,
) -> None:
    """Rotate a secret, or change how or how often.

    Args:
        project: its id p_..., or TENANT/NAME.
        secret: its name.
        file: a TOML file that describes the key API of the provider; the how-to "Describe a key API" shows one.
        host: the name of a rotator that the application gives its keychain.
        manual: nobody makes keys: an alert says when it is time.
        hours: between two turns, 24 to 72.
        key_id: the provider's id of the key that serves; without it an alert asks to end that key by hand.
    """
    how = _how(file, host, manual=manual)
    async with call.project(project) as found:
        await found.add_rotation(secret, how, hours=hours, key_id=key_id)
        info = await _of(found, secret)
    call.done(f"secret {secret} is rotated, next at {info.due:%Y-%m-%d %H:%M:%S} UTC", project=found.id, **facts(info))


@app.command
async def status(project: str, secret: str | None = None, /, *, call: Call) -> None:
    """Show when secrets are due, and where each key at its provider stands.

    Args:
        project: its id p_..., or TENANT/NAME.
        secret: only this one, with all that is known of its keys.
    """
    async with call.project(project) as found:
        if secret is not None:
            call.one(facts(await _of(found, secret)))
            return
        infos = await found.rotations()
    rows = [facts(info) for info in infos]
    shown = rows if call.json else [{**facts(info), "keys": _states(info)} for info in infos]
    nothing = f"{found.name} rotates no secret; begin with: apikeychain rotation add {found.id} SECRET"
    call.many(shown, _COLUMNS, nothing)


@app.command
async def run(
    project: str,
    secret: str,
    /,
    *,
    compromised: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    wait: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    seconds: float = 300,
    call: Call,
) -> int:
    """Have a secret replaced now, by whichever server runs, or with --wait by this command.

    Args:
        project: its id p_..., or TENANT/NAME.
        secret: its name.
        compromised: the key before ends after 60 seconds instead of an hour.
        wait: stay until the new key serves, and tell each state.
        seconds: with --wait, how long at most.
    """
    reason: Literal["command", "compromised"] = "compromised" if compromised else "command"
    async with call.project(project) as found:
        before = await _of(found, secret)
        await found.rotate(secret, reason=reason)
        if wait:
            found.turn_here()
            await _wait(found, before, seconds, quiet=call.json)
        info = await _of(found, secret)
    is_turned = _serving(info) != _serving(before)
    said = "has a new key" if is_turned else f"is not replaced: {info.failure or 'see rotation status'}"
    call.done(f"secret {secret} {said}" if wait else f"secret {secret} is due now", project=found.id, **facts(info))
    return 1 if wait and not is_turned else 0


@app.command
async def pause(project: str, secret: str, /, *, call: Call) -> None:
    """Let no further turn of a secret begin; one that is under way is ended.

    Args:
        project: its id p_..., or TENANT/NAME.
        secret: its name.
    """
    async with call.project(project) as found:
        await found.pause_rotation(secret)
    call.done(f"the rotation of {secret} is paused", project=found.id, secret=secret, paused=True)


@app.command
async def resume(project: str, secret: str, /, *, call: Call) -> None:
    """Let turns of a secret begin again.

    Args:
        project: its id p_..., or TENANT/NAME.
        secret: its name.
    """
    async with call.project(project) as found:
        await found.resume_rotation(secret)
    call.done(f"the rotation of {secret} goes on", project=found.id, secret=secret, paused=False)


@app.command
async def remove(project: str, secret: str, /, *, call: Call) -> None:
    """Rotate a secret no more. The key that serves stays; an alert names others that live at the provider.

    Args:
        project: its id p_..., or TENANT/NAME.
        secret: its name.
    """
    async with call.project(project) as found:
        await found.remove_rotation(secret)
    call.done(f"secret {secret} is not rotated any more", project=found.id, secret=secret, removed=True)


def facts(info: RotationInfo) -> dict[str, object]:
    """All that is told of a rotation."""
    return {
        "secret": info.secret,
        "kind": info.kind,
        "hours": info.hours,
        "due": info.due,
        "is_due": info.is_due,
        "turn": info.is_turning,
        "reason": info.reason,
        "paused": info.paused,
        "failure": info.failure,
        "keys": [asdict(key) for key in info.keys],
    }


def _how(file: Path | None, host: str | None, *, manual: bool) -> HowToRotate:
    if (file is not None) + (host is not None) + manual != 1:
        msg = "what makes new keys? Say one of --file, --host and --manual"
        raise InvalidValueError(msg)
    if file is not None:
        return read_rotation(file)
    return HostRotation(name=host) if host is not None else ManualRotation()


async def _of(project: ProjectAdmin, secret: str) -> RotationInfo:
    found = [info for info in await project.rotations() if info.secret == secret]
    if not found:
        msg = f"the project {project.name!r} does not rotate {secret!r}"
        raise DoesNotExistError(msg)
    return found[0]


def _serving(info: RotationInfo) -> int:
    """The number of the key that serves."""
    return next((key.number for key in info.keys if key.state == "current"), 0)


def _states(info: RotationInfo) -> str:
    return ", ".join(f"{key.number} {key.state}" for key in info.keys)


async def _wait(project: ProjectAdmin, before: RotationInfo, seconds: float, *, quiet: bool) -> None:
    """Look again and again until another key serves, or the turn came to nothing."""
    shown = ""
    try:
        async with asyncio.timeout(seconds):
            while True:
                info = await _of(project, before.secret)
                states = _states(info)
                if states != shown and not quiet:
                    output.say(f"keys: {states}")
                shown = states
                if _serving(info) != _serving(before) or not (info.is_due or info.is_turning):
                    return
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        return
