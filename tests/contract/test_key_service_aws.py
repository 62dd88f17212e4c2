"""The contract of a KeyService on a local AWS KMS that is as strict about keys as AWS."""

import itertools
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import pytest

from apikeychain.backends.aws_kms import AWSKeyService
from apikeychain.ports.key_service import KeyService
from apikeychain.testing.key_service import KeyServiceContract
from apikeychain.testing.servers.aws import AWSServer

_NAMES = itertools.count(1)


class TestAWSKeyService(KeyServiceContract):
    @pytest.fixture
    async def key_service(self, aws: AWSServer) -> AsyncGenerator[KeyService, None]:
        async with aws.key_service(name=f"contract-{next(_NAMES)}", create=True, waiting_days=7) as service:
            yield service

    @pytest.fixture(autouse=True)
    def _server(self, aws: AWSServer) -> None:
        self.server = aws

    async def pull_plug(self, key_service: KeyService) -> None:
        assert isinstance(key_service, AWSKeyService)
        self.server.hang()
        self.server.stop()

    async def reach(self, moment: datetime) -> None:
        # The key is closed at once, and destroyed then.
        assert timedelta(days=6.9) < moment - datetime.now(UTC) < timedelta(days=7.1)
