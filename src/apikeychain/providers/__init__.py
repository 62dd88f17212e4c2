"""The catalogue: well-known APIs as data.

Each file holds one `Provider` (base URL, place of the credential, headers that every call carries) and, in ``ROUTES``,
calls of it that a page commonly makes, with rules for their parameters. The routes are templates: a host takes them as
they are, or copies one and narrows it. Where a provider has a key API, ``KEY_API`` says how its keys turn. Each file
says where its facts stand (``source``) and when that was read (``reviewed``).
"""

from dataclasses import dataclass

from apikeychain.errors import DoesNotExistError
from apikeychain.model.provider import Provider
from apikeychain.model.route import ProxyRoute
from apikeychain.providers import (
    airtable,
    algolia,
    anthropic,
    cloudflare,
    deepl,
    github,
    google_maps,
    mapbox,
    notion,
    openai,
    openweather,
    sendgrid,
    stripe,
    twilio,
)
from apikeychain.providers.airtable import AIRTABLE
from apikeychain.providers.algolia import ALGOLIA, algolia_of
from apikeychain.providers.anthropic import ANTHROPIC
from apikeychain.providers.cloudflare import CLOUDFLARE, cloudflare_rotation
from apikeychain.providers.deepl import DEEPL
from apikeychain.providers.github import GITHUB
from apikeychain.providers.google_maps import GOOGLE_MAPS
from apikeychain.providers.key_api import KnownKeyAPI
from apikeychain.providers.mapbox import MAPBOX
from apikeychain.providers.notion import NOTION
from apikeychain.providers.openai import OPENAI, openai_rotation
from apikeychain.providers.openweather import OPENWEATHER
from apikeychain.providers.sendgrid import SENDGRID, sendgrid_rotation
from apikeychain.providers.stripe import STRIPE
from apikeychain.providers.twilio import TWILIO, twilio_rotation

__all__ = [
    "AIRTABLE",
    "ALGOLIA",
    "ANTHROPIC",
    "CATALOGUE",
    "CLOUDFLARE",
    "DEEPL",
    "GITHUB",
    "GOOGLE_MAPS",
    "MAPBOX",
    "NOTION",
    "OPENAI",
    "OPENWEATHER",
    "SENDGRID",
    "STRIPE",
    "TWILIO",
    "CatalogueEntry",
    "KnownKeyAPI",
    "algolia_of",
    "cloudflare_rotation",
    "find",
    "openai_rotation",
    "sendgrid_rotation",
    "twilio_rotation",
]


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A known provider, the routes that are ready for it, and its key API where that is known."""

    provider: Provider
    routes: tuple[ProxyRoute, ...]
    key_api: KnownKeyAPI | None = None


CATALOGUE = tuple(
    CatalogueEntry(provider, module.ROUTES, getattr(module, "KEY_API", None))
    for provider, module in (
        (AIRTABLE, airtable),
        (ALGOLIA, algolia),
        (ANTHROPIC, anthropic),
        (CLOUDFLARE, cloudflare),
        (DEEPL, deepl),
        (GITHUB, github),
        (GOOGLE_MAPS, google_maps),
        (MAPBOX, mapbox),
        (NOTION, notion),
        (OPENAI, openai),
        (OPENWEATHER, openweather),
        (SENDGRID, sendgrid),
        (STRIPE, stripe),
        (TWILIO, twilio),
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
