"""`apikeychain platform-key`."""

from typing import Annotated

from cyclopts import App, Parameter

from apikeychain.cli import output
from apikeychain.cli.invocation import Call
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import timestamp
from apikeychain.model.records import DEFAULT_KEY_SERVICE

app = App(name="platform-key", help="The key that wraps the keys of all tenants.")
_TOLD_EVERY = 100
_Switch = Annotated[bool, Parameter(negative="", show_default=False)]


@app.command
async def rotate(*, key_service: str = DEFAULT_KEY_SERVICE, call: Call) -> None:
    """Make a new version of the platform key; what older ones wrapped still opens.

    Args:
        key_service: the name of the key service, where the keychain has several.
    """
    async with call.keychain() as keychain:
        version = await keychain.rotate_platform_key(key_service=key_service, actor=call.actor)
    call.done(
        f"version {version} of the platform key is made; next: apikeychain platform-key rewrap",
        version=version,
    )


@app.command
async def rewrap(*, key_service: str = DEFAULT_KEY_SERVICE, after: str = "", call: Call) -> int:
    """Wrap the keys of all tenants under the newest version; doing it again does no harm.

    Args:
        key_service: the name of the key service, where the keychain has several.
        after: the tenant with which a run that broke ended.
    """

    def told(tenant: TenantId, done: int) -> None:
        if done % _TOLD_EVERY == 0 and not call.json:
            output.say(f"{done} tenants; the last is {tenant}")

    async with call.keychain() as keychain:
        came = await keychain.rewrap_keys(key_service=key_service, after=after, progress=told, actor=call.actor)
    failed = [*came.failed]
    sentence = f"the keys of {came.tenants} tenants are wrapped anew"
    if failed:
        sentence += f"; retire no version yet, it failed for: {', '.join(failed)}"
    call.done(sentence, tenants=came.tenants, failed=failed)
    return 1 if failed else 0


@app.command
async def retire(
    version: int, /, *, key_service: str = DEFAULT_KEY_SERVICE, force: _Switch = False, call: Call
) -> None:
    """Destroy an old version: what is wrapped under it, in old copies too, opens no more.

    Args:
        version: its number.
        key_service: the name of the key service, where the keychain has several.
        force: also where a key was not wrapped anew, which opens no more then.
    """
    async with call.keychain() as keychain:
        ends = await keychain.retire_platform_key(version, key_service=key_service, force=force, actor=call.actor)
    gone = timestamp(ends)
    call.done(f"version {version} of the platform key is gone for good from {gone} on", version=version, gone=gone)
