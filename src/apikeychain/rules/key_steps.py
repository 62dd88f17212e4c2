"""Steps of a key API: filled with a label or an id, and their answers read.

Whatever is filled in is encoded for its place, so that no label or id can leave it: one segment of a path, one value of
a query or form, one string of a JSON document.

Source: contracts 8; RFC 3986, sections 2.1 and 3.3; RFC 8259, section 7; RFC 9110, section 15.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Literal, cast
from urllib.parse import quote

from apikeychain.errors import BackendUnavailableError, ParameterRefusedError, RotationRefusedError
from apikeychain.model.headers import Line
from apikeychain.model.key_steps import Search, Step
from apikeychain.model.rotators import HTTPRotation
from apikeychain.rules.json_objects import read_json
from apikeychain.rules.paths import encode_query
from apikeychain.rules.scrubbing import MARK
from apikeychain.secret import MIN_BYTES, Secret

JSON = b"application/json"
FORM = b"application/x-www-form-urlencoded"
_LONGEST_ID = 512
# As redaction overwrites the shortest of secrets.
_STRUCK = MARK[:MIN_BYTES].decode()
# The rest of 400 to 499 says no to this very request, however often it comes.
_NOT_NOW = frozenset({408, 425, 429})
_GONE = frozenset({404, 410})

Outcome = Literal["done", "gone", "refused", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request, without the credential.

    Attributes:
        path: behind the provider's base URL, as sent; `query` likewise, or b"".
        headers: lines beside those that every request has.
        body: or None; `content_type` is its type.
        secrets: what must not come back; without any, all that the credential may be taken for.
    """

    method: str
    path: bytes
    query: bytes = field(default=b"", repr=False)
    headers: tuple[Line, ...] = field(default=(), repr=False)
    body: bytes | None = field(default=None, repr=False)
    content_type: bytes = b""
    secrets: tuple[bytes, ...] = field(default=(), repr=False)


def outcome(status: int) -> Outcome:
    """What a status says of the deed that was asked for. A redirect says nothing: nobody follows it."""
    if 200 <= status < 300:  # noqa: PLR2004 - the class of success
        return "done"
    if status in _GONE:
        return "gone"
    return "refused" if 400 <= status < 500 and status not in _NOT_NOW else "unknown"  # noqa: PLR2004 - of client errors


def filled(step: Step, *, label: str = "", key_id: str = "") -> Asked:
    """The request of a step.

    Raises:
        RotationRefusedError: the id would make a dot segment of the path.
    """

    def fill(text: str, encode: Callable[[str], str] = str) -> str:
        return encode(label).join(part.replace("{id}", encode(key_id)) for part in text.split("{label}"))

    path = fill(step.path, _segment)
    if {".", ".."} & set(path.split("/")):
        msg = "the id of the key cannot stand in a path: end that key by hand"
        raise RotationRefusedError(msg)
    body, content_type = None, b""
    if step.body:
        body, content_type = json.dumps(_filled(json.loads(step.body), fill)).encode(), JSON
    elif step.form:
        body, content_type = form_of((name, fill(value)) for name, value in step.form), FORM
    return Asked(
        method=step.method,
        path=path.encode(),
        query=_pairs((name, fill(value)) for name, value in step.query),
        headers=tuple((name.lower().encode(), fill(value).encode()) for name, value in step.headers),
        body=body,
        content_type=content_type,
    )


