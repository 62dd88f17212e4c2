"""What may be logged of a bug: the frames and classes of an error, never its text."""

import traceback

from apikeychain.errors import APIKeyChainError


def frames_of(error: BaseException) -> str:
    """The frames and classes of an error and of what led to it; the text of a plug's may hold a secret."""
    told: list[str] = []
    current: BaseException | None = error
    while current is not None:
        told.append("".join(traceback.format_tb(current.__traceback__)) + type(current).__name__)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "\nled to:\n".join(reversed(told))


def told_of(error: BaseException) -> str:
    """The class of an error of ours, which says enough; the frames of any other, from the next line on."""
    return type(error).__name__ if isinstance(error, APIKeyChainError) else f"\n{frames_of(error)}"
