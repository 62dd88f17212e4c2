"""The contract of both deeds in one trip: on a real server, on one node of a cluster, and in a process."""

import asyncio
from collections.abc import AsyncGenerator, Generator

import pytest

from apikeychain.backends.valkey import ValkeyGuard
from apikeychain.ports.claim_and_spend import ClaimAndSpend
from apikeychain.testing import fixtures
from apikeychain.testing.claim_and_spend import ClaimAndSpendContract
from apikeychain.testing.servers import valkey
from one_plug import Both
from valkey_clock import let_it_have_run

valkey_server = fixtures.valkey_server
server = fixtures.valkey


@pytest.fixture(scope="module")
def cluster() -> Generator[valkey.ValkeyServer, None, None]:
    """One node that holds all slots: a script whose keys lie in two of them is refused."""
    with valkey.ValkeyServer({"cluster-enabled": "yes"}) as node:
        node.ask("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        while "cluster_state:ok" not in str(node.ask("CLUSTER", "INFO")):
            pass
        yield node


class TestValkeyGuard(ClaimAndSpendContract):
    @pytest.fixture
    async def plug(self, server: valkey.ValkeyServer) -> AsyncGenerator[ValkeyGuard, None]:
        self.server = server
        async with ValkeyGuard(server.url) as guard:
            let_it_have_run(server)
            yield guard

    async def pull_plug(self, plug: ClaimAndSpend) -> bool:
        self.server.stop()
        return True


class TestValkeyGuardInACluster(ClaimAndSpendContract):
    @pytest.fixture
    async def plug(self, cluster: valkey.ValkeyServer) -> AsyncGenerator[ValkeyGuard, None]:
        async with ValkeyGuard(cluster.url) as guard:
            let_it_have_run(cluster)
            yield guard

    async def pull_plug(self, plug: ClaimAndSpend) -> bool:
        return False


class TestBothInOneProcess(ClaimAndSpendContract):
    @pytest.fixture
    def plug(self) -> Both:
        return Both()

    async def pull_plug(self, plug: ClaimAndSpend) -> bool:
        return False


async def test_in_a_cluster_a_script_with_keys_of_two_slots_would_be_refused(cluster: valkey.ValkeyServer) -> None:
    with pytest.raises(Exception, match=r"CROSSSLOT|same slot"):
        await asyncio.to_thread(cluster.ask, "EVAL", "return 1", 2, "one", "two")
