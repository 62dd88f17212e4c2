"""Serves the page beside this file from an origin of its own.

Run it next to ``examples/fastapi_app.py``, with the address that the application printed::

    python examples/browser_page/serve.py
    # then open http://localhost:5173/?gate=http://localhost:8000/api/apikeychain/p_.../proxy/weather

Ask for a city: the page shows the answer, and the browser's network panel holds no key. Serve it once more with
``--port 5174``: from that origin, which is not on the list, the page gets nothing.
"""

import argparse
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def page_server(port: int) -> ThreadingHTTPServer:
    """A server for this machine only; port 0 takes one that is free."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(Path(__file__).parent))
    return ThreadingHTTPServer(("127.0.0.1", port), handler)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve the example page.")
    parser.add_argument("--port", type=int, default=5173)
    with page_server(parser.parse_args().port) as server:
        print(f"http://localhost:{server.server_port}/", flush=True)
        server.serve_forever()
