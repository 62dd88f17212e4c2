"""`apikeychain sign`: the headers of one signed request, or a curl command that sends it. It opens no keychain."""

import hashlib
import re
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import httpx
from cyclopts import Parameter

from apikeychain.cli import output
from apikeychain.cli.files import unreadable
from apikeychain.cli.given import given_secret
from apikeychain.cli.invocation import Call
from apikeychain.client.signing import PREFIX, Signer, fresh_nonce, require_gate, sha256_of
from apikeychain.client.signing import sign as signing_lines
from apikeychain.errors import InvalidValueError
from apikeychain.model.header_lines import require_header_value
from apikeychain.model.headers import Line

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_Switch = Parameter(negative="", show_default=False)


def sign(
    method: str,
    url: str,
    /,
    *,
    key_id: str,
    curl: Annotated[bool, _Switch] = False,
    data: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    data_file: Path | None = None,
    content_type: str | None = None,
    user: str | None = None,
    header: Annotated[list[str] | None, Parameter(allow_leading_hyphen=True)] = None,
    signed_header: list[str] | None = None,
    prefix: str = PREFIX,
    stdin: Annotated[bool, _Switch] = False,
    file: Path | None = None,
    env: str | None = None,
    call: Call,
) -> None:
    """Sign one request: it is good once, within 30 seconds.

    The key is asked for without echo unless you say where it is, and is never an argument. No data directory is needed.

    Args:
        method: of the request.
        url: of the request, under the prefix of the gate.
        key_id: of the signing key or session key.
        curl: print a curl command instead of header lines.
        data: the body.
        data_file: a file that is the body.
        content_type: of the body.
        user: sent as X-Iso-User.
        header: a further "Name: value"; may be given more than once.
        signed_header: a header that the project signs; may be given more than once.
        prefix: the path under which the gate is served.
        stdin: read the key from standard input.
        file: read the key from this file.
        env: take the key from the environment variable of this name.
    """
    body = _Body.of(data, data_file)
    target = _target(url)
    lines = [_line(text) for text in header or ()]
    if content_type is not None:
        lines.append(_line(f"content-type: {content_type}"))
    key = given_secret(f"Key {key_id}", stdin=stdin, file=file, env=env)
    method = method.upper()
    signer = Signer.of(key_id, key, prefix=prefix, signed_headers=signed_header or (), user=user)
    signed = signing_lines(
        signer,
        method=method,
        target=target.raw_path,
        headers=lines,
        body_sha256=body.sha256,
        timestamp=int(time.time()),
        nonce=fresh_nonce(),
    )
    if curl:
        kept = [line for line in lines if line[0] not in dict(signed)]
        unsent = [(name, None) for name in _signed_names(signer) if name not in dict(lines)]
        _tell(_curl(method, str(target), [*kept, *signed, *unsent], body))
    elif call.json:
        output.document({name.decode(): value.decode() for name, value in signed})
    else:
        _tell("\n".join(f"{name.decode()}: {value.decode()}" for name, value in signed))


@dataclass(frozen=True, slots=True)
class _Body:
    """A body, its hash, and how curl is told it."""

    sha256: str
    curl: tuple[str, ...]

    @classmethod
    def of(cls, data: str | None, file: Path | None) -> "_Body":
        if data is not None and file is not None:
            msg = "say one of --data and --data-file"
            raise InvalidValueError(msg)
        if file is not None:
            return cls(_hash(file), ("--data-binary", f"@{file.absolute()}"))
        try:
            digest = hashlib.sha256((data or "").encode()).hexdigest()
        except UnicodeEncodeError:
            msg = "--data takes text: put other bytes into a file, and say --data-file"
            raise InvalidValueError(msg) from None
        return cls(digest, () if data is None else ("--data-raw", data))


def _signed_names(signer: Signer) -> list[bytes]:
    return [name.encode() for name in ("content-type", *signer.signed_headers)]


def _hash(file: Path) -> str:
    try:
        return sha256_of(file)
    except OSError as error:
        raise unreadable(file, error) from None


def _target(url: str) -> httpx.URL:
    try:
        target = httpx.URL(url)
    except httpx.InvalidURL:
        msg = f"not a URL: {url!r}"
        raise InvalidValueError(msg) from None
    require_gate(target.scheme, target.host)
    return target


def _line(text: str) -> Line:
    name, _, value = text.partition(":")
    if not _TOKEN.fullmatch(name) or ":" not in text:
        msg = f'a header is "Name: value", not {text!r}'
        raise InvalidValueError(msg)
    value = value.strip(" \t")
    require_header_value(value)
    return name.lower().encode(), value.encode()


def _curl(method: str, url: str, lines: list[tuple[bytes, bytes | None]], body: _Body) -> str:
    """A command for a shell: nothing in it is expanded, and curl sends what was signed, no more and no less."""
    verb = ("--head",) if method == "HEAD" else ("--request", method)
    parts = [shlex.join(("curl", "--globoff", "--path-as-is", *verb, url))]
    parts += [shlex.join(("--header", _header(name, value))) for name, value in lines]
    parts += [shlex.join(body.curl)] if body.curl else []
    return " \\\n  ".join(parts)


def _header(name: bytes, value: bytes | None) -> str:
    """As curl is told: a header without a value is left out, one with an empty value ends in a semicolon."""
    if not value:
        return name.decode() + (":" if value is None else ";")
    return f"{name.decode()}: {value.decode()}"


def _tell(text: str) -> None:
    # as it is: what is copied into a shell is neither wrapped nor cleaned
    sys.stdout.write(f"{text}\n")
