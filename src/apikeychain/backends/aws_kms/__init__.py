"""AWS KMS as a key service: one KMS key for each version of the platform key. Loads the client on first use of a name.

Files: `place` (where it is, and what is refused of it), `session` and `wire` (one request), `line` (asking again, and
waiting), `epochs` (versions, their aliases, and what is stored), `ring` (which versions there are), `key_service` (the
port).
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from apikeychain.errors import MissingExtraError

if TYPE_CHECKING:
    from apikeychain.backends.aws_kms.key_service import AWSKeyService
    from apikeychain.backends.aws_kms.wire import AccessKey

__all__ = ["AWSKeyService", "AccessKey"]

_HOMES = {"AWSKeyService": "key_service", "AccessKey": "wire"}


def __getattr__(name: str) -> object:
    """A public name, loaded on first use.

    Raises:
        MissingExtraError: the client is not installed.
    """
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    if not find_spec("aiobotocore"):
        asked = "AWS KMS"
        raise MissingExtraError(asked, "aws")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
