"""The secret of a run is found wherever it is, in each form, and fails the run without being shown."""

import base64
import re
import shutil
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

import canary
from command import ROOT, run

_CONFIGURATION = """
[tool.pytest.ini_options]
testpaths = ["tests"]
pythonpath = ["tests"]
addopts = ["--import-mode=importlib", "-p", "no:hypothesispytest"]
"""
# Each is the body of a test that passes, and the place that has to be named.
_LEAKS = {
    "a log line": ('logging.getLogger("leaky").debug("sent %s", SECRET)', "a log record of leaky"),
    "a log line's extra": ('logging.getLogger("leaky").info("sent", extra={"k": SECRET})', "a log record of leaky"),
    "an exception's cause": (
        """try:
        raise OSError('no') from ValueError(SECRET)
    except OSError:
        logging.getLogger('leaky').exception('failed')""",
        "a log record of leaky",
    ),
    "a warning": ("warnings.warn(SECRET, stacklevel=1)", "a warning"),
    "stdout": ("print(SECRET)", "Captured stdout call"),
    "stderr of a process": (
        "subprocess.run([sys.executable, '-c', 'import sys; sys.exit(sys.argv[1])', SECRET])",
        "Captured stderr call",
    ),
    "a file": ("(tmp_path / 'left.txt').write_text(SECRET)", "the file test_it0/left.txt"),
    "a file of bytes, in base64": (
        "(tmp_path / 'left.bin').write_bytes(b'\\xff' + base64.b64encode(b'u:' + SECRET.encode()))",
        "the file test_it0/left.bin",
    ),
    "a database that is still in its WAL": (
        """db = logging.kept = sqlite3.connect(tmp_path / 'a.sqlite3')
    db.execute('PRAGMA journal_mode=WAL')
    db.execute('CREATE TABLE t (x)')
    db.execute('INSERT INTO t VALUES (?)', [SECRET])
    db.commit()""",
        "the file test_it0/a.sqlite3-wal",
    ),
    "an attribute of a span": (
        "trace.get_tracer('leaky').start_span('call', attributes={'key': SECRET}).end()",
        "the span call",
    ),
    "an attribute of a metric": (
        "metrics.get_meter('leaky').create_counter('calls').add(1, {'key': SECRET})",
        "a metric",
    ),
    "what a helper was told": ("canary.hear('an answer', b'{' + SECRET.encode() + b'}')", "an answer"),
}
_HEAD = """import base64, logging, sqlite3, subprocess, sys, warnings
import canary
from opentelemetry import metrics, trace
SECRET = canary.secret()


def test_it(tmp_path):
    """


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    tests = tmp_path / "tests"
    tests.mkdir()
    for name in ("conftest.py", "canary.py", "kept_threads.py", "outside.py", "telemetry_heard.py"):
        shutil.copy(ROOT / "tests" / name, tests)
    (tmp_path / "pyproject.toml").write_text(_CONFIGURATION)
    return tmp_path


def _pytest(suite: Path, body: str, *arguments: str, expected: int) -> str:
    # A secret of its own: what that run is to find, this one must not.
    (suite / "tests" / "test_thing.py").write_text(f"{_HEAD}{body}\n")
    command = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests", "--basetemp", suite / "left")
    return run(*command, *arguments, cwd=suite, env={"APIKEYCHAIN_CANARY": "0123456789abcdef"}, expected=expected)


@pytest.mark.parametrize(("body", "where"), _LEAKS.values(), ids=_LEAKS)
def test_a_leak_fails_the_run_and_its_place_is_named_but_never_the_secret(suite: Path, body: str, where: str) -> None:
    told = _pytest(suite, body, expected=1)
    assert "1 passed" in told
    assert where in told.partition("the secret was found")[2]
    assert "sk-0123456789abcdef" not in told.partition("the secret was found")[2]


@pytest.mark.parametrize(
    "leak",
    [
        "a log line",
        "a warning",
        "stdout",
        "a file",
        "what a helper was told",
        "an attribute of a span",
        "an attribute of a metric",
    ],
)
def test_a_leak_in_a_worker_process_fails_the_run_too(suite: Path, leak: str) -> None:
    body, where = _LEAKS[leak]
    told = _pytest(suite, body, "-n", "1", expected=1)
    assert "1 passed" in told
    assert where.removeprefix("the file ") in told.partition("the secret was found")[2]
    assert "sk-0123456789abcdef" not in told.partition("the secret was found")[2]


def test_a_run_without_a_leak_passes(suite: Path) -> None:
    told = _pytest(suite, "(tmp_path / 'left.txt').write_text('sk-0123456789')", expected=0)
    assert "the secret was found" not in told


@pytest.mark.parametrize("name", ["key.txt", "declared/good.toml"])
def test_what_a_person_writes_is_let_be(suite: Path, name: str) -> None:
    body = f"path = tmp_path / {name!r}\n    path.parent.mkdir(exist_ok=True)\n    path.write_text(SECRET)"
    assert "1 passed" in _pytest(suite, body, expected=0)


@pytest.mark.parametrize("before", ["", "u", "us", "use"])
@pytest.mark.parametrize("name", ["", "live"])
def test_the_secret_is_found_in_each_form_wherever_it_begins(before: str, name: str) -> None:
    text = (before + canary.secret(name) + "-new").encode()
    percent = "".join(f"%{byte:02X}" for byte in text)
    forms: list[str | bytes] = [
        text,
        quote(text).encode(),
        percent,
        percent.lower(),
        text.hex(),
        text.hex().upper(),
        base64.b64encode(text),
        base64.urlsafe_b64encode(text).rstrip(b"="),
    ]
    assert [form for form in forms if not canary.holds(form)] == []


def test_something_else_is_not_taken_for_it() -> None:
    assert not canary.holds("sk-0123456789abcdef and [redacted]*********")
    assert min(map(len, canary.FORMS)) >= 16


def test_a_secret_without_a_name_has_19_characters_and_is_new_in_each_run() -> None:
    assert re.fullmatch(r"sk-[0-9a-f]{16}", canary.secret())
    anew = {"PYTHONPATH": str(ROOT / "tests"), "APIKEYCHAIN_CANARY": ""}
    told = run(sys.executable, "-c", "import canary; print(canary.secret())", env=anew).strip()
    assert re.fullmatch(r"sk-[0-9a-f]{16}", told)
    assert told != canary.secret()


def test_those_who_are_let_be_are_few_and_each_has_its_reason() -> None:
    assert len(canary.GIVEN) <= 3
    assert all(len(reason.split()) > 4 for reason in canary.GIVEN.values())
