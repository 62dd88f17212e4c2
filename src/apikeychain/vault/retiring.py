"""The values that a secret had before, opened to be looked for in answers while the provider takes them still.

Source: contracts 4 ("Redaction"), 8 (the grace).
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial

from apikeychain.errors import SecretUnavailableError
from apikeychain.rules.routing import CompiledRoute
from apikeychain.rules.snapshot import Snapshot
from apikeychain.secret import Secret
from apikeychain.vault.vault import Vault


async def open_retiring(
    vault: Vault, project: Snapshot, route: CompiledRoute, holds: Callable[[Snapshot], bool]
) -> list[Secret]:
    """What the secret of a route was before; one that was put for another address does not open and is left out.

    Args:
        vault: of the keychain.
        project: as the call meets it.
        route: of the call.
        holds: whether a project is still as it was read; what was opened is not kept else.

    Raises:
        BackendUnavailableError: the key service does not answer, and the project's key is not open.
    """
    opened: list[Secret] = []
    current = partial(holds, project)
    for row in project.retiring.get(route.route.secret_name, ()):
        with suppress(SecretUnavailableError):
            opened.append(await vault.open_secret(project.tenant, project.keys, row, route.provider, current=current))
    return opened
