"""`apikeychain sign`: what it prints is what the gate takes, and never the key."""

import asyncio
import shlex
import time
from pathlib import Path

import pytest

from apikeychain.errors import SignatureRefusedError
from command import run
from overheard import overheard
from signature_vectors import a_call, require_signed
from terminal import Terminal

KEY = "aks_" + "k" * 43
PATH = "/api/apikeychain/p_abcdefghijklmnopqrst/proxy/pay"
URL = f"https://host.example{PATH}"


@pytest.fixture(autouse=True)
def _key_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", KEY)


def signed(terminal: Terminal, method: str, url: str, *more: object) -> str:
    told = terminal.told("sign", method, url, "--key-id", "k_2345", "--env", "THE_KEY", *more)
    assert KEY not in told
    return told


def test_without_curl_it_prints_the_header_lines(terminal: Terminal) -> None:
    lines = [line.split(": ", 1) for line in signed(terminal, "GET", f"{URL}?q=a%2Fb", "--user", "u-1").splitlines()]
    names = ["x-key-id", "x-timestamp", "x-nonce", "x-content-sha256", "x-signature", "x-iso-user"]
    assert [name for name, _ in lines] == names
    headers = [(name.encode(), value.encode()) for name, value in lines]
    call = a_call("GET", f"{PATH}?q=a%2Fb".encode(), headers, prefix="/api/apikeychain")
    require_signed(call, KEY, b"", at=time.time())
    with pytest.raises(SignatureRefusedError):
        require_signed(call, KEY + "x", b"", at=time.time())


def test_as_json_it_is_one_document(terminal: Terminal) -> None:
    document = terminal.read("sign", "GET", URL, "--key-id", "k_2345", "--env", "THE_KEY")
    assert document["x-key-id"] == "k_2345"
    assert document["x-signature"].startswith("v1=")


def test_it_needs_and_makes_no_data_directory(terminal: Terminal) -> None:
    signed(terminal, "GET", URL)
    assert not terminal.data.exists()


@pytest.mark.parametrize(
    ("method", "query", "more"),
    [
        ("GET", "", []),
        ("GET", "?q=a%2Fb+c&x=[1-3]{a,b}&y=$HOME'`", []),
        ("HEAD", "?q=1", []),
        ("DELETE", "/a/../b", ["--user", "u-1"]),
        ("POST", "", ["--data", 'it\'s "$HOME" `id` \\ é\nnext\t.', "--content-type", "text/plain; charset=utf-8"]),
        ("POST", "", ["--data", "@/etc/passwd"]),
        ("POST", "", ["--data", "-x"]),
        ("POST", "", ["--data", ""]),
        ("PUT", "", ["--data-file", "a file", "--content-type", "application/octet-stream"]),
        (
            "GET",
            "",
            [
                *("--header", "X-Tenant:  t 1 ", "--header", "X-Empty:", "--signed-header", "x-tenant"),
                *("--signed-header", "x-empty", "--signed-header", "user-agent", "--signed-header", "accept"),
            ],
        ),
    ],
)
async def test_curl_sends_what_was_signed(
    terminal: Terminal, tmp_path: Path, method: str, query: str, more: list[str]
) -> None:
    (tmp_path / "a file").write_bytes(bytes(range(256)) + b"\r\n")
    async with overheard() as heard:
        command = await asyncio.to_thread(signed, terminal, method, f"{heard.address}{PATH}{query}", "--curl", *more)
        (tmp_path / "command.sh").write_text(f"exec {command.strip()} --silent --show-error --max-time 30\n")
        await asyncio.to_thread(run, "sh", tmp_path / "command.sh", cwd=tmp_path)
    call, body = heard.call()
    names = sorted(name for place, name in enumerate(more) if more[place - 1] == "--signed-header")
    assert call.method == method
    require_signed(call, KEY, body, at=time.time(), names=names)
    assert (method != "PUT") or body == bytes(range(256)) + b"\r\n"


def test_the_command_is_one_that_a_shell_reads_as_it_was_meant(terminal: Terminal) -> None:
    told = signed(terminal, "POST", URL, "--curl", "--data", "a b")
    words = shlex.split(told.replace("\\\n", ""))
    assert words[:6] == ["curl", "--globoff", "--path-as-is", "--request", "POST", URL]
    assert words[-2:] == ["--data-raw", "a b"]
    assert "content-type:" in words


def test_a_line_that_signing_writes_stands_once(terminal: Terminal) -> None:
    more = ("--user", "u-1", "--header", "X-Iso-User: u-2", "--header", "x-nonce: " + "A" * 16)
    told = signed(terminal, "get", URL, "--curl", *more)
    assert (told.count("x-iso-user"), told.count("x-nonce"), told.count("u-2")) == (1, 1, 0)
    assert "--request GET" in told


def test_the_prefix_is_that_of_the_gate(terminal: Terminal) -> None:
    assert "x-signature" in signed(terminal, "GET", "https://host.example/gate/p_a/proxy/a", "--prefix", "/gate")


@pytest.mark.parametrize(
    ("url", "more", "told"),
    [
        ("https://host.example/", [], "only what is under /api/apikeychain/<project id>/ is signed"),
        (f"http://host.example{PATH}", [], "signed requests go over https, or to this machine"),
        (f"ftp://localhost{PATH}", [], "signed requests go over https, or to this machine"),
        ("https://host.example:port/", [], "not a URL: 'https://host.example:port/'"),
        (URL, ["--data", "a", "--data-file", "b"], "say one of --data and --data-file"),
        (URL, ["--data-file", "none"], "the file 'none' cannot be read: No such file"),
        (URL, ["--data", "\udcff"], "--data takes text"),
        (URL, ["--header", "x-tenant"], "a header is \"Name: value\", not 'x-tenant'"),
        (URL, ["--header", "x-tenant: a\nb"], "a header value is printable ASCII"),
        (URL, ["--header", "a b: c"], "a header is"),
        (URL, ["--stdin"], "say one of --stdin, --file and --env"),
    ],
)
def test_what_cannot_be_signed_is_told(terminal: Terminal, url: str, more: list[str], told: str) -> None:
    problem = terminal.refused("sign", "GET", url, "--key-id", "k_2345", "--env", "THE_KEY", *more)
    assert told in problem


def test_a_method_that_is_none_is_told(terminal: Terminal) -> None:
    assert "not a method" in terminal.refused("sign", "GET /x", URL, "--key-id", "k_2345", "--env", "THE_KEY")


def test_a_key_on_the_command_line_is_refused_and_not_repeated(terminal: Terminal) -> None:
    problem = terminal.refused("sign", "GET", URL, KEY, "--key-id", "k_2345", "--env", "THE_KEY", code=2)
    assert problem == "there are arguments too many; see apikeychain sign --help"
