"""Access keys of an IAM user, of which AWS lets two live at once.

IAM knows neither labels nor idempotency keys: an order that comes again ends every key of the user that is not known to
be ours. What the rotated secret and the credential hold is never ended so. One that is made late, after that, finds two
keys there and is refused by IAM.

Source: contracts 8; AWS Identity and Access Management User Guide, "Manage access keys for IAM users".
"""

from dataclasses import replace
from typing import Literal, final

from apikeychain.errors import BackendUnavailableError, InvalidValueError, RotationRefusedError
from apikeychain.model.rotators import AWSIAMRotation
from apikeychain.ports.rotator import NewKey, Order
from apikeychain.rotation.access import Access
from apikeychain.rotation.answer import Answer
from apikeychain.rotation.key_api import KeyAPI
from apikeychain.rotation.line import Line
from apikeychain.rules import iam
from apikeychain.rules.key_steps import Outcome, split_pair
from apikeychain.secret import Secret


@final
class AWSIAMRotator(KeyAPI):
    """See Rotator."""

    def __init__(self, how: AWSIAMRotation, access: Access) -> None:
        super().__init__(how, access)
        self._how = how

    async def _create(self, order: Order) -> NewKey:
        credential = await self._access.held(self._how.credential, self._how.provider)
        line = self._access.line_to(credential)
        orphans = await self._sweep(line, order, credential.secret) if order.again else ()
        answer = await line.ask(iam.verb("CreateAccessKey", self._how.user))
        try:
            line.require(answer, "make an access key", _told)
        except RotationRefusedError as refused:
            raise RotationRefusedError(str(refused), orphans) from None
        key_id, rest = iam.new_key(answer.body)
        try:
            key = NewKey(key=Secret(f"{key_id}:{rest}"), id=key_id)
        except InvalidValueError:
            msg = "IAM made an access key that no secret can hold"
            raise BackendUnavailableError(msg) from None
        return replace(key, orphans=orphans)

    async def _sweep(self, line: Line, order: Order, credential: Secret) -> tuple[str, ...]:
        """End the keys of the user that are not known to be ours; what of them may live on."""
        kept = {*order.known, *await self._held(credential)}
        try:
            answer = await line.ask(iam.verb("ListAccessKeys", self._how.user))
            line.require(answer, "list access keys", _told)
        except RotationRefusedError:
            return (order.label,)
        left = [key_id for key_id in iam.key_ids(answer.body) if key_id not in kept]
        return tuple([key_id for key_id in left if not await self._ended(line, key_id)])

    async def _ended(self, line: Line, key_id: str) -> bool:
        """Whether a key that was listed is."""
        try:
            return await self._revoke(line, key_id) != "gone"
        except RotationRefusedError:
            return False

    async def _held(self, credential: Secret) -> set[str]:
        """The ids of the keys that the rotated secret and the credential hold now."""
        held = {split_pair(credential)[0]}
        try:
            rotated = await self._access.held(self._access.secret)
        except RotationRefusedError:
            # It was never put: the key that is ordered is its first one.
            return held
        return held | {split_pair(rotated.secret)[0]}

    async def _revoke(self, line: Line, key_id: str) -> Literal["gone"] | None:
        asked = iam.verb("DeleteAccessKey", self._how.user, AccessKeyId=key_id)
        return line.require_ended(await line.ask(asked), _told)


def _told(answer: Answer) -> Outcome:
    return iam.told(answer.status, answer.body)
