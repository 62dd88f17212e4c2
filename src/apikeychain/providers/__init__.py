"""The catalogue: well-known APIs as data.

Each file holds one `Provider` (base URL, place of the credential, headers that every call carries) and, in ``ROUTES``,
calls of it that a page commonly makes, with rules for their parameters. The routes are templates: a host takes them as
they are, or copies one and narrows it. Each file says where its facts stand (``source``) and when that was read
(``reviewed``).
"""

from dataclasses import dataclass

from apikeychain.errors import DoesNotExistError
from apikeychain.model.provider import Provider
from apikeychain.model.route import ProxyRoute
from apikeychain.providers import anthropic, github, google_maps, mapbox, openai, openweather, stripe
from apikeychain.providers.anthropic import ANTHROPIC
from apikeychain.providers.github import GITHUB
from apikeychain.providers.google_maps import GOOGLE_MAPS
from apikeychain.providers.mapbox import MAPBOX
from apikeychain.providers.openai import OPENAI
from apikeychain.providers.openweather import OPENWEATHER
from apikeychain.providers.stripe import STRIPE

__all__ = [
    "ANTHROPIC",
    "CATALOGUE",
    "GITHUB",
    "GOOGLE_MAPS",
    "MAPBOX",
    "OPENAI",
    "OPENWEATHER",
    "STRIPE",
    "CatalogueEntry",
    "find",
]


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A known provider and the routes that are ready for it."""

    provider: Provider
    routes: tuple[ProxyRoute, ...]


CATALOGUE = tuple(
    CatalogueEntry(provider, module.ROUTES)
    for provider, module in (
        (ANTHROPIC, anthropic),
        (GITHUB, github),
        (GOOGLE_MAPS, google_maps),
        (MAPBOX, mapbox),
        (OPENAI, openai),
        (OPENWEATHER, openweather),
        (STRIPE, stripe),
    )
)


def find(name: str) -> CatalogueEntry:
    """The entry of the provider `name`.

    Raises:
        DoesNotExistError: the catalogue has none of that name; the text lists those it has.
    """
    for entry in CATALOGUE:
        if entry.provider.name == name:
            return entry
    known = ", ".join(entry.provider.name for entry in CATALOGUE)
    msg = f"the catalogue has no provider {name!r}; it has {known}"
    raise DoesNotExistError(msg)
