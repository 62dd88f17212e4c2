"""Paths: each segment decoded once, judged, and encoded anew; nothing is joined, normalised or resolved.

A path that goes up is the provider's base path, the route's template filled with the caller's segments, and a tail
where the route declares one. No caller byte can end, shorten or leave that path.

Source: contracts 4 ("What is sent is what was validated"); RFC 3986, sections 2.1, 3.3 and 3.4.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote_from_bytes, unquote_to_bytes

from pydantic import ConfigDict, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import SchemaError

from apikeychain.errors import InvalidValueError, PathRefusedError

MAX_URL_BYTES = 8192
_PCHAR = "!$&'()*+,;=:@"
_QUERY = "!$()*,:@/?"
_BARE_SEGMENT = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=:@-]*")
BARE_QUERY = rb"[A-Za-z0-9._~!$()*,:@/?+-]"
_BARE_QUERY = re.compile(rb"%b*" % BARE_QUERY)
_SOUND_URL = re.compile(rb"[\x21\x22\x24-\x5b\x5d-\x7e]{0,%d}" % MAX_URL_BYTES).fullmatch
# Possessive: else a broken escape behind n bytes is tried in 2^n ways before it is refused.
_SOUND_ESCAPES = re.compile(rb"(?:[^%]++|%[0-9A-Fa-f]{2})*+")
_FORBIDDEN_IN_SEGMENT = re.compile(rb"[\x00-\x1f\x7f/\\]")
_DOTS = frozenset({b".", b".."})
_DOT_PARAMETERS = (b".;", b"..;")
_PART = re.compile(r"\{([a-z][a-z0-9_]*)\}")


def require_sound_url(path: bytes, query: bytes) -> None:
    """Raise PathRefusedError unless both are visible ASCII without ``#`` and backslash, together at most 8 KiB."""
    if not _SOUND_URL(path + query):
        raise PathRefusedError


def unescape(raw: bytes) -> bytes:
    """`raw` with each ``%XX`` decoded, once.

    Raises:
        PathRefusedError: a ``%`` without two hexadecimal digits.
    """
    if b"%" not in raw:
        return raw
    if not _SOUND_ESCAPES.fullmatch(raw):
        raise PathRefusedError
    return unquote_to_bytes(raw)


def read_text(raw: bytes) -> str:
    """`raw` decoded once, as text.

    Raises:
        PathRefusedError: a broken escape, or not UTF-8 (which is how overlong dots and slashes come).
    """
    try:
        return unescape(raw).decode()
    except UnicodeDecodeError:
        raise PathRefusedError from None


def read_segment(raw: bytes) -> str:
    """One raw path segment, decoded once.

    Raises:
        PathRefusedError: a dot segment, or one that holds a slash, a backslash or a control byte.
    """
    text = read_text(raw)
    require_segment(text.encode())
    return text


def require_segment(segment: bytes) -> None:
    """Raise PathRefusedError if a decoded segment would mean something to whoever reads the path."""
    if segment in _DOTS or segment.startswith(_DOT_PARAMETERS) or _FORBIDDEN_IN_SEGMENT.search(segment):
        raise PathRefusedError


def encode_segment(text: str) -> bytes:
    """A path segment: RFC 3986 ``pchar`` bare, all else ``%XX`` in upper case."""
    raw = text.encode()
    return raw if _BARE_SEGMENT.fullmatch(raw) else quote_from_bytes(raw, _PCHAR).encode()


def encode_query(raw: bytes) -> bytes:
    """A name or value of a query, from its plain bytes; a plus is data and becomes ``%2B``."""
    return quote_from_bytes(raw, _QUERY).encode()


def encode_query_anew(raw: bytes) -> bytes:
    """A name or value of a query, from its raw bytes: a bare plus stays one, an escaped one stays escaped.

    Raises:
        PathRefusedError: a broken escape.
    """
    if _BARE_QUERY.fullmatch(raw):
        return raw
    return b"+".join(encode_query(unescape(part)) for part in raw.split(b"+"))


def compile_pattern(pattern: str, owner: str) -> TypeAdapter[str]:
    """A validator of texts that match `pattern` as a whole, in linear time.

    Args:
        pattern: in the syntax of Rust's ``regex``.
        owner: what it belongs to, for the error text.

    Raises:
        InvalidValueError: the engine cannot compile it.
    """
    try:
        # alone first: "a)|(?:b" would break out of the group that anchors it
        TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)])
        whole = StringConstraints(pattern=anchored(pattern), strict=True)
        return TypeAdapter(Annotated[str, whole], config=ConfigDict(hide_input_in_errors=True))
    except SchemaError as error:
        reason = str(error).strip().splitlines()[-1]
        msg = f"the pattern of {owner} does not compile (Rust syntax, no look-around, no back-references): {reason}"
        raise InvalidValueError(msg) from None


