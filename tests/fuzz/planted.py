"""Faults that the targets have to find: each is ours with one thing wrong that a parser of this kind gets wrong."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import cast
from urllib.parse import unquote_to_bytes

from apikeychain.errors import ParameterRefusedError, SignatureRefusedError, TimestampRefusedError
from apikeychain.model.call import Call
from apikeychain.model.headers import Headers
from apikeychain.model.origin import Origin, parse_origin
from apikeychain.rules import cors, routing, signature
from apikeychain.rules.caller import Caller
from apikeychain.rules.json_objects import read_json
from apikeychain.rules.routing import CompiledRoute, Target
from apikeychain.rules.scrubbing import Needles
from apikeychain.rules.signature import Signature
from apikeychain.rules.snapshot import Snapshot
from apikeychain.secret import Secret
from fuzz import (
    base_url_target,
    envelope_target,
    json_target,
    origin_target,
    paths_target,
    planted_base_url,
    planted_envelope,
    planted_proof,
    proof_target,
    redaction_target,
    signature_target,
)
from fuzz.target import OneInput


def _strips_a_trailing_dot(text: str, *, development: bool = False) -> Origin:
    return parse_origin(text.removesuffix("."), development=development)


def _lowers_the_case(text: str, *, development: bool = False) -> Origin:
    return parse_origin(text.lower(), development=development)


def _takes_the_default_port(text: str, *, development: bool = False) -> Origin:
    parse_origin(text.removesuffix(":443"), development=development)
    return Origin(text)


def _admits_by_prefix(call: Call, project: Snapshot, caller: Caller) -> Origin | None:
    origin = call.headers.get(b"origin") or b""
    longest = max((one for one in project.origins if origin.startswith(one)), default=None, key=len)
    return cors.admit(call, project, caller) if longest is None else Origin(longest.decode())


def _ignores_a_line_feed_at_the_end(headers: Headers) -> Signature:
    return signature.read(Headers((name, value.removesuffix(b"\n")) for name, value in headers))


def _takes_two_macs(headers: Headers) -> Signature:
    return signature.read(Headers((name, value.partition(b",v1=")[0]) for name, value in headers))


def _takes_upper_case_hex(headers: Headers) -> Signature:
    lines = [(name, value.lower() if name == b"x-signature" else value) for name, value in headers]
    return signature.read(Headers(lines))


def _is_late_by_the_thirtieth_second(sent: Signature, now: datetime) -> None:
    try:
        signature.require_window(sent, now)
    except TimestampRefusedError:
        signature.require_window(sent, now - timedelta(microseconds=1))


def _compares_half_of_the_mac(
    key: Secret | None, sent: Signature, call: Call, names: Sequence[str], digest: bytes
) -> bytes:
    right = (
        signature.require_mac(key, sent, call, names, digest) if key is None else _right(key, sent, call, names, digest)
    )
    if right[:16] != sent.mac[:16]:
        raise SignatureRefusedError
    return sent.mac


def _signs_without_the_query(
    key: Secret | None, sent: Signature, call: Call, names: Sequence[str], digest: bytes
) -> bytes:
    return signature.require_mac(key, sent, replace(call, query=b""), names, digest)


def _right(key: Secret, sent: Signature, call: Call, names: Sequence[str], digest: bytes) -> bytes:
    try:
        return signature._text(call, sent, names, digest).mac(key.reveal())
    except ValueError:
        raise SignatureRefusedError from None


def _lets_dot_parameters_through(call: Call, route: CompiledRoute, body: bytes | None) -> Target:
    target = routing.fill(replace(call, path=call.path.replace(b"..;", b"dotdot")), route, body)
    return replace(target, path=target.path.replace(b"dotdot", b"..;"))


def _decodes_twice(call: Call, route: CompiledRoute, body: bytes | None) -> Target:
    return routing.fill(replace(call, path=unquote_to_bytes(call.path.replace(b"%25", b"%"))), route, body)


def _sends_what_it_was_given(call: Call, route: CompiledRoute, body: bytes | None) -> Target:
    target = routing.fill(call, route, body)
    return replace(target, query=call.query)


def _merges_slashes(call: Call, route: CompiledRoute, body: bytes | None) -> Target:
    target = routing.fill(call, route, body)
    return replace(target, path=target.path.replace(b"//", b"/"))


def _takes_the_last_of_two_names(raw: bytes) -> object:
    try:
        return read_json(raw)
    except ParameterRefusedError:
        value = _loaded(raw)
        if isinstance(value, dict) and raw.count(b'"a"') > 1:
            return cast("object", value)
        raise


def _takes_a_lone_surrogate(raw: bytes) -> object:
    try:
        return read_json(raw)
    except ParameterRefusedError:
        value = _loaded(raw)
        if value is not None and b"\\ud" in raw:
            return value
        raise


def _takes_infinity(raw: bytes) -> object:
    return read_json(raw) if b"Infinity" not in raw else _loaded(raw)


def _loaded(raw: bytes) -> object:
    try:
        return cast("object", json.loads(raw))
    except (ValueError, RecursionError):
        raise ParameterRefusedError from None


def _starts_anew_with_each_chunk(secret: bytes, chunks: Sequence[bytes]) -> bytes:
    return b"".join(redaction_target.stream(secret, [chunk]) for chunk in chunks)


def _leaves_bits_beside_base64(secret: bytes, chunks: Sequence[bytes]) -> bytes:
    found = Needles((secret,))
    alone = tuple(replace(form, before=b"", after=b"") for form in found._fixed)
    object.__setattr__(found, "_fixed", alone)
    return redaction_target.streamed(found, chunks)


def _knows_one_alignment(secret: bytes, chunks: Sequence[bytes]) -> bytes:
    found = Needles((secret,))
    object.__setattr__(found, "_fixed", found._fixed[:3])
    return redaction_target.streamed(found, chunks)


def _looks_for_one_spelling_at_a_time(secret: bytes, chunks: Sequence[bytes]) -> bytes:
    body = b"".join(chunks)
    out = redaction_target.stream(secret, chunks)
    return body if b"%" in body and b"&#" in body else out


def _lets_a_capital_x_through(secret: bytes, chunks: Sequence[bytes]) -> bytes:
    body = b"".join(chunks)
    return body if b"&#X" in body else redaction_target.stream(secret, chunks)


_STREAMS = (
    _starts_anew_with_each_chunk,
    _leaves_bits_beside_base64,
    _knows_one_alignment,
    _looks_for_one_spelling_at_a_time,
    _lets_a_capital_x_through,
)
_FILLS = (_lets_dot_parameters_through, _decodes_twice, _sends_what_it_was_given, _merges_slashes)
_READS = (_ignores_a_line_feed_at_the_end, _takes_two_macs, _takes_upper_case_hex)
_PARSES = (_strips_a_trailing_dot, _lowers_the_case, _takes_the_default_port)
_JSON_READS = (_takes_the_last_of_two_names, _takes_a_lone_surrogate, _takes_infinity)


def _named(**faults: OneInput) -> Mapping[str, OneInput]:
    return MappingProxyType({name.removeprefix("_").replace("_", "-"): fault for name, fault in faults.items()})


PLANTED: Mapping[str, Mapping[str, OneInput]] = MappingProxyType(
    {
        "origin": _named(
            **{parse.__name__: partial(origin_target.one_input, parse=parse) for parse in _PARSES},
            admits_by_prefix=partial(origin_target.one_input, admit=_admits_by_prefix),
        ),
        "signature": _named(
            **{read.__name__: partial(signature_target.one_input, read=read) for read in _READS},
            is_late_by_the_thirtieth_second=partial(
                signature_target.one_input, require_window=_is_late_by_the_thirtieth_second
            ),
            compares_half_of_the_mac=partial(signature_target.one_input, require_mac=_compares_half_of_the_mac),
            signs_without_the_query=partial(signature_target.one_input, require_mac=_signs_without_the_query),
        ),
        "paths": _named(**{fill.__name__: partial(paths_target.one_input, fill=fill) for fill in _FILLS}),
        "base_url": _named(
            **{parse.__name__: partial(base_url_target.one_input, parse=parse) for parse in planted_base_url.PARSES},
        ),
        "envelope": _named(
            **{opens.__name__: partial(envelope_target.one_input, opened=opens) for opens in planted_envelope.OPENS},
        ),
        "json": _named(**{read.__name__: partial(json_target.one_input, read=read) for read in _JSON_READS}),
        "proof": _named(
            **{takes.__name__: partial(proof_target.one_input, takes=takes) for takes in planted_proof.TAKES},
        ),
        "redaction": _named(
            **{stream.__name__: partial(redaction_target.one_input, stream=stream) for stream in _STREAMS}
        ),
    }
)
