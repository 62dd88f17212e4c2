"""How many bodies may be held of callers of whom nothing is known yet.

A signature that does not announce its body is judged once the body was read; until then it may be anybody's.

Source: contracts 3; decision 12.
"""

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from typing import final

from apikeychain.errors import RateLimitedError
from apikeychain.model.call import Call
from apikeychain.rules.bodies import declared_length
from apikeychain.rules.caller import Caller, bucket_address

# With at most 8 MiB each, 128 MiB of a process.
MOST = 16
MOST_OF_AN_ADDRESS = 4
# As much as a server holds of a body that nobody reads; so small a one counts for nothing.
_SMALL = 64 * 1024


@final
class Unverified:
    """The bodies that are being read before their signature was verified."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()

    @contextmanager
    def one(self, call: Call, caller: Caller) -> Generator[None, None, None]:
        """Read one more; a body that is announced as small is not counted.

        Raises:
            RateLimitedError: too many are being read already, of this address or in all.
        """
        length = declared_length(call)
        if length is not None and length <= _SMALL:
            yield
            return
        address = bucket_address(caller.address)
        if self._held[address] >= MOST_OF_AN_ADDRESS or self._held.total() >= MOST:
            hint = "Send x-content-sha256: a body that is announced waits for nobody."
            raise RateLimitedError(hint, headers=((b"retry-after", b"1"),))
        self._held[address] += 1
        try:
            yield
        finally:
            self._held[address] -= 1
            if not self._held[address]:
                del self._held[address]
