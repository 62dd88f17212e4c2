"""The keys by which a project's asset tokens are good.

Source: contracts 5 (own keys), 9; amendment 8.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import final

from apikeychain.errors import SealedValueError, SecretUnavailableError
from apikeychain.model.asset import AssetTokenKey
from apikeychain.model.records import ProjectKey
from apikeychain.rules.shelf import Shelf
from apikeychain.telemetry import reach
from apikeychain.vault import contexts
from apikeychain.vault.assets import old_token_key
from apikeychain.vault.vault import Vault


@final
class TokenKeys:
    """Opens them.

    Args:
        vault: of the keychain.
        holds: whether a project is still as it was read; what is opened is not kept else.
    """

    def __init__(self, vault: Vault, holds: Callable[[Shelf], bool]) -> None:
        self._vault, self._holds = vault, holds

    async def of(self, shelf: Shelf, moment: datetime) -> list[bytes]:
        """The current one and those of old that count at that moment; none where the project has no key yet.

        Raises:
            SecretUnavailableError: the project's key does not open.
            BackendUnavailableError: the key service does not answer.
        """
        keys = [] if shelf.token_key is None else [await self._current(shelf, shelf.token_key)]
        for old in shelf.old_token_keys:
            if moment < old.until:
                # One that does not open makes no token good, and keeps no other from being it.
                with suppress(SecretUnavailableError):
                    keys.append(await self._old(shelf, old))
        return keys

    async def _current(self, shelf: Shelf, key: ProjectKey) -> bytes:
        tenant = shelf.tenant
        context = contexts.of_asset_token_key(tenant.id, shelf.project.id)
        found = self._vault.opened_own_key(tenant, key, context)
        if found is not None:
            return found
        try:
            opening = self._vault.own_key(tenant, key, context, current=partial(self._holds, shelf))
            return await reach("key_service", opening)
        except SealedValueError:
            raise SecretUnavailableError from None

    async def _old(self, shelf: Shelf, old: AssetTokenKey) -> bytes:
        context = contexts.of_old_asset_token_key(shelf.tenant.id, old)
        opening = self._vault.open_text(
            shelf.tenant, shelf.keys, old.sealed, context, current=partial(self._holds, shelf)
        )
        return old_token_key(await reach("key_service", opening))
