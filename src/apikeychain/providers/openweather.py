"""OpenWeather: current weather, five-day forecast, and the geocoder that both ask for.

Source: https://openweathermap.org/current, /forecast5, /api/geocoding-api (read on 2026-11-24). The parameter ``mode``
is left out on purpose: the answer stays JSON.
"""

from apikeychain.model.provider import Provider, QueryCredential
from apikeychain.model.route import ProxyRoute, QueryParameter

OPENWEATHER = Provider(
    "openweather",
    "https://api.openweathermap.org",
    QueryCredential("appid"),
    source="https://openweathermap.org/current",
    reviewed="2026-11-24",
)

_PLACE = r"[\p{L}\p{M}0-9 .,'’-]+"  # noqa: RUF001  # place names are written with the typographic apostrophe
_WHERE = (
    QueryParameter("q", pattern=_PLACE, max_length=100),
    QueryParameter("lat", type="number", minimum=-90, maximum=90),
    QueryParameter("lon", type="number", minimum=-180, maximum=180),
    QueryParameter("zip", pattern=r"[A-Za-z0-9 -]{2,12}(,[A-Za-z]{2})?"),
    QueryParameter("units", choices=("standard", "metric", "imperial")),
    QueryParameter("lang", pattern=r"[a-z]{2}(_[a-z]{2})?"),
)

ROUTES = (
    ProxyRoute(
        "weather",
        provider="openweather",
        path="/data/2.5/weather",
        parameters=(*_WHERE, QueryParameter("id", type="integer", minimum=1)),
    ),
    ProxyRoute(
        "forecast",
        provider="openweather",
        path="/data/2.5/forecast",
        parameters=(*_WHERE, QueryParameter("cnt", type="integer", minimum=1, maximum=40)),
    ),
    ProxyRoute(
        "places",
        provider="openweather",
        path="/geo/1.0/direct",
        parameters=(
            QueryParameter("q", pattern=_PLACE, max_length=100, required=True),
            QueryParameter("limit", type="integer", minimum=1, maximum=5),
        ),
    ),
)
