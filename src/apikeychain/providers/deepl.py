"""DeepL: texts, translated. What is translated is what costs, so the body is bounded as DeepL bounds it.

Source: https://github.com/DeepLcom/openapi (openapi.yaml: servers, ``DeepL-Auth-Key`` credential, /v2/translate), read
on 2026-11-24. A key of the free plan, which ends in ``:fx``, belongs to another host: ``replace(DEEPL,
base_url="https://api-free.deepl.com")``.
"""

from apikeychain.model.provider import HeaderCredential, Provider
from apikeychain.model.route import JSONBody, JSONField, ProxyRoute

DEEPL = Provider(
    "deepl",
    "https://api.deepl.com",
    HeaderCredential("Authorization", "DeepL-Auth-Key "),
    source="https://github.com/DeepLcom/openapi",
    reviewed="2026-11-24",
)

_LANGUAGE = r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,4})?"

ROUTES = (
    ProxyRoute(
        "translate",
        provider="deepl",
        path="/v2/translate",
        methods=("POST",),
        body=JSONBody(
            (
                JSONField("text", type="array", required=True),
                JSONField("target_lang", pattern=_LANGUAGE, required=True),
                JSONField("source_lang", pattern=_LANGUAGE),
                JSONField("context", max_length=10_000),
                JSONField("split_sentences", choices=("0", "1", "nonewlines")),
                JSONField("preserve_formatting", type="boolean"),
                JSONField("formality", choices=("default", "more", "less", "prefer_more", "prefer_less")),
                JSONField("model_type", pattern=r"[a-z_]{1,40}"),
                JSONField("glossary_id", pattern=r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
                JSONField("tag_handling", choices=("xml", "html")),
                JSONField("show_billed_characters", type="boolean"),
            ),
        ),
        tolerated=("authorization", "user-agent"),
        answer_headers=("X-Trace-ID",),
        max_body_bytes=128 * 1024,
    ),
)
