"""The contract of a rotator, against providers on this machine over real TLS."""

from collections.abc import AsyncGenerator, Collection
from typing import ClassVar

import pytest

from apikeychain.backends.upstream_aiohttp import AiohttpUpstream
from apikeychain.ports.rotator import Rotator
from apikeychain.rotation.rotators import rotator_of
from apikeychain.testing.local_provider import LocalProvider
from apikeychain.testing.rotator import RotatorContract
from apikeychain.testing.servers.aws import AWSServer
from apikeychain.testing.upstream_scene import LocalGuard
from described_api import HOST, SHAPES, KeyAPI
from iam_front import HOW, IAMFront, iam_front
from token_server import HOWS, TokenServer, secrets


class TestHTTPRotator(RotatorContract):
    """Each description of the catalogue, and a plain one."""

    api: KeyAPI

    @pytest.fixture(params=SHAPES)
    async def rotator(self, request: pytest.FixtureRequest) -> AsyncGenerator[Rotator, None]:
        shape = SHAPES[request.param]
        async with LocalProvider(HOST) as local, AiohttpUpstream(LocalGuard()) as upstream:
            self.api = KeyAPI(local, shape)
            self.api.listen()
            yield rotator_of(shape.how, self.api.access(upstream))

    async def alive(self) -> Collection[str]:
        return [self.api.shape.key(key) for key in self.api.keys]

    def lose_answer(self) -> None:
        self.api.lost = 1

    def refuse(self) -> None:
        self.api.status = 403

    def pull_plug(self) -> None:
        self.api.is_gone = True


class TestOAuth2Rotator(RotatorContract):
    """Each grant, with the client's credential where servers want it."""

    ends_by_itself: ClassVar[bool] = True
    server: TokenServer

    @pytest.fixture(params=HOWS)
    async def rotator(self, request: pytest.FixtureRequest) -> AsyncGenerator[Rotator, None]:
        async with LocalProvider(HOST) as local, AiohttpUpstream(LocalGuard()) as upstream:
            self.server = TokenServer(local)
            self.server.listen()
            yield rotator_of(HOWS[request.param], self.server.access(upstream, secrets()))

    async def alive(self) -> Collection[str]:
        return self.server.judge.tokens

    def lose_answer(self) -> None:
        self.server.lost = 1

    def refuse(self) -> None:
        self.server.status = 400

    def pull_plug(self) -> None:
        self.server.is_gone = True


class TestAWSIAMRotator(RotatorContract):
    """Against the IAM of a local AWS."""

    front: IAMFront

    @pytest.fixture
    async def rotator(self, aws: AWSServer) -> AsyncGenerator[Rotator, None]:
        async with iam_front(aws) as self.front, AiohttpUpstream(LocalGuard()) as upstream:
            yield rotator_of(HOW, self.front.access(upstream))

    async def alive(self) -> Collection[str]:
        return await self.front.alive()

    def lose_answer(self) -> None:
        self.front.lost = 1

    def refuse(self) -> None:
        self.front.status = 403

    def pull_plug(self) -> None:
        self.front.is_gone = True
