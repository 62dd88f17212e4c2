"""In which country callers are: as a header of a trusted proxy says it, else as a locator knows it.

It decides nothing about a call, so that a locator that breaks its contract breaks no call.

Source: contracts 6 (`call`); spec 8.2.
"""

import logging
import re
from collections.abc import Callable
from functools import cache, lru_cache, partial
from typing import final

from apikeychain.ports.locator import Locator
from apikeychain.rules.caller import Caller

# Of how many addresses it is remembered: most come again.
_REMEMBERED = 4096
_CODE = re.compile("[A-Z]{2}")
_log = logging.getLogger("apikeychain.gate")


@final
class Countries:
    """Knows the country of a caller, in less than a microsecond where its address came before.

    Args:
        locator: asked where no proxy says it; None for nobody.
    """

    def __init__(self, locator: Locator | None) -> None:
        look_up = None if locator is None else lru_cache(maxsize=_REMEMBERED)(partial(_located, locator))
        self._look_up: Callable[[str], str] = look_up or _nowhere

    def of(self, caller: Caller) -> str:
        """Two capital letters, or "" where it is not known."""
        return caller.country or self._look_up(caller.address)


def _located(locator: Locator, address: str) -> str:
    try:
        country = locator.country(address)
        is_one = _CODE.fullmatch(country)
    except Exception as fault:  # noqa: BLE001 - a locator that breaks its contract breaks no call
        _tell(type(fault).__name__)
        return ""
    return country if is_one else ""


def _nowhere(_: str) -> str:
    return ""


@cache
def _tell(fault: str) -> None:
    _log.error("the locator failed with %s: countries are not known for now", fault)
