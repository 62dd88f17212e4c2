"""The local AWS says what is wrong with it."""

import socket
import sys

import pytest

from apikeychain.errors import MissingExtraError
from apikeychain.testing.servers.aws import AWSServer


def test_without_its_wheel_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "moto", None)
    with pytest.raises(MissingExtraError, match=r"a local AWS needs more packages: .*\[testing\]"):
        AWSServer().__enter__()


def test_one_that_does_not_come_up_says_so() -> None:
    with AWSServer() as server:
        server.stop()
        server.hang()
        with socket.create_server(("127.0.0.1", server._port)), pytest.raises(RuntimeError, match="did not come up"):
            server.start()
