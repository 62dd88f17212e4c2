"""Names of objects in an AssetStore, and what they are under: what is none never comes near a disk or a server.

Source: spec 10.2; clauses A1 and A7 of AssetStore.
"""

import re

from apikeychain.errors import InvalidValueError
from apikeychain.model.asset import MIB, AssetPrefix
from apikeychain.model.ids import parse_project_id, parse_tenant_id

MAX_OBJECT_BYTES = 16 * MIB
_NAME = re.compile(r"[0-9a-f]{32}")


def is_object(text: str) -> bool:
    """Whether it is the name of an object: what else lies beside objects is not listed."""
    return _NAME.fullmatch(text) is not None


def require_object(prefix: AssetPrefix, name: str) -> None:
    """See A7.

    Raises:
        InvalidValueError: the prefix or the name is none.
    """
    require_prefix(prefix)
    if not is_object(name):
        msg = "not the name of an object (32 of 0-9 and a-f)"
        raise InvalidValueError(msg)


def require_body(prefix: AssetPrefix, name: str, body: bytes) -> None:
    """See A1 and A7.

    Raises:
        InvalidValueError: as `require_object`, or the body is too long.
    """
    require_object(prefix, name)
    if len(body) > MAX_OBJECT_BYTES:
        msg = f"an object has at most {MAX_OBJECT_BYTES // MIB} MiB"
        raise InvalidValueError(msg)


def require_place(prefix: AssetPrefix, after: str) -> None:
    """See A5 and A7.

    Raises:
        InvalidValueError: the prefix is none, or names cannot come after `after`.
    """
    if after:
        require_object(prefix, after)
    else:
        require_prefix(prefix)


def require_prefix(prefix: AssetPrefix) -> None:
    """See A7.

    Raises:
        InvalidValueError: it is not of a tenant's id and a project's.
    """
    parse_tenant_id(prefix.tenant)
    parse_project_id(prefix.project)
