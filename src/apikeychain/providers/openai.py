"""OpenAI: chat completions, called directly or by OpenAI's own SDK in the page.

Source: https://github.com/openai/openai-openapi (openapi.yaml: server, Bearer credential, chat completions) and the
request headers of openai-node, both read on 2026-11-24.

``chat`` is for a plain ``fetch``. ``openai`` is for the SDK: ``new OpenAI({baseURL: <url of the route openai>, apiKey:
"none", dangerouslyAllowBrowser: true})``; the SDK appends ``/chat/completions``. What it sends as a credential is
dropped. The number of tokens and of choices is bounded, since they are what costs.
"""

import re

from apikeychain.errors import InvalidValueError
from apikeychain.model.key_steps import Search, Step
from apikeychain.model.provider import HeaderCredential, Provider
from apikeychain.model.rotators import HTTPRotation
from apikeychain.model.route import MIB, JSONBody, JSONField, ProxyRoute
from apikeychain.providers.key_api import KnownKeyAPI

OPENAI = Provider(
    "openai",
    "https://api.openai.com/v1",
    HeaderCredential("Authorization", "Bearer "),
    source="https://github.com/openai/openai-openapi",
    reviewed="2026-11-24",
)

_PROJECT = re.compile(r"proj_[A-Za-z0-9_-]{1,64}")
_MAX_TOKENS = 16_384
_BODY = JSONBody(
    (
        JSONField("model", pattern=r"[A-Za-z0-9][A-Za-z0-9.:_-]{0,99}", required=True),
        JSONField("messages", type="array", required=True),
        JSONField("stream", type="boolean"),
        JSONField("stream_options", type="object"),
        JSONField("max_completion_tokens", type="integer", minimum=1, maximum=_MAX_TOKENS),
        JSONField("max_tokens", type="integer", minimum=1, maximum=_MAX_TOKENS),
        JSONField("n", type="integer", minimum=1, maximum=4),
        JSONField("temperature", type="number", minimum=0, maximum=2),
        JSONField("top_p", type="number", minimum=0, maximum=1),
        JSONField("presence_penalty", type="number", minimum=-2, maximum=2),
        JSONField("frequency_penalty", type="number", minimum=-2, maximum=2),
        JSONField("stop", type="array"),
        JSONField("seed", type="integer"),
        JSONField("logprobs", type="boolean"),
        JSONField("top_logprobs", type="integer", minimum=0, maximum=20),
        JSONField("verbosity", pattern=r"[a-z]{1,16}"),
        JSONField("reasoning_effort", pattern=r"[a-z]{1,16}"),
        JSONField("response_format", type="object"),
        JSONField("tools", type="array"),
        JSONField("tool_choice", pattern=r"none|auto|required"),
        JSONField("parallel_tool_calls", type="boolean"),
        JSONField("user", max_length=128),
        JSONField("safety_identifier", max_length=128),
        JSONField("prompt_cache_key", max_length=128),
    ),
)
_TOLERATED = ("authorization", "openai-organization", "openai-project", "user-agent", "x-stainless-*")
_ANSWER = ("OpenAI-Processing-Ms", "OpenAI-Version", "Retry-After-Ms", "X-Should-Retry")

ROUTES = (
    ProxyRoute(
        "chat",
        provider="openai",
        path="/chat/completions",
        methods=("POST",),
        body=_BODY,
        tolerated=_TOLERATED,
        answer_headers=_ANSWER,
        max_body_bytes=4 * MIB,
        stream=True,
    ),
    ProxyRoute(
        "openai",
        provider="openai",
        methods=("POST",),
        tail=("chat", "completions"),
        body=_BODY,
        tolerated=_TOLERATED,
        answer_headers=_ANSWER,
        max_body_bytes=4 * MIB,
        stream=True,
    ),
)


def openai_rotation(project: str) -> HTTPRotation:
    """Keys of a project, each of a service account of its own, made with an admin key of the organization.

    The service account is what is ended, and its key with it. The admin key belongs to the same registered provider:
    put it as the secret ``openai-admin``, and let no route inject it.

    Args:
        project: its id, ``proj_...``.

    Raises:
        InvalidValueError: it is none.
    """
    if not _PROJECT.fullmatch(project):
        msg = f"not the id of a project of OpenAI: {project!r}"
        raise InvalidValueError(msg)
    accounts = f"/organization/projects/{project}/service_accounts"
    return HTTPRotation(
        provider="openai",
        credential="openai-admin",
        create=Step(method="POST", path=accounts, body='{"name": "{label}"}'),
        key="api_key.value",
        id="id",
        verify=Step(method="GET", path="/models"),
        revoke=Step(method="DELETE", path=f"{accounts}/{{id}}"),
        search=Search(
            step=Step(method="GET", path=accounts, query=(("limit", "100"),)),
            keys="data",
            label="name",
            id="id",
            after="after",
        ),
    )


# Read in the clients that are made of https://github.com/openai/openai-openapi.
KEY_API = KnownKeyAPI(
    describe=openai_rotation,
    provider=OPENAI,
    source="https://platform.openai.com/docs/api-reference/project-service-accounts",
    reviewed="2026-11-30",
)
