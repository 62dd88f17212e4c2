"""The key services of a keychain: each tenant's row names the one that holds its platform key.

A row that names none that is given, or one that could not be opened yet, closes its tenant and no other. A row that
was edited to another name closes it too: no other service opens what one has wrapped.

Source: contracts 5 (custody), 10 (a KMS that is down).
"""

import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import final

from apikeychain.errors import BackendUnavailableError, InvalidValueError
from apikeychain.model.ids import parse_name
from apikeychain.model.records import DEFAULT_KEY_SERVICE, Tenant
from apikeychain.ports.key_service import KeyService
from apikeychain.vault.counted_keys import CountedKeys

_log = logging.getLogger("apikeychain")


def parse_key_services(given: Mapping[str, KeyService] | None) -> dict[str, KeyService]:
    """Further key services, by name.

    Raises:
        InvalidValueError: a name is none, or that of the default.
    """
    for name in given or {}:
        if parse_name(name, "key service") == DEFAULT_KEY_SERVICE:
            msg = f"the key service {DEFAULT_KEY_SERVICE!r} is that of key_service="
            raise InvalidValueError(msg)
    return {**(given or {})}


@final
class KeyServices:
    """Those of one keychain, by name.

    Args:
        default: of the tenants whose row names no other.
        others: by name.
    """

    def __init__(self, default: KeyService, others: Mapping[str, KeyService] = MappingProxyType({})) -> None:
        given = {**others, DEFAULT_KEY_SERVICE: default}
        self._given = {name: CountedKeys(service) for name, service in given.items()}
        self._shut: set[str] = set()
        self._told: set[str] = set()

    def of(self, tenant: Tenant) -> KeyService:
        """That of a tenant.

        Raises:
            BackendUnavailableError: its row names none that is open here.
        """
        name = tenant.key_service
        if name in self._given and name not in self._shut:
            return self._given[name]
        reason = f"the key service {name!r} of the tenant {tenant.id} is not {self._missing(name)}"
        if reason not in self._told:
            self._told.add(reason)
            _log.error("%s: the tenant is closed", reason)
        raise BackendUnavailableError(reason)

    def named(self, name: str) -> KeyService:
        """The one of that name.

        Raises:
            InvalidValueError: there is none; the text says which there are.
            BackendUnavailableError: it is not open yet.
        """
        if name not in self._given:
            msg = f"there is no key service {name!r}: this keychain has {', '.join(sorted(self._given))}"
            raise InvalidValueError(msg)
        if name in self._shut:
            msg = f"the key service {name!r} is not {self._missing(name)}"
            raise BackendUnavailableError(msg)
        return self._given[name]

    def wrapped(self) -> dict[str, int]:
        """How many keys each wrapped that nobody has noted yet, by its name."""
        return {name: service.wrapped for name, service in self._given.items()}

    def noted(self, name: str, wrapped: int) -> None:
        """So many keys that one wrapped are noted."""
        self._given[name].wrapped -= wrapped

    def shut(self, name: str, *, is_shut: bool) -> None:
        """Note that one could not be opened yet, or that it was."""
        (self._shut.add if is_shut else self._shut.discard)(name)

    def _missing(self, name: str) -> str:
        return "open yet: it did not answer" if name in self._shut else "given to this keychain (key_services=)"
