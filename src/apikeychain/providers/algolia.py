"""Algolia: a search of one index.

Source: https://www.algolia.com/doc/rest-api/search (excerpts, and programs that call it, read on 2026-11-24).

Each application has a host of its own, and names itself in a header: `algolia_of` makes the provider of yours.
`ALGOLIA` is of no application: its id, which has a hyphen, is none that Algolia gives out.
"""

import re
from dataclasses import replace

from apikeychain.errors import InvalidValueError
from apikeychain.model.provider import HeaderCredential, Provider
from apikeychain.model.route import JSONBody, JSONField, PathParameter, ProxyRoute

_APPLICATION = re.compile(r"[A-Z0-9]{10}")

ALGOLIA = Provider(
    "algolia",
    "https://application-id-dsn.algolia.net",
    HeaderCredential("X-Algolia-API-Key"),
    headers=(("X-Algolia-Application-Id", "APPLICATION-ID"),),
    source="https://www.algolia.com/doc/rest-api/search",
    reviewed="2026-11-24",
)


def algolia_of(application_id: str) -> Provider:
    """The provider of one application.

    Raises:
        InvalidValueError: `application_id` is not ten capitals and digits.
    """
    if not _APPLICATION.fullmatch(application_id):
        msg = f"not the id of an application of Algolia: {application_id!r}"
        raise InvalidValueError(msg)
    return replace(
        ALGOLIA,
        base_url=f"https://{application_id.lower()}-dsn.algolia.net",
        headers=(("X-Algolia-Application-Id", application_id),),
    )


ROUTES = (
    ProxyRoute(
        "search-index",
        provider="algolia",
        path="/1/indexes/{index}/query",
        methods=("POST",),
        parameters=(PathParameter("index", pattern=r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}"),),
        body=JSONBody(
            (
                JSONField("query", max_length=512),
                JSONField("page", type="integer", minimum=0, maximum=1000),
                JSONField("hitsPerPage", type="integer", minimum=1, maximum=1000),
                JSONField("filters", max_length=4096),
                JSONField("facetFilters", type="array"),
                JSONField("numericFilters", type="array"),
                JSONField("facets", type="array"),
                JSONField("attributesToRetrieve", type="array"),
                JSONField("attributesToHighlight", type="array"),
                JSONField("attributesToSnippet", type="array"),
                JSONField("aroundLatLng", pattern=r"-?[0-9]{1,3}(\.[0-9]{1,15})?,\s?-?[0-9]{1,3}(\.[0-9]{1,15})?"),
                JSONField("queryLanguages", type="array"),
                JSONField("clickAnalytics", type="boolean"),
                JSONField("userToken", pattern=r"[A-Za-z0-9_=+/-]{1,129}"),
            ),
        ),
        tolerated=("x-algolia-agent", "x-algolia-api-key", "x-algolia-application-id"),
        max_body_bytes=64 * 1024,
    ),
)
