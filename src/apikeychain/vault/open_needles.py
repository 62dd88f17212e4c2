"""What must not come back, made once for each opened secret and kept exactly as long as that is.

Source: contracts 4 ("Redaction"), 5 (opened secrets).
"""

from collections.abc import Sequence
from typing import final
from weakref import ref

from apikeychain.model.provider import Provider
from apikeychain.rules.redaction import needles
from apikeychain.rules.scrubbing import Needles
from apikeychain.secret import Secret


@final
class OpenNeedles:
    """The needles of the secrets that are open. It keeps no secret alive."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, ...], tuple[Sequence[ref[Secret]], Provider, Needles]] = {}

    def of(self, provider: Provider, *secrets: Secret) -> Needles:
        """See `redaction.needles`."""
        place = tuple(map(id, secrets))
        kept = self._kept.get(place)
        if kept is not None and (kept[1] is provider or kept[1] == provider):
            return kept[2]
        made = needles(provider, *secrets)
        # They go with the first of the secrets; its place may be another's then.
        self._kept[place] = [ref(secret, lambda _: self._kept.pop(place, None)) for secret in secrets], provider, made
        return made
