"""The contract of a witness in S3, on a local AWS whose writes have conditions."""

import asyncio
import itertools
from functools import partial

import pytest

from apikeychain.backends.s3_witness import S3Witness
from apikeychain.ports.witness import Witness
from apikeychain.testing.processes import Opening
from apikeychain.testing.servers.aws import REGION, AWSServer
from apikeychain.testing.witness import WitnessContract

_NUMBERS = itertools.count(1)


class TestS3Witness(WitnessContract):
    @pytest.fixture
    def opening(self, aws: AWSServer, monkeypatch: pytest.MonkeyPatch) -> Opening[Witness]:
        # A secret is in no argument that goes to another process.
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
        self.server, bucket = aws, f"contract-{next(_NUMBERS)}"
        aws.create_bucket(bucket)
        return partial(S3Witness, bucket, region=REGION, endpoint_url=aws.address)

    async def pull_plug(self, witness: Witness) -> None:
        self.server.hang()

    async def put_in_plug(self, witness: Witness) -> None:
        self.server.resume()
        # Whoever did not answer is not asked again for a moment.
        await asyncio.sleep(1.1)
