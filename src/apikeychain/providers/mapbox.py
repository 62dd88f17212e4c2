"""Mapbox: forward and reverse geocoding, version 6.

Source: https://docs.mapbox.com/api/search/geocoding (read on 2026-11-24). ``permanent`` is left out on purpose: it is
billed apart, and storing results needs a contract.
"""

from apikeychain.model.provider import Provider, QueryCredential
from apikeychain.model.route import ProxyRoute, QueryParameter

MAPBOX = Provider(
    "mapbox",
    "https://api.mapbox.com",
    QueryCredential("access_token"),
    source="https://docs.mapbox.com/api/search/geocoding",
    reviewed="2026-11-24",
)

_DEGREES = r"-?[0-9]{1,3}(\.[0-9]{1,15})?"
_COMMON = (
    QueryParameter("country", pattern=r"[A-Za-z]{2}(,[A-Za-z]{2}){0,19}"),
    QueryParameter("language", pattern=r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}"),
    QueryParameter("limit", type="integer", minimum=1, maximum=10),
    QueryParameter("types", pattern=r"[a-z_]+(,[a-z_]+){0,9}"),
    QueryParameter("worldview", pattern=r"[a-z]{2}"),
)

ROUTES = (
    ProxyRoute(
        "geocode-forward",
        provider="mapbox",
        path="/search/geocode/v6/forward",
        parameters=(
            QueryParameter("q", pattern=r"[^;\p{C}]+", max_length=256, required=True),
            QueryParameter("autocomplete", type="boolean"),
            QueryParameter("bbox", pattern=rf"{_DEGREES}(,{_DEGREES}){{3}}"),
            QueryParameter("proximity", pattern=rf"ip|{_DEGREES},{_DEGREES}"),
            *_COMMON,
        ),
    ),
    ProxyRoute(
        "geocode-reverse",
        provider="mapbox",
        path="/search/geocode/v6/reverse",
        parameters=(
            QueryParameter("longitude", type="number", minimum=-180, maximum=180, required=True),
            QueryParameter("latitude", type="number", minimum=-90, maximum=90, required=True),
            *_COMMON,
        ),
    ),
)
