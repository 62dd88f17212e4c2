"""Reads the alerts that wait, around what cannot be read: one that was damaged keeps no other waiting.

A list of the store is whole or fails, and does not say which record it is that fails. So fewer are asked for until one
alone fails, and the place behind that one is looked for by halves in the room of all ids, which takes 80 questions.
"""

from dataclasses import dataclass, field

from apikeychain.errors import DamagedDataError
from apikeychain.model.alert import OutgoingAlert
from apikeychain.model.records import Key
from apikeychain.ports.store import TenantReader

ID_BEGIN, ID_BYTES = "alert_", 10
_DIGITS, _END = 2 * ID_BYTES, 1 << (8 * ID_BYTES)
_BEHIND = f"{ID_BEGIN}g"
_PAGE = 64


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a tenant has.

    Attributes:
        alerts: in the order of their ids, which is none of time.
        damaged: what cannot be read, each as it is told.
    """

    alerts: list[OutgoingAlert] = field(default_factory=list[OutgoingAlert])
    damaged: list[str] = field(default_factory=list[str])


async def waiting_of(records: TenantReader) -> Waiting:
    """The alerts of a tenant that not every sink has taken."""
    found, limit = Waiting(), _PAGE
    after: Key = ()
    while True:
        try:
            page = await records.list(OutgoingAlert, after, limit)
        except DamagedDataError as error:
            if limit > 1:
                limit //= 2
                continue
            if str(error) in found.damaged:
                # One that is not where an id is: nothing leads around it.
                return found
            found.damaged.append(str(error))
            after, limit = await _beyond(records, after, str(error)), _PAGE
            continue
        if not page:
            return found
        found.alerts.extend(page)
        after = page[-1].key


async def _beyond(records: TenantReader, after: Key, told: str) -> Key:
    """The place of the next record behind `after`, of which that is told: from there on something else comes."""
    low, high = -1, _END
    while high - low > 1:
        middle = (low + high) // 2
        if _key(middle) < after or await _is_next(records, _key(middle), told):
            low = middle
        else:
            high = middle
    return _key(high)


async def _is_next(records: TenantReader, after: Key, told: str) -> bool:
    try:
        await records.list(OutgoingAlert, after, 1)
    except DamagedDataError as error:
        return str(error) == told
    return False


def _key(number: int) -> Key:
    # Behind the last there is more room than digits: nothing of ours is there.
    return (_BEHIND,) if number == _END else (f"{ID_BEGIN}{number:0{_DIGITS}x}",)
