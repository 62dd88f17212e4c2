"""What a rotation is made of: whether it is there, and whether it may go with the project's other rotations.

Source: contracts 8.
"""

from apikeychain.errors import InvalidValueError
from apikeychain.listing import every
from apikeychain.model.records import ProjectKey, RegisteredProvider, SealedSecret
from apikeychain.model.rotation_records import Rotation
from apikeychain.model.rotators import AWSIAMRotation, HostRotation, HowToRotate, ManualRotation, OAuth2Rotation
from apikeychain.rules.key_steps import split_pair
from apikeychain.tenants.change import ProjectChange, soon


async def require_parts(change: ProjectChange, wanted: Rotation) -> None:
    """Let nothing through that could not be rotated, or would be rotated by two.

    Raises:
        DoesNotExistError: the provider of the key API or one of its secrets is not there.
        InvalidValueError: two rotations would change one secret, or end the keys of each other.
    """
    how = wanted.how
    if not isinstance(how, HostRotation | ManualRotation):
        await change.require(RegisteredProvider, how.provider)
        await change.require(SealedSecret, how.credential)
        if isinstance(how, OAuth2Rotation) and how.refresh:
            await change.require(SealedSecret, how.refresh)
    _require_beside_itself(wanted)
    for other in await every(change.store, Rotation, change.project.id):
        if other.secret != wanted.secret:
            _require_beside(wanted, other)


def _require_beside_itself(wanted: Rotation) -> None:
    how = wanted.how
    if isinstance(how, OAuth2Rotation) and wanted.secret in {how.credential, how.refresh}:
        msg = (
            f"the tokens of the secret {wanted.secret!r} would take the place of what they are fetched with: "
            "put the client's credential and the refresh token as secrets of their own"
        )
        raise InvalidValueError(msg)


def _require_beside(wanted: Rotation, other: Rotation) -> None:
    for one, two in ((wanted, other), (other, wanted)):
        if one.secret == getattr(two.how, "refresh", ""):
            msg = (
                f"the secret {one.secret!r} is the refresh token of the rotation of {two.secret!r}, which replaces it: "
                "it cannot be rotated by itself"
            )
            raise InvalidValueError(msg)
    user = _user(wanted.how)
    if user and user == _user(other.how):
        msg = (
            f"the rotation of the secret {other.secret!r} makes keys of the same IAM user, and each would end those of "
            "the other: give each secret a user of its own"
        )
        raise InvalidValueError(msg)


def _user(how: HowToRotate) -> str:
    """The IAM user, whose names differ by more than case; or ""."""
    return how.user.casefold() if isinstance(how, AWSIAMRotation) else ""


def is_one_account(one: HowToRotate, other: HowToRotate) -> bool:
    """Whether keys that one made are ended by the other."""
    return _account(one) == _account(other)


def _account(how: HowToRotate) -> tuple[str, ...]:
    if isinstance(how, ManualRotation):
        return (how.kind,)
    if isinstance(how, HostRotation):
        return (how.kind, how.name)
    return (how.kind, how.provider, how.credential, _user(how))


async def id_within(change: ProjectChange, how: HowToRotate, sealed: SealedSecret) -> str:
    """The id of the key that serves, where the key says it itself, or ""."""
    if not isinstance(how, AWSIAMRotation):
        return ""
    keys = {key.version: key for key in await every(change.store, ProjectKey, change.project.id)}
    registered = await change.require(RegisteredProvider, sealed.provider)
    async with soon():
        serving = await change.office.vault.open_secret(change.tenant, keys, sealed, registered.provider)
    return split_pair(serving)[0]
