"""`apikeychain watch`: how projects are watched, what was found, what may be done about it, and a replay of it."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import recorded_calls as recorded
from apikeychain import APIKeyChain
from apikeychain.model.finding import Finding
from apikeychain.model.ids import ProjectId
from apikeychain.model.records import Record
from apikeychain.model.watch import Deed, Sums, TightenedQuota, WatchMemory
from ledger_house import ACME, NOON
from terminal import Terminal

_MINUTE = timedelta(minutes=1)
_NOW = datetime.now(UTC).replace(microsecond=0)


def stored(terminal: Terminal, *records: Record) -> None:
    """Put records where a serving keychain puts them."""

    async def store() -> None:
        async with APIKeyChain.embedded(terminal.data) as keychain, keychain._office.store.tenant(ACME) as rows:
            for record in records:
                await rows.insert(record)

    asyncio.run(store())


def finding(project: str, minute: int = 0) -> Finding:
    return Finding(
        project=ProjectId(project),
        id=f"f_{minute:020}",
        at=NOON + minute * _MINUTE,
        since=NOON,
        detector="ewma",
        feature="heaviest",
        scope="caller",
        value=recorded.GREEDY,
        expected=19.25,
        seen=1_234_567,
        sure=99,
        blatant=True,
        admitted=True,
        why="one caller called more than any before",
        done=("alert", "suspend"),
    )


@pytest.fixture
def project(terminal: Terminal) -> str:
    return terminal.project()


def test_a_new_project_observes_for_a_week(terminal: Terminal, project: str) -> None:
    told = terminal.read("watch", "status", project)
    assert (told["project"], told["id"], told["mode"]) == ("acme/shop", project, "observe")
    assert (told["windows"], told["last"], told["deeds"], told["learned"]) == (0, None, [], {})
    assert told["answers"] == ["alert", "tighten", "suspend"]
    assert "observe" in terminal.told("watch", "status", "acme/shop")


def test_what_is_said_of_a_project_is_so_and_the_rest_stays(terminal: Terminal, project: str) -> None:
    said = terminal.told("watch", "set", project, "--mode", "act", "--answer", "suspend", "--answer", "alert")
    assert said == "project shop is watched in the mode act: alert, suspend\n"
    rules = ("rate > 1000 / minute", "refused_origins > 50 / 5 minutes")
    terminal.told("watch", "set", project, "--rule", rules[0], "--rule", rules[1], "--suspend-minutes", "5")
    told = terminal.read("watch", "set", project, "--suspensions-a-day", "0")
    assert told == terminal.read("watch", "status", project)
    assert (told["mode"], told["answers"], told["rules"]) == ("act", ["alert", "suspend"], list(rules))
    assert (told["suspend_minutes"], told["suspensions_a_day"]) == (5, 0)
    assert terminal.read("watch", "set", project, "--no-rules", "--mode", "default")["rules"] == []
    assert terminal.read("watch", "status", project)["mode"] == "observe"
    assert terminal.kinds()[-1] == "watch.changed"


def test_rules_are_said_or_taken_away(terminal: Terminal, project: str) -> None:
    problem = terminal.refused("watch", "set", project, "--rule", "rate > 1000 / minute", "--no-rules")
    assert problem == "say --rule or --no-rules"


def test_all_projects_are_told_together(terminal: Terminal, project: str) -> None:
    assert [row["id"] for row in terminal.read("watch", "status")] == [project]
    other = terminal.project("bolt/blog")
    terminal.told("watch", "set", other, "--mode", "off")
    terminal.project("gone/shop")
    terminal.told("tenant", "erase", "gone", "--yes")
    rows = {row["project"]: row["mode"] for row in terminal.read("watch", "status")}
    assert rows == {"acme/shop": "observe", "bolt/blog": "off"}
    assert "bolt/blog" in terminal.told("watch", "status")


def test_no_project_is_told_as_a_sentence(terminal: Terminal) -> None:
    terminal.told("tenant", "create", "acme")
    assert terminal.told("watch", "status").startswith("no project yet")


def test_what_was_seen_last_and_done_is_told(terminal: Terminal, project: str) -> None:
    known = ProjectId(project)
    deed = Deed(answer="suspend", scope="caller", value=recorded.GREEDY, at=_NOW, until=_NOW + 10 * _MINUTE)
    memory = WatchMemory(
        project=known,
        states={"ewma": "{}"},
        windows=7,
        seen=Sums(begin=NOON, calls=40, failures=1, callers=8, bytes_out=512, unadmitted=3),
        deeds=(deed, replace(deed, observed=True, answer="tighten", scope="route", value="weather")),
        late=2,
    )
    smaller = TightenedQuota(
        project=known, scope="route", value="weather", divisor=4, created=_NOW, until=_NOW + timedelta(hours=1)
    )
    stored(terminal, memory, smaller)
    told = terminal.read("watch", "status", project)
    assert told["last"]["calls"] == 40
    assert (told["windows"], told["learned"], told["late"]) == (7, {"ewma": 2}, 2)
    assert [(one["what"], one["where"]) for one in told["deeds"]] == [
        ("suspend 10 min", "caller ffffffff"),
        ("(tighten 10 min)", "route weather"),
    ]
    assert [(one["where"], one["divisor"]) for one in told["smaller_quotas"]] == [("route weather", 4)]
    [row] = terminal.read("watch", "status")
    assert (row["calls"], row["deeds"]) == (40, 1)


def test_findings_are_listed_the_newest_first(terminal: Terminal, project: str) -> None:
    assert terminal.told("watch", "findings", project) == "nothing was found of shop\n"
    stored(terminal, *(finding(project, minute) for minute in range(3)))
    told = terminal.read("watch", "findings", project, "--limit", "2")
    assert [one["id"][-1] for one in told] == ["2", "1"]
    assert (told[0]["value"], told[0]["seen"], told[0]["done"]) == (recorded.GREEDY, 1_234_567, ["alert", "suspend"])
    shown = terminal.told("watch", "findings", project)
    assert "1.235 M" in shown
    assert "caller ffffffff" in " ".join(shown.split()) or "ffffffff" in shown


def test_a_recorded_ledger_is_replayed_with_the_policy_of_its_project(
    terminal: Terminal, project: str, tmp_path: Path
) -> None:
    drafts = recorded.an_attack(ProjectId(project))

    async def store() -> None:
        async with APIKeyChain.embedded(terminal.data) as keychain:
            await keychain._office.store.append_many({ACME: drafts})

    asyncio.run(store())
    terminal.told("watch", "set", project, "--mode", "observe", "--suspend-minutes", "2")
    told = terminal.read("watch", "replay", project, "--picture", tmp_path / "attack.svg")
    assert (told["project"], told["mode"]) == (project, "act")
    first = next(one for one in told["done"] if one["answer"] == "suspend")
    assert datetime.fromisoformat(first["until"]) - datetime.fromisoformat(first["at"]) == 2 * _MINUTE
    assert "acme/shop: what the watch would have found and done" in (tmp_path / "attack.svg").read_text()
    none = tmp_path / "none.svg"
    nothing = terminal.told("watch", "replay", project, "--from", "2027-01-01", "--picture", none)
    assert nothing.startswith("nothing is recorded of calls of acme/shop then\n")
    assert not none.exists()