def form_of(pairs: Iterable[tuple[str, str]]) -> bytes:
    """A form: everything but letters, digits and ``-._~`` in escapes, which every reader takes."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs).encode()


def page_of(search: Search, label: str, number: int, last: str) -> Asked:
    """The request for one page of keys.

    Args:
        search: how they are listed.
        label: that is looked for.
        number: of the page, from 1.
        last: the id of the last key of the page before, "" before the first.
    """
    more = [(search.page, str(number))] if search.page else []
    if search.after and last:
        more.append((search.after, last))
    asked = filled(search.step, label=label)
    query = b"&".join(filter(None, (asked.query, _pairs(more))))
    return replace(asked, query=query)


def read(body: bytes) -> object:
    """An answer's JSON document.

    Raises:
        BackendUnavailableError: it is none that every parser reads in the same way.
    """
    try:
        return read_json(body)
    except ParameterRefusedError:
        msg = "the answer of the key API cannot be read"
        raise BackendUnavailableError(msg) from None


def text_at(document: object, place: str) -> str:
    """The text, or integer, at a place of an answer.

    Raises:
        BackendUnavailableError: there is none, or a part of it was sent.
    """
    return whole(_text_at(document, place), place)


def whole(text: str, place: str) -> str:
    """A text of which nothing was overwritten.

    Raises:
        BackendUnavailableError: a part of it was.
    """
    if is_struck(text):
        msg = f"the answer of the key API repeats at {place!r} what it was asked with"
        raise BackendUnavailableError(msg)
    return text


def is_struck(text: str) -> bool:
    """Whether a part of it was overwritten, since it had been sent."""
    return _STRUCK in text


def id_of(text: str) -> str:
    """An id that may be stored and told.

    Raises:
        BackendUnavailableError: it is longer than 512 characters, or not of printable ASCII.
    """
    if not 0 < len(text) <= _LONGEST_ID or not text.isascii() or not text.isprintable():
        msg = "the answer of the key API has no id: 1 to 512 characters of printable ASCII"
        raise BackendUnavailableError(msg)
    return text


def require_apart(key_id: str, secret: str) -> None:
    """Raise BackendUnavailableError where an id, which is told, gives its key away.

    An id may be a part of the key, as with ``SG.<id>.<secret>``, but not most of it.
    """
    if secret in key_id or (key_id in secret and 2 * len(key_id) > len(secret)):
        msg = "the answer of the key API has the key in the place of its id"
        raise BackendUnavailableError(msg)


def key_of(document: object, how: HTTPRotation) -> tuple[str, str]:
    """The key in the answer to its creation, and its id.

    Raises:
        BackendUnavailableError: they are not there, or the id tells the key.
    """
    key_id = id_of(text_at(document, how.id))
    parts = [text_at(document, place) for place in how.key.split(":", 1)]
    require_apart(key_id, parts[-1])
    return ":".join(parts), key_id


def listed(document: object, search: Search) -> list[tuple[str, str]]:
    """Id and label of each key in an answer; the label "" where it has none.

    The id of the credential itself may be struck: it is `whole` that takes one.

    Raises:
        BackendUnavailableError: there is no list, or something in it without an id.
    """
    items = _at(document, search.keys) if search.keys else document
    if not isinstance(items, list):
        msg = f"the answer of the key API has no list at {search.keys!r}"
        raise BackendUnavailableError(msg)
    keys: list[tuple[str, str]] = []
    for item in cast("list[object]", items):
        label = _at(item, search.label)
        keys.append((id_of(_text_at(item, search.id)), label if isinstance(label, str) else ""))
    return keys


def split_pair(secret: Secret) -> tuple[str, str]:
    """The two parts of a secret that is ``id:secret``; the second one goes into a request and nowhere else.

    Raises:
        RotationRefusedError: it is no such pair.
    """
    name, colon, rest = secret.reveal().decode("ascii").partition(":")
    if not (name and colon and rest):
        msg = "the secret is not of the form id:secret"
        raise RotationRefusedError(msg)
    return name, rest


def _text_at(document: object, place: str) -> str:
    value = _at(document, place)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value:
        msg = f"the answer of the key API has no text at {place!r}"
        raise BackendUnavailableError(msg)
    return value


def _at(document: object, place: str) -> object:
    for name in place.split("."):
        if not isinstance(document, dict):
            return None
        document = cast("dict[str, object]", document).get(name)
    return document


def _segment(text: str) -> str:
    return quote(text, safe="")


def _pairs(pairs: Iterable[tuple[str, str]]) -> bytes:
    return b"&".join(encode_query(name.encode()) + b"=" + encode_query(value.encode()) for name, value in pairs)


def _filled(value: object, fill: Callable[[str], str]) -> object:
    if isinstance(value, str):
        return fill(value)
    if isinstance(value, list):
        return [_filled(item, fill) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        return {name: _filled(item, fill) for name, item in cast("dict[str, object]", value).items()}
    return value
