"""The contract of an asset store in S3, on two servers: one knows conditions on writes, the other does not."""

import asyncio
import itertools
from functools import partial

import pytest

from apikeychain.backends.s3_assets import S3Assets
from apikeychain.ports.asset_store import AssetStore
from apikeychain.testing.asset_store import AssetStoreContract
from apikeychain.testing.processes import Opening
from apikeychain.testing.servers.aws import REGION, AWSServer
from apikeychain.testing.servers.s3 import S3Server

_NUMBERS = itertools.count(1)


class TestS3Assets(AssetStoreContract):
    @pytest.fixture
    def opening(self, aws: AWSServer, monkeypatch: pytest.MonkeyPatch) -> Opening[AssetStore]:
        # A secret is in no argument that goes to another process.
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
        self.server, bucket = aws, f"assets-{next(_NUMBERS)}"
        aws.create_bucket(bucket)
        return partial(S3Assets, bucket, region=REGION, endpoint_url=aws.address)

    async def pull_plug(self, store: AssetStore) -> None:
        self.server.hang()

    async def put_in_plug(self, store: AssetStore) -> None:
        self.server.resume()
        # Whoever did not answer is not asked again for a moment.
        await asyncio.sleep(1.1)


class TestS3AssetsOverTLS(AssetStoreContract):
    @pytest.fixture
    def opening(self, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Opening[AssetStore]:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.access_key_id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.secret_access_key)
        self.server, bucket = s3, f"assets-{next(_NUMBERS)}"
        s3.create_bucket(bucket)
        return partial(S3Assets, bucket, region=s3.region, endpoint_url=s3.endpoint, ca_file=s3.ca_file)

    async def pull_plug(self, store: AssetStore) -> None:
        self.server.stop()

    async def put_in_plug(self, store: AssetStore) -> None:
        self.server.start()
        await asyncio.sleep(1.1)
