"""One made-up secret for a whole run, new in each, and every place where it must not be found.

Every test that gives a secret to a gate takes it from `secret`. The plugin below looks for it, in the forms of `FORMS`,
in what any logger says at DEBUG, in warnings, in what was captured of stdout and stderr, in spans and metrics, in what
helpers hand to `hear`, and, when the last test is over, in every file that a test left in its folder: databases and
their WAL too. What it finds fails the run and names the place, never the secret.
"""

import base64
import logging
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# Handed on to the processes that tests start, which give the secret to gates of their own.
_CORE = os.environ.get("APIKEYCHAIN_CANARY") or secrets.token_hex(8)
os.environ["APIKEYCHAIN_CANARY"] = _CORE
# What a test writes itself, because a person would.
GIVEN = {
    "key.txt": "the file from which `secret put --file` takes the secret",
    "declared/*": "a declaration given to `apply`, one with the secret in the wrong place, and the files that it names",
}
_FOUND: dict[str, None] = {}


def secret(name: str = "") -> str:
    """A secret to give to a gate; others have other names, and all of them are looked for.

    Without a name it has 19 characters.
    """
    return f"sk-{name}-{_CORE}" if name else f"sk-{_CORE}"


def _forms(core: bytes) -> Iterator[bytes]:
    yield core
    digits = core.hex()
    yield from {digits.encode(), digits.upper().encode()}
    yield from {"".join(f"%{byte:{kind}}" for byte in core).encode() for kind in ("02x", "02X")}
    # The characters that these bytes alone determine, wherever they begin in a text. None is one in which the
    # alphabet for addresses differs.
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + core)
        yield encoded[(8 * before + 5) // 6 : 8 * (before + len(core)) // 6]


FORMS = tuple(_forms(_CORE.encode()))


def holds(told: str | bytes) -> bool:
    """Whether the secret is in it, in any form that is looked for."""
    raw = told.encode(errors="surrogateescape") if isinstance(told, str) else told
    return any(form in raw for form in FORMS)


def hear(where: str, *told: str | bytes, test: str = "") -> None:
    """Note where the secret was found, if it is in any of what was told there.

    Args:
        test: which one told it, if not the one that runs.
    """
    if any(map(holds, told)):
        name = (test or os.environ.get("PYTEST_CURRENT_TEST", "no test")).partition(" (")[0].partition("[")[0]
        _FOUND[f"{where}, in {name}"] = None


def files_that_hold(folder: Path) -> list[Path]:
    """The files below `folder` in which the secret is, and should not be."""
    return sorted(path for path in _files(folder) if not any(map(path.match, GIVEN)) and holds(path.read_bytes()))


def _files(folder: Path) -> Iterator[Path]:
    for where, _, names in os.walk(folder):
        for path in (Path(where, name) for name in names):
            if path.is_file() and not path.is_symlink():
                yield path


class Watch(logging.Handler):
    """The plugin that listens for a whole run."""

    def emit(self, record: logging.LogRecord) -> None:
        chain = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
        hear(f"a log record of {record.name}", record.getMessage(), repr(record.__dict__), chain)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            hear(f"the name of a test of {item.location[0]}", item.nodeid)

    def pytest_warning_recorded(self, warning_message: object, nodeid: str) -> None:
        hear("a warning", str(warning_message), test=nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # The text of a test that fails is not looked at: it shows what was compared.
        for title, text in report.sections:
            hear(title, text, test=report.nodeid)

    def pytest_testnodedown(self, node: Any) -> None:
        # One that crashed told nothing, and its test failed.
        _FOUND.update(dict.fromkeys(getattr(node, "workeroutput", {}).get("canary", ())))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["canary"] = list(_FOUND)  # the process that started this one looks at the files
            return
        folder: Path = session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]  # has no other door
        for path in files_that_hold(folder):
            _FOUND[f"the file {path.relative_to(folder)}"] = None
        if _FOUND and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if _FOUND:
            terminalreporter.section("the secret was found", red=True)
            for line in _FOUND:
                terminalreporter.write_line(line, red=True)
