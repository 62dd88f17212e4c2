"""The countries of addresses by a file of the host's own, in the format of MaxMind (`.mmdb`).

The file is read whole when the plug is made, and never again: one that is replaced or cut while it serves can break
nothing, as it could where it were mapped into memory. A newer one is read at the next start.

Source: MaxMind DB File Format Specification, v2.0.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import cast

from apikeychain.backends.plain_address import plain_address
from apikeychain.errors import InvalidValueError, MissingExtraError

# Where files of MaxMind and DB-IP say it, where those do whose block is in no country, and where flat ones do.
_NAMES = ("country", "registered_country", "country_code")
_CODE = re.compile("[A-Z]{2}")


class MMDBCountries:
    """See Locator. A look-up takes some 30 us, since it is done by the reader that is written in Python.

    Args:
        path: of the file. All of it is held in memory.

    Raises:
        MissingExtraError: `maxminddb` is not installed.
        InvalidValueError: there is no such file, or it is damaged.
    """

    def __init__(self, path: str | Path) -> None:
        try:
            from maxminddb import MODE_MEMORY, Reader  # noqa: PLC0415 - who wants no countries needs no package
        except ImportError:
            asked = "countries by an .mmdb file"
            raise MissingExtraError(asked, "geo") from None
        try:
            reader = Reader(path, MODE_MEMORY)
        except Exception as fault:  # noqa: BLE001 - what is damaged may break the reader in any way
            msg = f"the file of countries cannot be read ({type(fault).__name__}): name a whole .mmdb file"
            raise InvalidValueError(msg) from None
        # Its records are typed without their parts.
        found = reader.get  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - see above
        self._look_up = cast("Callable[[str], object]", found)

    def country(self, address: str) -> str:
        """See Locator.country."""
        plain = plain_address(address)
        try:
            return _code(self._look_up(plain)) if plain else ""
        except Exception:  # noqa: BLE001 - a place of the file that is damaged may break the reader in any way
            return ""


def _code(record: object) -> str:
    facts = cast("dict[str, object]", record) if isinstance(record, dict) else {}
    for name in _NAMES:
        told = facts.get(name)
        code = cast("dict[str, object]", told).get("iso_code") if isinstance(told, dict) else told
        if isinstance(code, str) and _CODE.fullmatch(code):
            return code
    return ""
