"""What the catalogue knows of a provider's key API."""

from collections.abc import Callable
from dataclasses import dataclass

from apikeychain.model.provider import Provider
from apikeychain.model.rotators import HTTPRotation


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownKeyAPI:
    """A key API whose documentation was read; it was tried against a stand-in that answers as that says.

    Attributes:
        describe: the description for one account.
        provider: at which keys are made; it may be another one than that which takes them.
        source: address of the documentation.
        reviewed: the date on which it was read, ``YYYY-MM-DD``.
    """

    describe: Callable[..., HTTPRotation]
    provider: Provider
    source: str
    reviewed: str
