import logging

import pytest

from apikeychain.watch import mentions
from apikeychain.watch.mentions import Mentions

PROJECT = "p_" + "a" * 20


def test_a_refused_origin_is_named_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    named = Mentions()
    with caplog.at_level(logging.WARNING, "apikeychain.gate"):
        for seconds in (100.0, 130.0, 159.9, 160.0, 161.0):
            named.note(PROJECT, "https://evil.example is not allowed", seconds)
    assert caplog.messages == [f"project {PROJECT}: https://evil.example is not allowed"] * 2


def test_projects_and_origins_are_named_apart(caplog: pytest.LogCaptureFixture) -> None:
    named = Mentions()
    for project, hint in ((PROJECT, "one"), (PROJECT, "two"), ("p_" + "b" * 20, "one"), (PROJECT, "one")):
        named.note(project, hint, 100.0)
    assert len(caplog.messages) == 3


def test_a_flood_of_origins_does_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    named = Mentions()
    for number in range(1000):
        named.note(PROJECT, f"https://{number}.example", 100.0)
    assert len(caplog.messages) == 10
    named.note(PROJECT, "https://1.example", 160.0)
    assert len(caplog.messages) == 11


def test_memory_is_bounded(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mentions, "MAX_PROJECTS", 2)
    named = Mentions()
    for project in ("one", "two", "three"):
        named.note(project, "hint", 100.0)
    assert list(named._minutes) == ["two", "three"]
    named.note("one", "hint", 101.0)
    assert caplog.messages.count("project one: hint") == 2


def test_why_the_gate_is_closed_is_said_once_a_minute_as_an_error(caplog: pytest.LogCaptureFixture) -> None:
    named = Mentions()
    for seconds in (100.0, 130.0, 160.0):
        named.close("the disk is full", seconds)
    named.close("another reason", 161.0)
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    full, other = "the gate is closed: the disk is full", "the gate is closed: another reason"
    assert told == [("ERROR", full), ("ERROR", full), ("ERROR", other)]
