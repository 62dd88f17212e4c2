"""Who knows in which country an address is."""

from typing import Protocol


class Locator(Protocol):
    """Tells the country of an address. It waits for nothing: all that it knows is in memory.

    One that is an async context manager is entered with the keychain.

    Contract (tested by `apikeychain.testing.LocatorContract`):
        L1: the country of an address that it knows is two capital letters, as ISO 3166-1 has or reserves them.
        L2: of an address that it does not know, and of a text that is none, it is ""; it never raises.
        L3: an address has one country however it is written, an IPv4 address that is mapped into IPv6 that of itself.
        L4: an answer takes microseconds: 10,000 come within a second, none of them of an address that came before.
    """

    def country(self, address: str) -> str:
        """The country where an address is, or "".

        Args:
            address: of IPv4 or IPv6, as a text; callers may have sent any.
        """
        ...
