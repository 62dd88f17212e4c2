"""Google Maps web services: geocoding an address, and an address for a point.

Source: https://developers.google.com/maps/documentation/geocoding/requests-geocoding (read on 2026-11-24).
"""

from apikeychain.model.provider import Provider, QueryCredential
from apikeychain.model.route import ProxyRoute, QueryParameter

GOOGLE_MAPS = Provider(
    "google-maps",
    "https://maps.googleapis.com/maps/api",
    QueryCredential("key"),
    source="https://developers.google.com/maps/documentation/geocoding/requests-geocoding",
    reviewed="2026-11-24",
)

_POINT = r"-?[0-9]{1,3}(\.[0-9]{1,15})?,-?[0-9]{1,3}(\.[0-9]{1,15})?"
_LANGUAGE = QueryParameter("language", pattern=r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})?")
_REGION = QueryParameter("region", pattern=r"[A-Za-z]{2}")

ROUTES = (
    ProxyRoute(
        "geocode",
        provider="google-maps",
        path="/geocode/json",
        parameters=(
            QueryParameter("address", max_length=300),
            QueryParameter("components", pattern=r"[a-z_]+:[^|\p{C}]+(\|[a-z_]+:[^|\p{C}]+){0,5}", max_length=300),
            QueryParameter("bounds", pattern=rf"{_POINT}\|{_POINT}"),
            _LANGUAGE,
            _REGION,
        ),
    ),
    ProxyRoute(
        "reverse-geocode",
        provider="google-maps",
        path="/geocode/json",
        parameters=(
            QueryParameter("latlng", pattern=_POINT, required=True),
            QueryParameter("result_type", pattern=r"[a-z0-9_]+(\|[a-z0-9_]+){0,9}"),
            QueryParameter("location_type", pattern=r"[A-Z_]+(\|[A-Z_]+){0,3}"),
            _LANGUAGE,
            _REGION,
        ),
    ),
)
