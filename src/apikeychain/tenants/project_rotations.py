"""The verbs of a project's rotations."""

from apikeychain.alerts import outbox
from apikeychain.model.rotation_records import DEFAULT_HOURS
from apikeychain.model.rotators import HowToRotate
from apikeychain.rotation.orders import Asked
from apikeychain.tenants import rotations
from apikeychain.tenants.change import require_tenant
from apikeychain.tenants.project_handle import ProjectHandle
from apikeychain.tenants.rotations import RotationInfo


class RotationVerbs(ProjectHandle):
    """How secrets of a project are replaced at their providers. See `ProjectAdmin`, of which this is a part."""

    async def add_rotation(
        self, secret: str, how: HowToRotate, *, hours: int = DEFAULT_HOURS, key_id: str = ""
    ) -> None:
        """Rotate a secret, or change how or how often.

        Args:
            secret: its name.
            how: what makes and ends keys at the provider.
            hours: between two turns, 24 to 72; each is drawn a little earlier.
            key_id: the provider's id of the key that it begins with, or goes on with at another provider; without it
                an alert asks somebody to end that key. So it does of an id that is known for that of another value,
                and in an account that a host's rotator keeps for several tenants.

        Raises:
            DoesNotExistError: the secret, the provider of the key API or one of its secrets is not there.
            InvalidValueError: not 24 to 72 hours; or two rotations would change one secret, or end the keys of each
                other.
            StillInUseError: another kind, provider, credential or user is wanted while a turn is not over; what else is
                described wrongly can be put right at any time.
        """
        wanted = rotations.wanted(self.id, secret, how, hours, self._office.now())
        await rotations.note_due(self._office, self._tenant, self.id, secret, wanted.due)
        async with self._change() as change:
            await rotations.add(change, wanted, key_id)

    async def rotate(self, secret: str, *, reason: Asked = "command") -> None:
        """Have a turn begin now, by whichever worker serves; the key before serves on until its grace is over.

        Args:
            secret: its name.
            reason: ``"compromised"`` ends the key before after 60 s instead of an hour.

        Raises:
            DoesNotExistError: the secret has no rotation.
            InvalidValueError: it is paused.
        """
        await rotations.note_due(self._office, self._tenant, self.id, secret, self._office.now())
        async with self._change() as change:
            await rotations.rotate(change, secret, reason)

    async def pause_rotation(self, secret: str) -> None:
        """Let no further turn begin; one that is under way is ended. Raises DoesNotExistError."""
        async with self._change() as change:
            await rotations.pause(change, secret, paused=True)

    async def resume_rotation(self, secret: str) -> None:
        """Let turns begin again. Raises DoesNotExistError."""
        await rotations.note_due(self._office, self._tenant, self.id, secret, self._office.now())
        async with self._change() as change:
            await rotations.pause(change, secret, paused=False)

    async def remove_rotation(self, secret: str) -> None:
        """Rotate a secret no more. The key that serves stays; an alert names others that live at the provider.

        Raises:
            DoesNotExistError: the secret has no rotation.
        """
        await outbox.announce(self._office.store, self._tenant, self._office.now())
        async with self._change() as change:
            await rotations.remove(change, secret)

    async def rotations(self) -> list[RotationInfo]:
        """The rotations, in the order of their secrets: when each is due, and where each key stands."""
        async with self._office.store.reading(self._tenant) as reader:
            await require_tenant(reader, self._tenant)
            return await rotations.infos(reader, self.id, self._office.now())

    def turn_here(self) -> None:
        """Have this keychain turn what is due though it serves no calls, for whoever waits for a turn."""
        self._office.turning.set()
