"""The contract of a witness behind a signed webhook: the example receives, under a server of its own."""

import asyncio
from collections.abc import Generator
from functools import partial
from pathlib import Path

import pytest

from apikeychain.backends.webhook_witness import WebhookWitness
from apikeychain.ports.witness import Witness
from apikeychain.testing.processes import Opening
from apikeychain.testing.witness import WitnessContract
from served_witness import opened, receiver


class TestWebhookWitness(WitnessContract):
    @pytest.fixture
    def opening(self, tmp_path: Path) -> Generator[Opening[Witness], None, None]:
        with receiver(tmp_path) as self.receiver:
            yield partial(opened, self.receiver.url)

    async def pull_plug(self, witness: Witness) -> None:
        assert isinstance(witness, WebhookWitness)
        self.receiver.child.stop()

    async def put_in_plug(self, witness: Witness) -> None:
        self.receiver.start()
        # Whoever did not answer is not asked again for a moment.
        await asyncio.sleep(1.1)
