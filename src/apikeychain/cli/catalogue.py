"""What is named of the catalogue: `openweather`, `openweather:weather`."""

from dataclasses import replace

from apikeychain import providers
from apikeychain.errors import DoesNotExistError
from apikeychain.model.provider import Provider
from apikeychain.model.route import ProxyRoute


def known_provider(known: str, name: str | None = None) -> Provider:
    """The provider `known` of the catalogue, under another name where one is given.

    Raises:
        DoesNotExistError: the catalogue has none; the text lists those that it has.
    """
    provider = providers.find(known).provider
    return replace(provider, name=name) if name else provider


def known_route(known: str) -> ProxyRoute:
    """The route of the catalogue that is written PROVIDER:ROUTE.

    Raises:
        DoesNotExistError: the catalogue has none; the text lists those that it has.
    """
    provider, _, name = known.partition(":")
    entry = providers.find(provider)
    for route in entry.routes:
        if route.name == name:
            return route
    listed = ", ".join(f"{provider}:{route.name}" for route in entry.routes)
    msg = f"the catalogue has no route {known!r}; of {provider} it has {listed}"
    raise DoesNotExistError(msg)
