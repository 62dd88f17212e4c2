"""A turn of a rotation is ordered: by a command, or because a key may be in other hands.

Source: contracts 8.
"""

from dataclasses import replace
from datetime import datetime
from typing import Literal

from apikeychain.errors import InvalidValueError
from apikeychain.listing import every
from apikeychain.model.rotation_records import ProviderKey, Rotation, RotationReason
from apikeychain.ports.store import TenantStore
from apikeychain.rules import rotation as rules

Asked = Literal["command", "compromised"]


async def order(records: TenantStore, stored: Rotation, reason: Asked, moment: datetime) -> RotationReason:
    """Have a turn begin now, or the one that is under way go on; `agenda.note` was called before.

    Args:
        records: the transaction.
        stored: the rotation.
        reason: for the ledger; a grave one is not lost to another.
        moment: now.

    Returns:
        The reason that stands now.

    Raises:
        InvalidValueError: it is paused.
    """
    if stored.paused:
        msg = f"the rotation of the secret {stored.secret!r} is paused: resume it first"
        raise InvalidValueError(msg)
    is_graver = stored.reason == "compromised" and stored.due <= moment
    told: RotationReason = "compromised" if is_graver else reason
    changed = replace(stored, due=min(stored.due, moment), reason=told, generation=stored.generation + 1)
    await records.replace(changed, stored.generation)
    waiting = rules.in_the_making(await every(records, ProviderKey, stored.project, stored.secret))
    if waiting is not None and waiting.after > moment:
        sooner = replace(waiting, after=moment, generation=waiting.generation + 1)
        await records.replace(sooner, waiting.generation)
    return told
