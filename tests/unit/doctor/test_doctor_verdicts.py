"""Facts in, findings out: each fact that is wrong is told, and nothing else is."""

import stat
from pathlib import Path

import pytest

from apikeychain import APIKeyChainSettings
from apikeychain.doctor import verdicts
from apikeychain.doctor.files import lies_in
from apikeychain.doctor.finding import Finding, holds
from apikeychain.doctor.verdicts import FileFacts

_VERSIONS = ("v1", "v2")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (APIKeyChainSettings(), ["nothing unsafe is chosen"]),
        (APIKeyChainSettings(trusted_proxies=("10.0.0.0/8", "2001:db8::/32", "unix")), ["nothing unsafe is chosen"]),
        (APIKeyChainSettings(development=True), ["development is on"]),
        (
            APIKeyChainSettings(outer_cors=True),
            ["a CORS middleware of the host may stand outside, and answers preflights first"],
        ),
        (
            APIKeyChainSettings(trusted_proxies=("unix", "8.0.0.0/7", "2000::/3")),
            [
                f"trusted_proxies: entry {number} holds more than proxies, and each address in it can say who calls"
                for number in (2, 3)
            ],
        ),
    ],
)
def test_what_a_public_host_should_not_choose_is_warned_of(settings: APIKeyChainSettings, told: list[str]) -> None:
    found = verdicts.of_settings(settings)
    assert [finding.told for finding in found] == told
    assert holds(found)


@pytest.mark.parametrize(
    ("facts", "state", "told"),
    [
        (FileFacts("it", Path("x"), stat.S_IFREG | 0o600), "ok", "it x is its owner's alone"),
        (FileFacts("it", Path("x"), stat.S_IFREG | 0o640), "warning", "it x is open to others"),
        (FileFacts("it", Path("x"), stat.S_IFREG | 0o604, must_be_closed=True), "failure", "it x is open to others"),
        (FileFacts("it", Path("x"), stat.S_IFREG | 0o600, is_ours=False), "warning", "it x belongs to another user"),
        (FileFacts("it", Path("x"), None), "failure", "it x is missing or cannot be looked at"),
    ],
)
def test_a_file_that_others_can_read_is_told(facts: FileFacts, state: str, told: str) -> None:
    (found,) = verdicts.of_files([facts])
    assert (found.state, found.told) == (state, told)


@pytest.mark.parametrize(("mode", "advice"), [(stat.S_IFDIR, "run chmod 700 x"), (stat.S_IFREG, "run chmod 600 x")])
def test_the_advice_is_the_command(mode: int, advice: str) -> None:
    assert verdicts.of_files([FileFacts("it", Path("x"), mode | 0o777)])[0].advice == advice


@pytest.mark.parametrize(
    ("ahead", "state"),
    [(0, "ok"), (1.9, "ok"), (-1.9, "ok"), (2, "warning"), (-14.9, "warning"), (15, "failure"), (-15, "failure")],
)
def test_clocks_that_differ_are_told(ahead: float, state: str) -> None:
    assert verdicts.of_clock("valkey", ahead).state == state


@pytest.mark.parametrize(
    ("tls", "is_local", "state", "told"),
    [
        ("TLSv1.3", False, "ok", "the connection is TLS 1.3"),
        ("", True, "ok", "the connection does not leave this machine"),
        ("", False, "warning", "the connection is not encrypted"),
        ("TLSv1.2", False, "warning", "the connection is TLSv1.2"),
    ],
)
def test_a_way_that_others_can_listen_to_is_told(tls: str, is_local: bool, state: str, told: str) -> None:
    found = verdicts.of_way("valkey", tls, is_local=is_local)
    assert (found.state, found.told) == (state, told)


@pytest.mark.parametrize(
    ("used", "most", "state"), [(9, 0, "ok"), (89, 100, "ok"), (90, 100, "warning"), (100, 100, "failure")]
)
def test_a_memory_that_is_full_or_nearly_so_is_told(used: int, most: int, state: str) -> None:
    assert verdicts.of_memory(used, most).state == state


@pytest.mark.parametrize(("version", "state"), [("v2", "ok"), ("v1", "warning"), ("v3", "failure"), (None, "failure")])
def test_tables_of_another_version_are_told(version: str | None, state: str) -> None:
    assert verdicts.of_version(version, _VERSIONS).state == state


def test_a_warning_is_no_failure() -> None:
    warned, failed = Finding("x", "warning", "y"), Finding("x", "failure", "y")
    assert holds([warned])
    assert not holds([warned, failed])


def test_where_alerts_go_is_told() -> None:
    assert verdicts.of_alerts(has_webhook=False).told == "they go to the log, unless the server has sinks"
    assert verdicts.of_alerts(has_webhook=True).told.startswith("they go to a webhook")


@pytest.mark.parametrize(
    ("key_file", "state"),
    [
        ("data/platform.key", "warning"),
        ("data/keys/platform.key", "warning"),
        ("linked/platform.key", "warning"),
        ("other/../data/platform.key", "warning"),
        ("platform.key", "ok"),
        ("database/platform.key", "ok"),
    ],
)
def test_a_key_is_beside_the_data_wherever_one_copy_takes_both(tmp_path: Path, key_file: str, state: str) -> None:
    # contracts 10: doctor warns while key and data share a directory
    for folder in ("data/keys", "other", "database"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "linked").symlink_to(tmp_path / "data")
    for data in ("data", "linked", "other/../data"):
        is_inside = lies_in(tmp_path / key_file, tmp_path / data)
        assert verdicts.of_places(tmp_path / data, holds_key=is_inside).state == state
