"""The rotator of a description."""

from apikeychain.errors import InvalidValueError
from apikeychain.model.rotators import AWSIAMRotation, HostRotation, HowToRotate, HTTPRotation, OAuth2Rotation
from apikeychain.ports.rotator import Rotator
from apikeychain.rotation.access import Access
from apikeychain.rotation.aws_iam_rotator import AWSIAMRotator
from apikeychain.rotation.http_rotator import HTTPRotator
from apikeychain.rotation.oauth2_rotator import OAuth2Rotator


def rotator_of(how: HowToRotate, access: Access) -> Rotator:
    """What makes, tries and ends keys as `how` describes it.

    Raises:
        InvalidValueError: nothing of ours does: it is the host's own rotator, or somebody by hand.
    """
    match how:
        case HTTPRotation():
            return HTTPRotator(how, access)
        case AWSIAMRotation():
            return AWSIAMRotator(how, access)
        case OAuth2Rotation():
            return OAuth2Rotator(how, access)
        case _:
            by = f"the host's rotator {how.name!r}" if isinstance(how, HostRotation) else "somebody by hand"
            msg = f"such keys are made by {by}, by nothing of ours"
            raise InvalidValueError(msg)
