"""The end of a chain as somebody keeps it elsewhere: SIZE:HASH.

Source: contracts 6; RFC 6962, 2.1 (what a head commits to).
"""

from apikeychain.errors import InvalidValueError
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head
from apikeychain.rules.chain import MAX_INTEGER

_HASH_BYTES = 32


def kept_text(head: Head) -> str:
    """What is to be kept of a chain that ends there."""
    return f"{head.size}:{head.hash.hex()}"


def parse_kept(text: str, tenant: TenantId) -> Head:
    """What was kept of a chain, written SIZE:HASH.

    Raises:
        InvalidValueError: it is not so written.
    """
    size, _, digest = text.strip().partition(":")
    head = None
    if size.isascii() and size.isdigit() and len(size) < len(str(MAX_INTEGER)):
        try:
            head = Head(tenant, int(size), bytes.fromhex(digest))
        except ValueError:
            head = None
    if head is None or not head.size or len(head.hash) != _HASH_BYTES:
        msg = "what was kept is written SIZE:HASH, as `ledger verify` prints it"
        raise InvalidValueError(msg)
    return head
