"""How long to wait after something failed: longer each time, and not everybody at once.

Source: contracts 8; the usual exponential backoff with jitter.
"""

import hashlib

FIRST_SECONDS = 1.0
MOST_SECONDS = 3600.0
# Beyond it the doubling is over for any bound that anybody sets.
_MAX_DOUBLINGS = 40
_LEAST_SHARE = 0.5


def pause_seconds(
    failures: int, draw: float, *, first_seconds: float = FIRST_SECONDS, most_seconds: float = MOST_SECONDS
) -> float:
    """Seconds until the next try.

    Args:
        failures: how often it failed, from 1.
        draw: from 0 to 1, another for each that waits: what is waited is between half and all of the doubled time.
        first_seconds: all of it after the first failure.
        most_seconds: never more than that.
    """
    whole = min(first_seconds * 2.0 ** min(failures - 1, _MAX_DOUBLINGS), most_seconds)
    return whole * (_LEAST_SHARE + (1 - _LEAST_SHARE) * draw)


def draw_of(name: str, failures: int) -> float:
    """A number from 0 to below 1 that looks drawn, and is the same for the same thing and try.

    Args:
        name: of what waits, such as its id.
        failures: how often it failed.
    """
    digest = hashlib.sha256(f"{name}:{failures}".encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48
