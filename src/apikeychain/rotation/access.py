"""What the rotator of one secret of one project reaches: the providers of the project's secrets, and nothing else.

A secret goes to its own provider alone, as it does in a call: whoever may describe a rotation could else carry every
secret out.

Source: contracts 4 ("a secret's provider"), 8.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from apikeychain.errors import RotationRefusedError, SecretUnavailableError
from apikeychain.model.ids import TenantId
from apikeychain.model.key_steps import Step
from apikeychain.model.network import Network, network_of
from apikeychain.model.provider import Provider
from apikeychain.ports.upstream import Upstream
from apikeychain.rotation.answer import bounded, judged
from apikeychain.rotation.line import Line
from apikeychain.rules.key_steps import filled
from apikeychain.secret import Secret

# The longest that one verb of a rotator takes, with all its calls.
VERB_SECONDS = 60.0
# A new key is not taken everywhere at once: how long to wait before each further trial of one that is refused.
_PAUSES = (1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True, slots=True)
class Held:
    """A secret that was opened, and the provider that it goes to, as that was when it was opened."""

    provider: Provider
    secret: Secret = field(repr=False)


class Secrets(Protocol):
    """The secrets of one project."""

    async def open(self, name: str) -> Held:
        """The secret of that name, with the provider for whose address it opened: both of one reading.

        Raises:
            SecretUnavailableError: there is none, its provider is gone, or it does not open.
            BackendUnavailableError: it cannot be opened now.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a rotator reaches.

    Attributes:
        tenant: whose project it is.
        networks: the exceptions that host code made, by base URL.
        secret: the name of the rotated secret.
        provider: that of the rotated secret, as it was when the step began: a new key is opened for its address.
        secrets: those of the project.
        now: the wall clock, UTC.
        pause: waits that many seconds.
    """

    upstream: Upstream
    tenant: TenantId
    networks: Mapping[str, Network]
    secret: str
    provider: Provider
    secrets: Secrets
    now: Callable[[], datetime]
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def held(self, name: str, provider: str | None = None) -> Held:
        """The secret of a name, which belongs to that provider where one is named.

        Raises:
            RotationRefusedError: there is none, or it does not open.
            BackendUnavailableError: it cannot be opened now.
        """
        try:
            held = await self.secrets.open(name)
        except SecretUnavailableError:
            msg = f"the project has no secret {name!r} that opens for the address of its provider: put it"
            raise RotationRefusedError(msg) from None
        if provider not in {None, held.provider.name}:
            msg = f"the secret {name!r} belongs to the provider {held.provider.name!r}: put one for {provider!r}"
            raise RotationRefusedError(msg)
        return held

    async def line(self, provider: str, secret: str) -> Line:
        """To that provider, with the secret of that name, which belongs to it.

        Raises:
            RotationRefusedError: one of them is not there, or the provider may not be dialled.
            BackendUnavailableError: the secret cannot be opened now.
        """
        return self.line_to(await self.held(secret, provider))

    def line_to(self, held: Held) -> Line:
        """To the provider of a secret, with the secret.

        Raises:
            RotationRefusedError: the provider may not be dialled.
        """
        return self._line(held.provider, held.secret)

    def bare_line(self, held: Held) -> Line:
        """To the provider of a secret, for requests that hold it in a place of their own. See `line_to`."""
        return self._line(held.provider, None)

    def line_with(self, key: Secret) -> Line:
        """To the provider of the rotated secret, with a new key of it. See `line_to`."""
        return self._line(self.provider, key)

    def network(self, known: Provider) -> Network:
        """What holds for the address of a provider.

        Raises:
            RotationRefusedError: it may not be dialled.
        """
        network = network_of(self.networks, known.address, self.tenant)
        if network is None:
            msg = f"the provider {known.name!r} has a port of its own, which a network entry of the host has to allow"
            raise RotationRefusedError(msg)
        return network

    def _line(self, known: Provider, secret: Secret | None) -> Line:
        return Line(self.upstream, known, self.network(known), secret, self.now)


async def tried(access: Access, step: Step, key: Secret) -> None:
    """Make a call with a new key of the rotated secret, to the provider of that.

    One that is refused is tried again for a quarter of a minute.

    Raises:
        RotationRefusedError: its provider does not take the key.
        BackendUnavailableError: its provider does not say.
    """
    await bounded(_tried(access, step, key), VERB_SECONDS, "of the new key")


async def _tried(access: Access, step: Step, key: Secret) -> None:
    line, asked = access.line_with(key), filled(step)
    answer = await line.ask(asked)
    for pause in _PAUSES:
        if judged(answer) != "refused":
            break
        await access.pause(pause)
        answer = await line.ask(asked)
    line.require(answer, "take the new key")
