"""Bytes on a socket, to each server that hosts use: an asset is got by its own path, and by nothing that is like it."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from apikeychain.testing.servers.ports import free_port
from command import unmeasured
from processes import until_open
from served_shelf import SCRIPT

FOLDER = Path(__file__).parents[1]
SERVERS: Mapping[str, Sequence[str]] = {
    "uvicorn": ("uvicorn", "served_shelf:app", "--port", "{port}", "--no-proxy-headers", "--log-level", "critical"),
    "hypercorn": ("hypercorn", "served_shelf:app", "--bind", "127.0.0.1:{port}", "--log-level", "critical"),
    "granian": ("granian", "--interface", "asgi", "--http", "1", "--port", "{port}", "--no-log", "served_shelf:app"),
}

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Site:
    """A server process with an asset at ``js``."""

    port: int
    project: str

    async def ask(self, path: str, *lines: str, method: str = "GET", project: str = "") -> tuple[int, bytes, bytes]:
        """The status (0: none), head and body that a path gets."""
        target = f"/api/apikeychain/{project or self.project}/{path}"
        head = [f"{method} {target} HTTP/1.1", "host: shop.example", "x-forwarded-proto: https", "connection: close"]
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write("\r\n".join([*head, *lines, "", ""]).encode("latin-1"))
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
        told, _, body = answer.partition(b"\r\n\r\n")
        return int(told[9:12] or 0), told.lower(), body


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=SERVERS)
async def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Site, None]:
    folder, port = tmp_path_factory.mktemp("served"), free_port()
    command = [part.format(port=port) for part in SERVERS[request.param]]
    environment = {"FOLDER": str(folder), "PYTHONPATH": f"{FOLDER.parent / 'src'}:{FOLDER}"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *command, cwd=FOLDER, env=unmeasured() | environment
    )
    try:
        await until_open(port, process)
        # A server listens once the lifespan has begun it.
        yield Site(port, (folder / "project").read_text(encoding="ascii"))
    finally:
        process.terminate()
        await process.wait()


async def test_it_is_served_cold_and_hot(site: Site) -> None:
    for _ in range(3):
        status, head, body = await site.ask("js/index.js", "accept-encoding: identity")
        assert (status, body) == (200, SCRIPT)
        assert b"cross-origin-resource-policy: cross-origin" in head
        assert b"content-length: %d" % len(SCRIPT) in head
    status, head, body = await site.ask("js", method="HEAD")
    assert (status, body) == (200, b"")
    assert b"content-length: %d" % len(SCRIPT) in head


@pytest.mark.parametrize(
    "path",
    [
        *("js/../js/index.js", "js/./index.js", "js/..", "../js", "js/%2e%2e/js/index.js", "js/..%2fjs/index.js"),
        *("js/a%2findex.js", "js%2findex.js", "js/index.js%2f", "js/index.js%00", "js//index.js", "js/index.js/"),
        *("js/%69ndex.js", "js/%252e%252e%252findex.js", "js/a%5cindex.js", "js/index.js;a=1", "js/"),
        *("js/" + "a" * 5000 + ".js", "js/" + "%2e%2e%2f" * 500, "js/\xff", "assets.json/index.js"),
    ],
)
async def test_what_is_like_its_path_is_not_its_path(site: Site, path: str) -> None:
    status, _, body = await site.ask(path)
    assert status in {400, 404}
    assert SCRIPT not in body
    assert (await site.ask("js"))[0] == 200


async def test_a_project_that_begins_alike_is_another(site: Site) -> None:
    for project in (site.project + "0", site.project[:-1], site.project + "%20", site.project.upper()):
        assert (await site.ask("js", project=project))[0] == 404


@pytest.mark.parametrize("count", [2, 1000])
async def test_a_thousand_ranges_are_one_body(site: Site, count: int) -> None:
    status, head, body = await site.ask("js", "range: bytes=" + ",".join(["0-"] * count))
    assert (status, body) == (200, SCRIPT)
    assert b"multipart" not in head


async def test_one_range_is_a_part(site: Site) -> None:
    status, head, body = await site.ask("js", "range: bytes=7-11")
    assert (status, body) == (206, SCRIPT[7:12])
    assert b"content-range: bytes 7-11/%d" % len(SCRIPT) in head


async def test_two_of_a_kind_and_twins_are_refused(site: Site) -> None:
    for lines in (
        ("origin: https://app.example.com",) * 2,
        ("sec-fetch-dest: script", "sec_fetch_dest: document"),
        ("origin: https://evil.example",),
        ("Service-Worker: script",),
        ("Sec-Fetch-Dest: document",),
        ("X-SIGNATURE: v1=0",),
    ):
        status, _, body = await site.ask("js", *lines)
        assert status in {0, 400, 401, 403}
        assert SCRIPT not in body
