"""The witness of the examples, which its own server serves, and who publishes to it."""

import base64
import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from apikeychain.backends.webhook_witness import WebhookWitness
from apikeychain.secret import Secret
from apikeychain.testing.servers.child import Child
from apikeychain.testing.servers.ports import free_port
from command import ROOT

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
NEXT_SECRET = "whsec_" + base64.b64encode(bytes(range(32, 64))).decode()


@dataclass
class Receiver:
    """A process that receives.

    Attributes:
        folder: where its file is.
        secrets: that it takes.
    """

    folder: Path
    secrets: str = SECRET
    port: int = field(default_factory=free_port)
    child: Child = field(default_factory=lambda: Child(signal.SIGTERM))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/witness"

    @property
    def file(self) -> Path:
        return self.folder / "witness.jsonl"

    def start(self) -> None:
        """Start it, where it was before and with what it kept."""
        own = {"WITNESS_FILE": str(self.file), "WITNESS_SECRET": self.secrets, "PYTHONPATH": str(ROOT / "src")}
        own |= {name: value for name, value in os.environ.items() if name.startswith("COV")}
        words = ("-m", "uvicorn", "witness:app", "--port", str(self.port), "--log-level", "warning", "--no-access-log")
        self.child.start([sys.executable, *words], env=own, cwd=ROOT / "examples", log=self.folder / "log")
        self.child.wait(self._is_up, 60, (self.folder / "log").read_text)

    def _is_up(self) -> bool:
        try:
            return httpx.get(self.url, trust_env=False).status_code == 405
        except httpx.TransportError:
            return False


@contextmanager
def receiver(folder: Path, secrets: str = SECRET) -> Generator[Receiver, None, None]:
    """One that runs, and is gone afterwards."""
    served = Receiver(folder, secrets)
    try:
        served.start()
        yield served
    finally:
        served.child.resume()
        served.child.stop()


def opened(url: str, *secrets: str) -> WebhookWitness:
    """One that publishes there; the way to it can be given to another process, the secret cannot."""
    return WebhookWitness(url, secrets=[Secret(secret) for secret in secrets or (SECRET,)])
