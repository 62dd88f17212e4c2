"""The fuzz targets by name: one for each reader of bytes that a stranger sends."""

from collections.abc import Mapping
from types import MappingProxyType

from fuzz import (
    base_url_target,
    envelope_target,
    json_target,
    origin_target,
    paths_target,
    proof_target,
    redaction_target,
    signature_target,
)
from fuzz.target import Target

TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        target.name: target
        for target in (
            Target("origin", origin_target.one_input, origin_target.TOKENS),
            Target("signature", signature_target.one_input, signature_target.TOKENS),
            Target("paths", paths_target.one_input, paths_target.TOKENS),
            Target("base_url", base_url_target.one_input, base_url_target.TOKENS),
            Target("envelope", envelope_target.one_input, envelope_target.TOKENS),
            Target("json", json_target.one_input, json_target.TOKENS),
            Target("proof", proof_target.one_input, proof_target.TOKENS),
            Target("redaction", redaction_target.one_input, redaction_target.TOKENS),
        )
    }
)
