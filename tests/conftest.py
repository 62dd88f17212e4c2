"""What holds for a whole run: every branch of src is run, and in CI nothing is skipped.

``pytest`` alone is the whole truth: it measures src, subprocesses counted, and fails below 100 %. A run that is
narrowed (a path, ``-k``, ``-m``, ``--lf``) measures nothing, and may ask for it with ``--cov``.

A whole run has one worker process for each processor, a narrowed one has none, unless ``-n`` says how many. What a
worker found is told to the process that started it, which judges.
"""

import asyncio
import logging
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

import telemetry_heard
from canary import Watch
from kept_threads import KeepingThreads
from outside import CASES, VECTORS

_WHOLE = "not long"
_FLOOR = 100
_DATA = pytest.StashKey[tempfile.TemporaryDirectory[str]]()
_NOT_RUN = pytest.StashKey[dict[str, None]]()


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """As many as xdist finds processors, where it pays to start them."""
    return None if _is_whole(config) else 0


def pytest_configure(config: pytest.Config) -> None:
    asyncio.set_event_loop_policy(KeepingThreads())
    config.stash[_NOT_RUN] = {}
    config.pluginmanager.register(_NotRun(config.stash[_NOT_RUN]), "not-run")
    _listen(config)
    plugin = config.pluginmanager.get_plugin("pytest_cov")
    if plugin is None or not _is_whole(config):
        return
    is_worker = _is_worker(config)
    if not is_worker:
        # The data of this run stay apart from those of another run in the same tree.
        config.stash[_DATA] = data = tempfile.TemporaryDirectory(prefix="apikeychain-coverage-")
        os.environ["COVERAGE_FILE"] = str(Path(data.name, "coverage"))
    config.option.cov_source = [True]
    config.option.cov_report = {"term-missing": "skip-covered"}
    config.option.cov_fail_under = _FLOOR
    config.pluginmanager.register(plugin.CovPlugin(config.option, config.pluginmanager, start=not is_worker), "_cov")


def pytest_unconfigure(config: pytest.Config) -> None:
    data = config.stash.get(_DATA, None)
    if data is not None:
        data.cleanup()
        del os.environ["COVERAGE_FILE"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Outside cases that are absent are not collected: an empty parameter set is no skipped test."""
    items[:] = [item for item in items if not _is_without_cases(item)]


def pytest_report_header(config: pytest.Config) -> list[str]:
    measured = "the whole suite, branches of src to 100 %" if _DATA in config.stash else "not measured (narrowed run)"
    return [f"outside cases: {_count(CASES)}, vectors: {_count(VECTORS)}", f"coverage: {measured}"]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if _is_ci() and session.config.stash[_NOT_RUN] and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    not_run = config.stash[_NOT_RUN]
    if _is_ci() and not_run:
        terminalreporter.section("not run, which CI counts as failed", red=True)
        for line in not_run:
            terminalreporter.write_line(line, red=True)


def _listen(config: pytest.Config) -> None:
    """The secret of the run is looked for in all that is said from here on, and at the end in every file."""
    watch = Watch()
    logging.getLogger().addHandler(watch)
    logging.getLogger().setLevel(logging.DEBUG)
    config.add_cleanup(lambda: logging.getLogger().removeHandler(watch))
    config.pluginmanager.register(watch, "canary")
    config.pluginmanager.register(telemetry_heard.Watch(), "telemetry")


class _NotRun:
    """Notes every test and file that was skipped or expected to fail, here or in a worker."""

    def __init__(self, notes: dict[str, None]) -> None:
        self._notes = notes

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped or hasattr(report, "wasxfail"):
            self._notes[report.nodeid] = None

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self._notes[report.nodeid] = None

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if _is_worker(session.config):
            session.config.workeroutput["not-run"] = list(self._notes)  # type: ignore[attr-defined]  # xdist's own

    def pytest_testnodedown(self, node: Any) -> None:
        # One that crashed told nothing, and its test failed.
        self._notes |= dict.fromkeys(getattr(node, "workeroutput", {}).get("not-run", ()))


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workeroutput")


def _is_whole(config: pytest.Config) -> bool:
    option = config.option
    narrowed = (
        option.keyword,
        option.markexpr != _WHOLE,
        config.args_source is not pytest.Config.ArgsSource.TESTPATHS,
        option.collectonly,
        option.deselect,
        option.ignore,
        option.ignore_glob,
        getattr(option, "lf", False),
        getattr(option, "stepwise", False),
        option.cov_source,
        option.no_cov,
    )
    return not any(narrowed)


def _is_without_cases(item: pytest.Item) -> bool:
    return any("got empty parameter set" in mark.kwargs.get("reason", "") for mark in item.iter_markers("skip"))


def _is_ci() -> bool:
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def _count(folder: Path) -> str:
    files = list(folder.glob("*.json")) if folder.is_dir() else []
    return f"{len(files)} files" if files else "absent"
