"""Cloudflare: the zones of an account and their DNS records, to read.

Source: https://developers.cloudflare.com/api/resources/zones/methods/list and /resources/dns/subresources/records
(excerpts, and programs that call it, read on 2026-11-24). The secret is an API token; the older pair of email and
global key is not for this entry.
"""

from apikeychain.model.provider import HeaderCredential, Provider
from apikeychain.model.route import PathParameter, ProxyRoute, QueryParameter

CLOUDFLARE = Provider(
    "cloudflare",
    "https://api.cloudflare.com/client/v4",
    HeaderCredential("Authorization", "Bearer "),
    source="https://developers.cloudflare.com/api/resources/zones/methods/list",
    reviewed="2026-11-24",
)

_ID = r"[0-9a-f]{32}"
_NAME = r"[A-Za-z0-9_*-]{1,63}(\.[A-Za-z0-9_-]{1,63}){0,20}"
_LIST = (
    QueryParameter("match", choices=("any", "all")),
    QueryParameter("direction", choices=("asc", "desc")),
    QueryParameter("page", type="integer", minimum=1, maximum=10_000),
)
_TOLERATED = ("authorization", "user-agent", "x-auth-email", "x-auth-key", "x-stainless-*")

ROUTES = (
    ProxyRoute(
        "zones",
        provider="cloudflare",
        path="/zones",
        parameters=(
            QueryParameter("name", pattern=_NAME, max_length=253),
            QueryParameter("status", choices=("initializing", "pending", "active", "moved")),
            QueryParameter("account.id", pattern=_ID),
            QueryParameter("order", choices=("name", "status", "account.id", "account.name", "plan.name")),
            QueryParameter("per_page", type="integer", minimum=5, maximum=50),
            *_LIST,
        ),
        tolerated=_TOLERATED,
        answer_headers=("CF-Ray",),
    ),
    ProxyRoute(
        "dns-records",
        provider="cloudflare",
        path="/zones/{zone}/dns_records",
        parameters=(
            PathParameter("zone", pattern=_ID),
            QueryParameter("type", choices=("A", "AAAA", "CAA", "CNAME", "HTTPS", "MX", "NS", "SRV", "SVCB", "TXT")),
            QueryParameter("name", pattern=_NAME, max_length=253),
            QueryParameter("order", choices=("type", "name", "content", "ttl", "proxied")),
            QueryParameter("per_page", type="integer", minimum=1, maximum=100),
            *_LIST,
        ),
        tolerated=_TOLERATED,
        answer_headers=("CF-Ray",),
    ),
)
