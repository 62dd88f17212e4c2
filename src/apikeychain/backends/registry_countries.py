"""The countries of addresses by what the five regional registries publish, in the package `iptocc`: no file, no server.

It is the country to which a block was given, which is not always where its addresses are used: a cloud's or a tunnel's
are elsewhere. What it knows is as old as the package.
"""

from apikeychain.backends.plain_address import plain_address
from apikeychain.errors import MissingExtraError


class RegistryCountries:
    """See Locator. A look-up takes about 2 us, nearly all of it for the form of the address.

    Raises:
        MissingExtraError: `iptocc` is not installed.
    """

    def __init__(self) -> None:
        try:
            from iptocc import country_code  # noqa: PLC0415 - who wants no countries needs no package
        except ImportError:
            asked = "countries by the registries"
            raise MissingExtraError(asked, "geo") from None
        self._look_up = country_code

    def country(self, address: str) -> str:
        """See Locator.country."""
        plain = plain_address(address)
        return (plain and self._look_up(plain)) or ""
