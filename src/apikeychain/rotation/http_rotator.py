"""Keys of a provider whose key API is described as data.

What came of a creation whose answer was lost nobody can know. So an order that comes again ends what has its label
before another key is made, and again after it, for one that was made late.

Source: contracts 8.
"""

from dataclasses import replace
from typing import Literal, final

from apikeychain.errors import BackendUnavailableError, InvalidValueError, RotationRefusedError
from apikeychain.model.key_steps import Search
from apikeychain.model.rotators import HTTPRotation
from apikeychain.ports.rotator import NewKey, Order
from apikeychain.rotation.access import Access
from apikeychain.rotation.answer import Answer
from apikeychain.rotation.key_api import KeyAPI
from apikeychain.rotation.line import Line
from apikeychain.rules import key_steps
from apikeychain.secret import Secret

_MOST_PAGES = 50


@final
class HTTPRotator(KeyAPI):
    """See Rotator."""

    def __init__(self, how: HTTPRotation, access: Access) -> None:
        super().__init__(how, access)
        self._how = how
        self._gone = set[str]()

    async def _create(self, order: Order) -> NewKey:
        line = await self._line()
        if not order.again:
            return await self._make(line, order)
        if not self._how.idempotency:
            # One that takes the label for an idempotency key would answer with the key that is ended here.
            await self._sweep(line, order, None)
        try:
            key = await self._make(line, order)
        except RotationRefusedError as refused:
            raise RotationRefusedError(str(refused), await self._left(line, order, None)) from None
        return replace(key, orphans=await self._left(line, order, key))

    async def _make(self, line: Line, order: Order) -> NewKey:
        asked = key_steps.filled(self._how.create, label=order.label)
        if self._how.idempotency:
            own = (self._how.idempotency.lower().encode(), order.label.encode())
            asked = replace(asked, headers=(*asked.headers, own))
        answer = await line.ask(asked)
        line.require(answer, "make a key")
        try:
            return _read(answer, self._how)
        except BackendUnavailableError as unread:
            # The next answer would be as this one: another key would be made of each attempt.
            raise RotationRefusedError(str(unread), await self._left(line, order, None)) from None

    async def _left(self, line: Line, order: Order, key: NewKey | None) -> tuple[str, ...]:
        """What may live on beside a key, once what can be ended is; the key itself is not lost for it."""
        try:
            return await self._sweep(line, order, key)
        except BackendUnavailableError:
            return (order.label,)

    async def _sweep(self, line: Line, order: Order, key: NewKey | None) -> tuple[str, ...]:
        """End what has the label and is not ours; what of it may live on."""
        search = self._how.search
        if search is None:
            return () if key and self._how.idempotency else (order.label,)
        try:
            found = await self._found(line, search, order.label)
        except RotationRefusedError:
            return (order.label,)
        kept = {*order.known, *([key.id] if key else [])}
        return tuple([key_id for key_id in found if key_id not in kept and not await self._ended(line, key_id)])

    async def _found(self, line: Line, search: Search, label: str) -> list[str]:
        """The ids of all keys with a label."""
        found: list[str] = []
        seen: set[str] = set()
        last = ""
        for number in range(1, _MOST_PAGES + 1):
            answer = await line.ask(key_steps.page_of(search, label, number, last))
            line.require(answer, "list its keys")
            keys = key_steps.listed(key_steps.read(answer.body), search)
            new = [(key_id, own) for key_id, own in keys if key_id not in seen]
            found += [key_steps.whole(key_id, search.id) for key_id, own in new if own == label]
            if not new or not (search.page or search.after):
                return found
            seen |= {key_id for key_id, _ in new}
            last = keys[-1][0]
        msg = f"the provider {self._how.provider!r} lists more than {_MOST_PAGES} pages of keys"
        raise RotationRefusedError(msg)

    async def _ended(self, line: Line, key_id: str) -> bool:
        """Whether a key that was listed is: one that is not known then may be one that nobody here may touch."""
        try:
            if await self._revoke(line, key_id) != "gone":
                # A list may be behind: it is not known the next time.
                self._gone.add(key_id)
        except RotationRefusedError:
            return False
        return key_id in self._gone

    async def _revoke(self, line: Line, key_id: str) -> Literal["gone"] | None:
        return line.require_ended(await line.ask(key_steps.filled(self._how.revoke, key_id=key_id)))


def _read(answer: Answer, how: HTTPRotation) -> NewKey:
    """The key that was made.

    Raises:
        BackendUnavailableError: it cannot be read where the description says.
    """
    text, key_id = key_steps.key_of(key_steps.read(answer.body), how)
    try:
        return NewKey(key=Secret(text), id=key_id)
    except InvalidValueError:
        msg = "the provider made a key that no secret can hold"
        raise BackendUnavailableError(msg) from None
