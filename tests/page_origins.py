"""Origins on this machine that all serve the pages of one folder: one that is allowed, and a foreign one."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@contextmanager
def page_origins(folder: Path, count: int = 2) -> Generator[list[str], None, None]:
    """So many origins."""
    handler = partial(_Unkept, directory=str(folder))
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), handler) for _ in range(count)]
    threads = [threading.Thread(target=server.serve_forever) for server in servers]
    for thread in threads:
        thread.start()
    yield [f"http://localhost:{server.server_port}" for server in servers]
    for server, thread in zip(servers, threads, strict=True):
        server.shutdown()
        thread.join()
        server.server_close()


class _Unkept(SimpleHTTPRequestHandler):
    """Serves a page that a test rewrites as it is now."""

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        super().end_headers()
