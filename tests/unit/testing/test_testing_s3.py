"""The S3 server that tests start: it asks for signatures, and can be stopped and hung."""

import base64
import hashlib
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiobotocore.config import AioConfig  # type: ignore[import-untyped]  # the package has no types
from aiobotocore.session import get_session  # type: ignore[import-untyped]  # the package has no types
from botocore.exceptions import (  # type: ignore[import-untyped]  # the package has no types
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from apikeychain.errors import MissingExtraError
from apikeychain.testing.servers import s3 as servers
from apikeychain.testing.servers.s3 import S3Server

_BODY = b"body { color: red }"


@asynccontextmanager
async def client_of(server: S3Server, secret: str = "", seconds: float = 20) -> AsyncGenerator[Any, None]:
    config = AioConfig(
        connect_timeout=seconds,
        read_timeout=seconds,
        retries={"max_attempts": 0},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path"},
    )
    async with get_session().create_client(
        "s3",
        endpoint_url=server.endpoint,
        region_name=server.region,
        aws_access_key_id=server.access_key_id,
        aws_secret_access_key=secret or server.secret_access_key,
        verify=str(server.ca_file) if server.ca_file else None,
        config=config,
    ) as client:
        yield client


async def test_what_a_signed_request_puts_comes_back_by_another(s3: S3Server) -> None:
    digest = base64.b64encode(hashlib.sha256(_BODY).digest()).decode()
    async with client_of(s3) as client:
        await client.create_bucket(Bucket="assets")
        await client.put_object(
            Bucket="assets", Key="p/css/index.css", Body=_BODY, ContentType="text/css", ChecksumSHA256=digest
        )
        got = await client.get_object(Bucket="assets", Key="p/css/index.css")
        assert (await got["Body"].read(), got["ContentType"]) == (_BODY, "text/css")
        listed = await client.list_objects_v2(Bucket="assets", Prefix="p/")
        assert [item["Key"] for item in listed["Contents"]] == ["p/css/index.css"]
        assert s3.stored("assets") == {"p/css/index.css": _BODY}
        await client.delete_object(Bucket="assets", Key="p/css/index.css")
    assert s3.stored("assets") == {}


async def test_a_wrong_signature_is_refused_and_stores_nothing(s3: S3Server) -> None:
    s3.create_bucket("kept")
    async with client_of(s3, secret="not-the-one") as client:
        with pytest.raises(ClientError) as told:
            await client.put_object(Bucket="kept", Key="a", Body=_BODY)
    assert told.value.response["Error"]["Code"] == "SignatureDoesNotMatch"
    assert s3.stored("kept") == {}


async def test_it_stops_and_comes_back_with_what_it_kept(s3: S3Server) -> None:
    s3.create_bucket("lasting")
    async with client_of(s3) as client:
        await client.put_object(Bucket="lasting", Key="a", Body=_BODY)
        s3.stop()
        assert not s3.is_running
        s3.stop()
        with pytest.raises(EndpointConnectionError):
            await client.get_object(Bucket="lasting", Key="a")
        s3.start()
        assert s3.is_running
        got = await client.get_object(Bucket="lasting", Key="a")
        assert await got["Body"].read() == _BODY
    s3.stop()


async def test_the_next_test_finds_it_running(s3: S3Server) -> None:
    assert s3.is_running
    assert s3.stored("lasting") == {"a": _BODY}


async def test_it_hangs_and_goes_on(s3: S3Server) -> None:
    s3.create_bucket("slow")
    async with client_of(s3, seconds=0.5) as client:
        s3.hang()
        with pytest.raises((ConnectTimeoutError, ReadTimeoutError)):
            await client.list_objects_v2(Bucket="slow")
        s3.resume()
    async with client_of(s3) as client:
        assert (await client.list_objects_v2(Bucket="slow")).get("Contents", []) == []


async def test_it_speaks_plain_http_on_request() -> None:
    with S3Server(tls=False) as server:
        assert (server.endpoint[:5], server.ca_file) == ("http:", None)
        server.create_bucket("plain")
        async with client_of(server) as client:
            assert [bucket["Name"] for bucket in (await client.list_buckets())["Buckets"]] == ["plain"]
    server.hang()


def test_a_server_that_does_not_start_says_why() -> None:
    server = S3Server()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", server.port))
        with pytest.raises(RuntimeError, match=r"did not come up:\n(.|\n)*address already in use"), server:
            pass
    assert not server.is_running


@pytest.mark.parametrize("package", ["rclone-bin-that-is-not-there", "pytest"])
def test_a_missing_wheel_is_one_line_that_installs_it(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setattr(servers, "_WHEEL", package)
    with pytest.raises(MissingExtraError, match=r"pip install 'apikeychain\[testing\]'"), S3Server():
        pass
