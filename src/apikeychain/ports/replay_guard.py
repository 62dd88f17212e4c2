"""Who remembers which signed requests came already."""

from typing import Literal, Protocol

Claim = Literal["claimed", "replayed", "forgotten"]
# A signature is good for 30 s on either side of its timestamp; as long again for clocks that differ between workers.
KEPT_SECONDS = 60


class ReplayGuard(Protocol):
    """Lets each signed request pass once.

    Contract (tested by `apikeychain.testing.ReplayGuardContract`):
        P1: the first claim of a token is ``"claimed"``, every later one ``"replayed"``, whatever its timestamp.
        P2: of concurrent claims of one token exactly one is ``"claimed"``.
        P3: a claim is kept at least until `KEPT_SECONDS` after its timestamp, also while others run out.
        P4: where claims with that timestamp may have been forgotten, the answer is ``"forgotten"`` and nothing is kept.
        P5: a guard that is full raises BackendUnavailableError and drops no claim that is still to be kept.
        P6: a guard that cannot be reached raises BackendUnavailableError.
    """

    async def claim(self, token: bytes, timestamp: int) -> Claim:
        """Claim a request, in one deed.

        Args:
            token: 32 bytes that stand for it.
            timestamp: at which it was signed, unix seconds, within 30 s of now.
        """
        ...