def anchored(pattern: str) -> str:
    """`pattern` so that only a whole text matches, a line feed at its end included."""
    return rf"\A(?:{pattern})\z"


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled path template.

    Attributes:
        prefix: the provider's base path.
        segments: each as ``(literal, name, literal, name, ..., literal)``: every second item is a placeholder.
        names: the placeholders, in order.
        tail: whether further segments may follow.
        patterns: where not None, one for each segment of the tail, all of them required.
        fixed: the whole path that goes up where a call has no say in it, else None.
    """

    prefix: bytes
    segments: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]
    tail: bool
    patterns: tuple[TypeAdapter[str], ...] | None
    fixed: bytes | None

    @classmethod
    def compile(cls, prefix: str, path: str, tail: bool | Sequence[str], route: str) -> "Template":  # noqa: FBT001 - as the route declares it
        """The template of a route.

        Raises:
            InvalidValueError: a pattern of the tail does not compile.
        """
        segments = tuple(tuple(_PART.split(segment)) for segment in path.split("/")[1:])
        names = tuple(name for segment in segments for name in segment[1::2])
        patterns = None
        if not isinstance(tail, bool):
            patterns = tuple(compile_pattern(pattern, f"the tail of the route {route!r}") for pattern in tail)
        whole = "/".join((prefix, *(segment[0] for segment in segments))) or "/"
        fixed = None if names or tail else whole.encode()
        return cls(prefix.encode(), segments, names, bool(tail), patterns, fixed)

    def read(self, segments: Sequence[bytes]) -> tuple[dict[str, str], tuple[str, ...]]:
        """The values of the placeholders and the tail, from the raw segments that a caller sent.

        Raises:
            PathRefusedError: too few or too many, or one that cannot be.
        """
        if self.fixed is not None:
            if segments:
                raise PathRefusedError
            return {}, ()
        count = len(self.names)
        if len(segments) < count or (len(segments) > count and not self.tail):
            raise PathRefusedError
        texts = [read_segment(segment) for segment in segments]
        values, tail = dict(zip(self.names, texts[:count], strict=True)), tuple(texts[count:])
        if not all(values.values()):
            raise PathRefusedError
        self._require_tail(tail)
        return values, tail

    def fill(self, values: dict[str, str], tail: Iterable[str]) -> bytes:
        """The whole path that goes up.

        Raises:
            PathRefusedError: a value makes a dot segment out of the literal text around it.
        """
        if self.fixed is not None:
            return self.fixed
        filled = [_fill_segment(segment, values) for segment in self.segments]
        filled.extend(encode_segment(text) for text in tail)
        return b"/".join((self.prefix, *filled)) or b"/"

    def recognise(self, path: bytes) -> tuple[bytes, ...] | None:
        """The raw segments that a caller would send for this whole path, or None when it is not under the route."""
        if not path.startswith(self.prefix + b"/") and path != self.prefix:
            return None
        given = path[len(self.prefix) :].split(b"/")[1:]
        count = len(self.segments)
        if len(given) < count:
            return None
        found = [_recognise_segment(segment, raw) for segment, raw in zip(self.segments, given, strict=False)]
        if None in found:
            return None
        return (*(raw for raws in found if raws for raw in raws), *given[count:])

    def _require_tail(self, tail: tuple[str, ...]) -> None:
        if len(tail) > 1 and not tail[0]:
            raise PathRefusedError
        if self.patterns is None:
            return
        if len(tail) != len(self.patterns):
            raise PathRefusedError
        for pattern, text in zip(self.patterns, tail, strict=True):
            try:
                pattern.validate_python(text)
            except ValidationError:
                raise PathRefusedError from None


def _fill_segment(segment: tuple[str, ...], values: dict[str, str]) -> bytes:
    if len(segment) == 1:
        return segment[0].encode()
    text = "".join(values[part] if index % 2 else part for index, part in enumerate(segment))
    require_segment(text.encode())
    return encode_segment(text)


def _recognise_segment(segment: tuple[str, ...], raw: bytes) -> tuple[bytes, ...] | None:
    """The raw value in a segment that has at most one placeholder; with more it is not unique."""
    if len(segment) == 1:
        return () if raw == segment[0].encode() else None
    before, after = segment[0].encode(), segment[-1].encode()
    value = raw[len(before) : len(raw) - len(after)]
    sound = len(segment) == 3 and value and raw == before + value + after  # noqa: PLR2004 - literal, name, literal
    return (value,) if sound else None
