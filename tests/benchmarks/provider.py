"""The provider behind all targets, and nginx as a proxy: the limit that a proxy can reach."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

from .machine import LOAD_CORE, PROXY_CORE
from .running import Running, free_port, running

HOST = "provider.localhost"
# The system resolves this one, which is no provider's name for the gate.
PEERS_HOST = "localhost"
_ITEM = b'{"at":%d,"sky":"broken clouds, light wind","temperature":%d.4}'
BODY = b'{"id":"obj_1","items":[' + b",".join(_ITEM % (1_767_225_600 + 3_600 * n, n) for n in range(14)) + b"]}"
BODY += b" " * (1024 - len(BODY))

_COMMON = """
worker_processes 1; daemon off; pid {folder}/{name}.pid; error_log {folder}/{name}.error warn;
events {{ worker_connections 4096; }}
"""
_HTTP = """
  access_log off; keepalive_requests 1000000000; keepalive_timeout 300s; sendfile on; tcp_nodelay on;
  default_type application/json; client_max_body_size 0; client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
"""
_ANSWERS = """
    location / {{
      add_header X-Request-Id "req-0123456789"; add_header Cache-Control "no-store"; return 200 '{body}';
    }}
"""
_PROVIDER = """
  server {{ listen 127.0.0.1:{plain} backlog=4096; {answers} }}
  server {{
    listen 127.0.0.1:{tls} ssl backlog=4096; ssl_protocols TLSv1.3; ssl_session_tickets on;
    ssl_certificate {folder}/leaf.pem; ssl_certificate_key {folder}/leaf.key;
    {answers}
  }}
"""
_PROXY = """
  upstream provider {{ server 127.0.0.1:{tls}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass https://provider; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host {host}; proxy_set_header X-Api-Key "{key}";
      proxy_ssl_server_name on; proxy_ssl_name {host}; proxy_ssl_verify on; proxy_ssl_protocols TLSv1.3;
      proxy_ssl_trusted_certificate {folder}/authority.pem;
    }}
  }}
"""


@dataclass(frozen=True, slots=True)
class Provider:
    """What answers.

    Attributes:
        plain: its address without TLS, for peers; `peers_tls` that with TLS 1.3.
        tls: the latter for the gate.
        authority: path of the PEM file that vouches for the latter.
        folder: of its files.
    """

    plain: str
    peers_tls: str
    tls: str
    authority: str
    folder: Path


@contextmanager
def provider(folder: Path) -> Generator[Provider]:
    """nginx with 1 KiB of JSON for every path."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    leaf = authority.issue_cert(HOST, PEERS_HOST)
    leaf.private_key_pem.write_to_path(str(folder / "leaf.key"))
    for number, pem in enumerate(leaf.cert_chain_pems):
        pem.write_to_path(str(folder / "leaf.pem"), append=bool(number))
    plain, tls = free_port(), free_port()
    answers = _ANSWERS.format(body=BODY.decode())
    listening = _PROVIDER.format(plain=plain, tls=tls, answers=answers, folder=folder)
    with _nginx("provider", listening, folder, LOAD_CORE, tls):
        yield Provider(
            plain=f"http://{PEERS_HOST}:{plain}",
            peers_tls=f"https://{PEERS_HOST}:{tls}",
            tls=f"https://{HOST}:{tls}",
            authority=str(folder / "authority.pem"),
            folder=folder,
        )


@contextmanager
def nginx_proxy(behind: Provider, key: str) -> Generator[tuple[Running, str]]:
    """nginx that sets one header and forwards over TLS, and where it listens."""
    port = free_port()
    tls = behind.tls.rpartition(":")[2]
    listening = _PROXY.format(port=port, tls=tls, host=HOST, key=key, folder=behind.folder)
    with _nginx("proxy", listening, behind.folder, PROXY_CORE, port) as process:
        yield process, f"http://127.0.0.1:{port}"


@contextmanager
def _nginx(name: str, servers: str, folder: Path, core: int, port: int) -> Generator[Running]:
    path = folder / f"{name}.conf"
    http = _HTTP.format(folder=folder) + servers
    path.write_text(_COMMON.format(folder=folder, name=name) + f"http {{ {http} }}", encoding="ascii")
    with running(["nginx", "-c", str(path)], core=core, port=port, log=folder / f"{name}.log") as process:
        yield process
