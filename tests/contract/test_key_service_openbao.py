"""The contract of a KeyService on a real OpenBao, over TLS, with the rights of an operator and no more."""

import itertools
from collections.abc import AsyncGenerator

import pytest

from apikeychain.backends.openbao import OpenBaoKeyService
from apikeychain.ports.key_service import KeyService
from apikeychain.testing.key_service import KeyServiceContract
from apikeychain.testing.servers.openbao import OpenBaoServer

_KEYS = itertools.count(1)


class TestOpenBaoKeyService(KeyServiceContract):
    @pytest.fixture
    async def key_service(self, openbao: OpenBaoServer) -> AsyncGenerator[KeyService, None]:
        key = f"contract-{next(_KEYS)}"
        openbao.new_key(key)
        async with openbao.key_service(openbao.app_role("operator", key=key), key=key) as service:
            yield service

    @pytest.fixture(autouse=True)
    def _server(self, openbao: OpenBaoServer) -> None:
        self.server = openbao

    async def pull_plug(self, key_service: KeyService) -> None:
        assert isinstance(key_service, OpenBaoKeyService)
        self.server.stop()
