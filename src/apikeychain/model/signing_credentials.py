"""Credentials that are never sent: each call is signed with them.

Source: contracts 4 ("credential injected last"); AWS, "Signature Version 4 for API requests"; RFC 2104 (HMAC).
"""

import re
from dataclasses import dataclass
from typing import Literal, get_args

from apikeychain.errors import InvalidValueError
from apikeychain.model.header_lines import require_header_name, require_header_value

_SCOPE = re.compile(r"[a-z0-9-]{1,64}")
_PLACEHOLDER = re.compile(r"\{([a-z0-9_]*)\}")
_BRACES = re.compile(r"[{}]")
_SIGNED = frozenset({"method", "host", "path", "query", "target", "timestamp", "key_id", "body", "body_sha256"})
_PREFIX = frozenset({"timestamp", "key_id"})
_LONGEST = 1024
# They take a hash of the body, or the word that there is none, in a header of its own.
_S3 = frozenset({"s3", "s3-outposts", "s3-object-lambda"})
HMACAlgorithm = Literal["sha256", "sha512"]
HMACEncoding = Literal["hex", "base64"]
TimestampUnit = Literal["seconds", "milliseconds"]


@dataclass(frozen=True, slots=True)
class AWSCredential:
    """AWS Signature Version 4. The secret is ``<access key id>:<secret access key>``, or so with ``:<session token>``.

    Attributes:
        region: as in the scope of a signature: ``eu-central-1``.
        service: likewise, its signing name: ``s3``, ``execute-api``, ``bedrock``.
    """

    region: str
    service: str
    kind: Literal["aws"] = "aws"

    def __post_init__(self) -> None:
        for noun, text in (("region", self.region), ("service", self.service)):
            if not _SCOPE.fullmatch(text):
                msg = f"not the name of an AWS {noun}: {text!r} (small letters, digits and '-')"
                raise InvalidValueError(msg)

    @property
    def header_names(self) -> frozenset[str]:
        """The headers that only this credential sets, in lower case."""
        return frozenset({"authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"})

    @property
    def is_s3(self) -> bool:
        """Whether paths are signed as they are sent, and a body may stay unsigned."""
        return self.service in _S3

    @property
    def signs_body(self) -> bool:
        """Whether a body has to be there, whole, before the call is sent."""
        return not self.is_s3

    @property
    def signature_bytes(self) -> int:
        """How long a signature is, as it is sent: hex of SHA-256."""
        return 64


@dataclass(frozen=True, slots=True, kw_only=True)
class HMACCredential:
    """An HMAC over parts of each call, in a header. The secret is the key, or ``<key id>:<key>`` where an id is sent.

    In `signed` stand, in braces: ``method``, ``host`` (with its port where that is not 443), ``path``, ``query``
    (without ``?``), ``target`` (path and query), ``timestamp``, ``key_id``, ``body``, ``body_sha256`` (in hex), all
    exactly as they are sent.

    Attributes:
        header: gets the signature.
        signed: what is signed, e.g. ``{timestamp}.{method}.{path}.{body}``; a line break is one.
        algorithm: of the HMAC; `encoding`: of the signature.
        prefix: stands before the signature; in it may stand ``{timestamp}`` and ``{key_id}``.
        timestamp_header: gets the time, or "" for none; `timestamp_unit`: since 1970.
        key_id_header: gets the key id, or "" for none.
    """

    header: str
    signed: str
    algorithm: HMACAlgorithm = "sha256"
    encoding: HMACEncoding = "hex"
    prefix: str = ""
    timestamp_header: str = ""
    timestamp_unit: TimestampUnit = "seconds"
    key_id_header: str = ""
    kind: Literal["hmac"] = "hmac"

    def __post_init__(self) -> None:
        _require_choice("algorithm", self.algorithm, get_args(HMACAlgorithm))
        _require_choice("encoding", self.encoding, get_args(HMACEncoding))
        _require_choice("timestamp_unit", self.timestamp_unit, get_args(TimestampUnit))
        names = [self.header, *filter(None, (self.timestamp_header, self.key_id_header))]
        for name in names:
            require_header_name(name)
        if len(self.header_names) < len(names):
            msg = "the signature, the time and the key id go into headers of their own"
            raise InvalidValueError(msg)
        require_header_value(self.prefix)
        _require_template("prefix", self.prefix, _PREFIX)
        self._require_signed()

    @property
    def header_names(self) -> frozenset[str]:
        """The headers that only this credential sets, in lower case."""
        return frozenset(filter(None, (self.header.lower(), self.timestamp_header.lower(), self.key_id_header.lower())))

    @property
    def has_key_id(self) -> bool:
        """Whether the secret begins with the id of the key."""
        return bool(self.key_id_header) or "{key_id}" in self.prefix + self.signed

    @property
    def signs_body(self) -> bool:
        """Whether a body has to be there, whole, before the call is sent."""
        return "{body" in self.signed

    @property
    def signature_bytes(self) -> int:
        """How long a signature is, as it is sent."""
        size = 32 if self.algorithm == "sha256" else 64
        return 2 * size if self.encoding == "hex" else -(-size // 3) * 4

    def _require_signed(self) -> None:
        if not 0 < len(self.signed) <= _LONGEST or not re.fullmatch(r"[\x20-\x7e\n]+", self.signed):
            msg = f"what is signed is 1 to {_LONGEST} printable ASCII characters and line breaks"
            raise InvalidValueError(msg)
        _require_template("signed", self.signed, _SIGNED)
        if set(_PLACEHOLDER.findall(self.signed)) <= {"key_id"}:
            msg = "what is signed holds nothing of the call: write {method}, {path}, {body} or another part of it"
            raise InvalidValueError(msg)
        if "{timestamp}" in self.signed and not (self.timestamp_header or "{timestamp}" in self.prefix):
            msg = "the time is signed and not sent: give timestamp_header=, or write {timestamp} into prefix="
            raise InvalidValueError(msg)


SigningCredential = AWSCredential | HMACCredential


def _require_choice(noun: str, given: str, choices: tuple[str, ...]) -> None:
    if given not in choices:
        msg = f"{noun} is one of {', '.join(map(repr, choices))}, not {given!r}"
        raise InvalidValueError(msg)


def _require_template(noun: str, text: str, known: frozenset[str]) -> None:
    unknown = [name for name in _PLACEHOLDER.findall(text) if name not in known]
    if unknown or _BRACES.search(_PLACEHOLDER.sub("", text)):
        msg = f"{noun} takes in braces {', '.join(sorted(known))}, and no other brace"
        raise InvalidValueError(msg)
