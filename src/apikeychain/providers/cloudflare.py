"""Cloudflare: the zones of an account and their DNS records, to read.

Source: https://developers.cloudflare.com/api/resources/zones/methods/list and /resources/dns/subresources/records
(excerpts, and programs that call it, read on 2026-11-24). The secret is an API token; the older pair of email and
global key is not for this entry.
"""

import json
import re
from collections.abc import Mapping, Sequence

from apikeychain.errors import InvalidValueError
from apikeychain.model.key_steps import Search, Step
from apikeychain.model.provider import HeaderCredential, Provider
from apikeychain.model.rotators import HTTPRotation
from apikeychain.model.route import PathParameter, ProxyRoute, QueryParameter
from apikeychain.providers.key_api import KnownKeyAPI

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


def cloudflare_rotation(account: str, policies: Sequence[Mapping[str, object]]) -> HTTPRotation:
    """Tokens of an account, made with a token that has the permission "Account API Tokens Write".

    Put that token as the secret ``cloudflare-admin``.

    Args:
        account: its id.
        policies: what a token may, as the field ``policies`` of Cloudflare's: effect, resources, permission groups.

    Raises:
        InvalidValueError: the account's id is none, or the policies are no JSON.
    """
    if not re.fullmatch(_ID, account):
        msg = f"not the id of an account of Cloudflare: {account!r}"
        raise InvalidValueError(msg)
    try:
        body = json.dumps({"name": "{label}", "policies": [dict(policy) for policy in policies]})
    except (TypeError, ValueError):
        msg = "the policies of a token are what JSON can hold"
        raise InvalidValueError(msg) from None
    tokens = f"/accounts/{account}/tokens"
    return HTTPRotation(
        provider="cloudflare",
        credential="cloudflare-admin",
        create=Step(method="POST", path=tokens, body=body),
        key="result.value",
        id="result.id",
        verify=Step(method="GET", path=f"{tokens}/verify"),
        revoke=Step(method="DELETE", path=f"{tokens}/{{id}}"),
        search=Search(
            step=Step(method="GET", path=tokens, query=(("per_page", "50"),)),
            keys="result",
            label="name",
            id="id",
            page="page",
        ),
    )


# Read in excerpts, with list, delete and verify beside it.
KEY_API = KnownKeyAPI(
    describe=cloudflare_rotation,
    provider=CLOUDFLARE,
    source="https://developers.cloudflare.com/api/resources/accounts/subresources/tokens/methods/create",
    reviewed="2026-11-30",
)
