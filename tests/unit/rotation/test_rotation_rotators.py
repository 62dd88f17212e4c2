"""The rotator of a description."""

import pytest

from apikeychain.backends.upstream_aiohttp import AiohttpUpstream
from apikeychain.errors import InvalidValueError
from apikeychain.model.rotators import HostRotation, HowToRotate, ManualRotation
from apikeychain.rotation.aws_iam_rotator import AWSIAMRotator
from apikeychain.rotation.http_rotator import HTTPRotator
from apikeychain.rotation.oauth2_rotator import OAuth2Rotator
from apikeychain.rotation.rotators import rotator_of
from apikeychain.testing.local_provider import LocalProvider
from apikeychain.testing.upstream_scene import LocalGuard
from described_api import HOST, PLAIN_ROTATION, SHAPES, KeyAPI
from iam_front import HOW
from token_server import HOWS


@pytest.mark.parametrize(
    ("how", "rotator"),
    [(PLAIN_ROTATION, HTTPRotator), (HOW, AWSIAMRotator), (HOWS["basic"], OAuth2Rotator)],
    ids=["http", "aws-iam", "oauth2"],
)
async def test_each_description_has_its_rotator(how: HowToRotate, rotator: type) -> None:
    async with LocalProvider(HOST) as local, AiohttpUpstream(LocalGuard()) as upstream:
        access = KeyAPI(local, SHAPES["plain"])
        assert type(rotator_of(how, access.access(upstream))) is rotator


@pytest.mark.parametrize(
    ("how", "told"), [(ManualRotation(), "somebody by hand"), (HostRotation(name="own"), "the host's rotator 'own'")]
)
async def test_what_others_turn_has_no_rotator_of_ours(how: HowToRotate, told: str) -> None:
    async with LocalProvider(HOST) as local, AiohttpUpstream(LocalGuard()) as upstream:
        access = KeyAPI(local, SHAPES["plain"])
        with pytest.raises(InvalidValueError, match=told):
            rotator_of(how, access.access(upstream))
