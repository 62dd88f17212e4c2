"""The states of a key at its provider, as a table: what is done in each, and where each answer leads.

Source: contracts 8; spec 6.4.
"""

from dataclasses import dataclass
from typing import Final, Literal

from apikeychain.model.rotation_records import KeyState

State = KeyState | Literal["removed"]


@dataclass(frozen=True, slots=True)
class Transition:
    """One line of the table.

    Attributes:
        state: of a key.
        deed: what is done about it; `create`, `verify` and `revoke` ask the provider; "" where nothing is.
        done: the state after it was done.
        refused: after the provider said no, or the key may not be switched to any more.
        unknown: while it is not known what came of it: it is asked for again.
    """

    state: KeyState
    deed: Literal["create", "verify", "switch", "revoke", ""]
    done: State
    refused: State
    unknown: State


TRANSITIONS: Final[dict[KeyState, Transition]] = {
    line.state: line
    for line in (
        Transition("pending", "create", "created", "removed", "pending"),
        Transition("created", "verify", "verified", "retiring", "created"),
        Transition("verified", "switch", "current", "retiring", "verified"),
        Transition("current", "", "retiring", "current", "current"),
        Transition("retiring", "revoke", "revoked", "retiring", "retiring"),
        Transition("revoked", "", "removed", "revoked", "revoked"),
    )
}
