"""Names and ids: plain strings that only the parse functions here make.

Source: contracts 1, "Ids".
"""

import base64
import re
import secrets
from typing import NewType

from apikeychain.errors import InvalidValueError

TenantId = NewType("TenantId", str)
ProjectId = NewType("ProjectId", str)
Name = NewType("Name", str)

_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_PROJECT = re.compile(r"p_[a-z2-7]{20}")
_PARAMETER = re.compile(r"[A-Za-z0-9_.\[\]$~-]{1,64}")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


def parse_tenant_id(text: str) -> TenantId:
    """The host's own id of a tenant.

    Raises:
        InvalidValueError: not 1 to 64 letters, digits, ``_`` or ``-``, the first a letter or digit.
    """
    if not _TENANT.fullmatch(text):
        msg = f"not a tenant id: {text!r} (1 to 64 letters, digits, '_' or '-', the first a letter or digit)"
        raise InvalidValueError(msg)
    return TenantId(text)


def parse_project_id(text: str) -> ProjectId:
    """A project's public id.

    Raises:
        InvalidValueError: not ``p_`` and 20 lower-case base32 characters.
    """
    if not _PROJECT.fullmatch(text):
        msg = f"not a project id: {text!r} ('p_' and 20 of a-z and 2-7)"
        raise InvalidValueError(msg)
    return ProjectId(text)


def parse_name(text: str, noun: str) -> Name:
    """A name that a developer chose.

    Args:
        text: the name.
        noun: what it names, for the error text: "route", "provider", "secret", "project".

    Raises:
        InvalidValueError: not 1 to 63 lower-case letters, digits, ``.``, ``_`` or ``-``.
    """
    if not _NAME.fullmatch(text):
        msg = f"not a {noun} name: {text!r} (1 to 63 of a-z, 0-9, '.', '_', '-', the first a letter or digit)"
        raise InvalidValueError(msg)
    return Name(text)


def parse_parameter_name(text: str) -> str:
    """A parameter's name, as its provider calls it.

    Raises:
        InvalidValueError: not 1 to 64 letters, digits and ``_.[]$~-``.
    """
    if not _PARAMETER.fullmatch(text):
        msg = f"not a parameter name: {text!r}"
        raise InvalidValueError(msg)
    return text


def new_project_id() -> ProjectId:
    """A fresh project id: 100 random bits."""
    return ProjectId("p_" + _letters(20))


def new_signing_key_id() -> str:
    """A fresh id of a signing key: 50 random bits, no secret."""
    return "k_" + _letters(10)


def base64url(raw: bytes) -> str:
    """base64url without padding. Source: RFC 4648, section 5."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _letters(count: int) -> str:
    """`count` random base32 characters, lower case."""
    return base64.b32encode(secrets.token_bytes(count)).decode().lower()[:count]
