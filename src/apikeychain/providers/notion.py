"""Notion: the pages of a data source, and one page, to read. The version of the API is pinned.

Source: https://developers.notion.com/reference/query-a-data-source, /retrieve-a-page and /versioning (excerpts,
and programs that call it, read on 2026-11-24).
"""

from apikeychain.model.provider import HeaderCredential, Provider
from apikeychain.model.route import JSONBody, JSONField, PathParameter, ProxyRoute, QueryParameter

NOTION = Provider(
    "notion",
    "https://api.notion.com/v1",
    HeaderCredential("Authorization", "Bearer "),
    headers=(("Notion-Version", "2026-03-11"),),
    source="https://developers.notion.com/reference/query-a-data-source",
    reviewed="2026-11-24",
)

_ID = r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}"
_TOLERATED = ("authorization", "notion-version", "user-agent")

ROUTES = (
    ProxyRoute(
        "notion-query",
        provider="notion",
        path="/data_sources/{data_source}/query",
        methods=("POST",),
        parameters=(
            PathParameter("data_source", pattern=_ID),
            QueryParameter("filter_properties[]", pattern=r"[\x21-\x7e]{1,64}", many=True),
        ),
        body=JSONBody(
            (
                JSONField("filter", type="object"),
                JSONField("sorts", type="array"),
                JSONField("start_cursor", pattern=r"[A-Za-z0-9_=+/-]{1,500}"),
                JSONField("page_size", type="integer", minimum=1, maximum=100),
                JSONField("result_type", choices=("page", "data_source")),
            ),
        ),
        tolerated=_TOLERATED,
        max_body_bytes=64 * 1024,
    ),
    ProxyRoute(
        "notion-page",
        provider="notion",
        path="/pages/{page}",
        parameters=(
            PathParameter("page", pattern=_ID),
            QueryParameter("filter_properties[]", pattern=r"[\x21-\x7e]{1,64}", many=True),
        ),
        tolerated=_TOLERATED,
    ),
)
