"""What may be published at all: text in UTF-8, which is what every asset is served as.

A byte order mark is taken: browsers drop it.

Source: contracts 9; WHATWG Encoding, "UTF-8 decode".
"""

from apikeychain.errors import InvalidValueError
from apikeychain.model.asset import MAX_ASSET_BYTES, MIB


def require_text(body: bytes) -> None:
    """Raise InvalidValueError unless it is text in UTF-8 without NUL, of at most 5 MiB."""
    if len(body) > MAX_ASSET_BYTES:
        msg = f"an asset has at most {MAX_ASSET_BYTES // MIB} MiB"
        raise InvalidValueError(msg)
    try:
        body.decode()
    except UnicodeDecodeError as error:
        msg = f"an asset is text in UTF-8: byte {error.start} is none"
        raise InvalidValueError(msg) from None
    if b"\0" in body:
        msg = f"an asset is text: byte {body.index(0)} is a NUL"
        raise InvalidValueError(msg)
