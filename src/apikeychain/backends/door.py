"""The guard's addresses, as aiohttp asks for them."""

import socket

from aiohttp.abc import AbstractResolver, ResolveResult

from apikeychain.model.network import Network
from apikeychain.ports.upstream import Guard


class Door(AbstractResolver):
    """Hands the guard's addresses to aiohttp, which dials nothing else.

    Args:
        guard: the only source of addresses.
        network: what is allowed beyond the rule.
    """

    def __init__(self, guard: Guard, network: Network) -> None:
        self._guard, self._network = guard, network

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses. Raises UpstreamRefusedError."""
        del family  # aiohttp sorts them itself
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in await self._guard.addresses(host, port, self._network)
        ]

    async def close(self) -> None:
        """Nothing is kept here."""
