"""AWS KMS as a key service: one KMS key for each version of the platform key. Loads the client on first use of a name.

Files: `place` (where it is, and what is refused of it), `session` and `wire` (one request), `line` (asking again, and
waiting), `epochs` (versions, their aliases, and what is stored), `ring` (which versions there are), `key_service` (the
port).
"""

from typing import TYPE_CHECKING

from apikeychain.backends.on_use import on_use

if TYPE_CHECKING:
    from apikeychain.backends.aws_kms.key_service import AWSKeyService
    from apikeychain.backends.aws_kms.wire import AccessKey

__all__ = ["AWSKeyService", "AccessKey"]

_HOMES = {"AWSKeyService": "key_service", "AccessKey": "wire"}
__getattr__ = on_use(__name__, _HOMES, lambda _: (("aiobotocore",), "AWS KMS", "aws"))
