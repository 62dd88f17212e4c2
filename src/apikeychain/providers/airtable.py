"""Airtable: the records of a table, to read.

Source: https://airtable.com/developers/web/api/list-records and /get-record (excerpts, and programs that call
it, read on 2026-11-24). ``filterByFormula`` is left out on purpose: a formula asks about every field of the table,
also those that no caller is meant to see.
"""

from apikeychain.model.provider import HeaderCredential, Provider
from apikeychain.model.route import PathParameter, ProxyRoute, QueryParameter

AIRTABLE = Provider(
    "airtable",
    "https://api.airtable.com/v0",
    HeaderCredential("Authorization", "Bearer "),
    source="https://airtable.com/developers/web/api/list-records",
    reviewed="2026-11-24",
)

_TABLE = (
    PathParameter("base", pattern=r"app[A-Za-z0-9]{14}"),
    PathParameter("table", pattern=r"tbl[A-Za-z0-9]{14}"),
)
_FORM = (
    QueryParameter("cellFormat", choices=("json", "string")),
    QueryParameter("timeZone", pattern=r"[A-Za-z_]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,2}"),
    QueryParameter("userLocale", pattern=r"[a-z]{2,3}(-[a-z]{2,8})?"),
    QueryParameter("returnFieldsByFieldId", type="boolean"),
)
_TOLERATED = ("authorization", "user-agent", "x-airtable-user-agent", "x-api-version")

ROUTES = (
    ProxyRoute(
        "records",
        provider="airtable",
        path="/{base}/{table}",
        parameters=(
            *_TABLE,
            *_FORM,
            QueryParameter("pageSize", type="integer", minimum=1, maximum=100),
            QueryParameter("maxRecords", type="integer", minimum=1, maximum=10_000),
            QueryParameter("offset", pattern=r"[A-Za-z0-9/_-]{1,200}"),
            QueryParameter("view", max_length=100),
            QueryParameter("fields[]", max_length=100, many=True),
            QueryParameter("sort[0][field]", max_length=100),
            QueryParameter("sort[0][direction]", choices=("asc", "desc")),
        ),
        tolerated=_TOLERATED,
    ),
    ProxyRoute(
        "record",
        provider="airtable",
        path="/{base}/{table}/{record}",
        parameters=(*_TABLE, *_FORM, PathParameter("record", pattern=r"rec[A-Za-z0-9]{14}")),
        tolerated=_TOLERATED,
    ),
)
