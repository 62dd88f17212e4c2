"""Anthropic: messages, called directly or by Anthropic's own SDK in the page.

Source: https://docs.anthropic.com/en/api/overview, /versioning and /messages, and the request headers of
anthropic-sdk-typescript, read on 2026-11-24.

``messages`` is for a plain ``fetch``. ``anthropic`` is for the SDK: ``new Anthropic({baseURL: <url of the route
anthropic>, apiKey: "none", dangerouslyAllowBrowser: true})``; the SDK appends ``/v1/messages``. What it sends as a
credential and as a version is dropped: the version is ours.
"""

from apikeychain.model.provider import HeaderCredential, Provider
from apikeychain.model.route import MIB, JSONBody, JSONField, ProxyRoute

ANTHROPIC = Provider(
    "anthropic",
    "https://api.anthropic.com",
    HeaderCredential("x-api-key"),
    headers=(("anthropic-version", "2023-06-01"),),
    source="https://docs.anthropic.com/en/api/overview",
    reviewed="2026-11-24",
)

_MAX_TOKENS = 16_384
_BODY = JSONBody(
    (
        JSONField("model", pattern=r"[A-Za-z0-9][A-Za-z0-9.:@_-]{0,99}", required=True),
        JSONField("messages", type="array", required=True),
        JSONField("max_tokens", type="integer", minimum=1, maximum=_MAX_TOKENS, required=True),
        JSONField("system", max_length=100_000),
        JSONField("stream", type="boolean"),
        JSONField("temperature", type="number", minimum=0, maximum=1),
        JSONField("top_p", type="number", minimum=0, maximum=1),
        JSONField("top_k", type="integer", minimum=0),
        JSONField("stop_sequences", type="array"),
        JSONField("thinking", type="object"),
        JSONField("output_config", type="object"),
        JSONField("cache_control", type="object"),
        JSONField("tools", type="array"),
        JSONField("tool_choice", type="object"),
        JSONField("metadata", type="object"),
    ),
)
_TOLERATED = (
    "anthropic-beta",
    "anthropic-dangerous-direct-browser-access",
    "anthropic-version",
    "authorization",
    "user-agent",
    "x-api-key",
    "x-stainless-*",
)
_ANSWER = (
    "Request-Id",
    "Retry-After-Ms",
    "X-Should-Retry",
    "Anthropic-Ratelimit-Requests-Remaining",
    "Anthropic-Ratelimit-Tokens-Remaining",
)

ROUTES = (
    ProxyRoute(
        "messages",
        provider="anthropic",
        path="/v1/messages",
        methods=("POST",),
        body=_BODY,
        tolerated=_TOLERATED,
        answer_headers=_ANSWER,
        max_body_bytes=4 * MIB,
        stream=True,
    ),
    ProxyRoute(
        "anthropic",
        provider="anthropic",
        methods=("POST",),
        tail=("v1", "messages"),
        body=_BODY,
        tolerated=_TOLERATED,
        answer_headers=_ANSWER,
        max_body_bytes=4 * MIB,
        stream=True,
    ),
)
