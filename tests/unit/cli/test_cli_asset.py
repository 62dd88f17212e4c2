"""`apikeychain asset`: scripts and styles, put from files and folders, shown, taken back, swept."""

import asyncio
import json
import re
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import canary
from apikeychain.backends.file_assets import FileAssets
from apikeychain.backends.sql import SQLStore
from apikeychain.client import browser_script
from apikeychain.embedded import ASSETS, DATABASE
from apikeychain.model.asset import AssetPrefix, LooseObject
from apikeychain.model.ids import ProjectId, TenantId
from terminal import Terminal

SECRET = canary.secret()


@contextmanager
def away(terminal: Terminal) -> Generator[None, None, None]:
    """The directory of the objects is none meanwhile."""
    directory = terminal.data / ASSETS
    kept = directory.with_name("kept")
    if directory.exists():
        directory.rename(kept)
    directory.write_bytes(b"")
    yield
    directory.unlink()
    if kept.exists():
        kept.rename(directory)


@pytest.fixture
def project(terminal: Terminal) -> str:
    project = terminal.project()
    terminal.told("asset", "enable", project)
    return project


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    (folder / "deeper.js").mkdir(parents=True)
    for name, text in {
        "app.js": "const app = 1\n",
        "app.js.map": "{}",
        "page.css": "body {}\n",
        "index.html": "<html>",
        ".eslintrc.js": "module.exports = {}\n",
    }.items():
        (folder / name).write_text(text)
    return folder


def test_files_and_folders_are_put_and_listed(terminal: Terminal, project: str, folder: Path) -> None:
    assert f"apikeychain asset put {project} FILE" in terminal.told("asset", "list", project)
    put = terminal.read("asset", "put", project, folder)
    assert [(one["name"], one["version"]) for one in put["put"]] == [("app.js", 1), ("app.js.map", 1), ("page.css", 1)]
    assert put["refused"] == []
    (folder / "app.js").write_text("const app = 2\n")
    told = terminal.told("asset", "put", project, folder / "app.js", folder / "page.css")
    assert re.search(r"app\.js +2 +14\b", told)
    assert re.search(r"page\.css +1 +8\b", told)
    table, rows = terminal.told("asset", "list", project), terminal.read("asset", "list", project)
    assert [row["path"] for row in rows] == ["css/page.css", "js/app.js", "js/app.js.map"]
    assert "app.js.map" in table
    assert all(len(line) <= 80 for line in table.splitlines())
    shown = terminal.read("asset", "show", project, "app.js")
    assert [(one["version"], one["served"]) for one in shown] == [(2, True), (1, False)]
    assert terminal.told("asset", "show", project, "app.js").count("\n") >= 3


def test_one_that_is_refused_keeps_no_other_from_being_put(
    terminal: Terminal, project: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal.told("provider", "register", project, "--known", "openweather")
    monkeypatch.setenv("THE_KEY", SECRET)
    terminal.told("secret", "put", project, "openweather", "--env", "THE_KEY")
    (folder / "app.js").write_text(f"const key = '{SECRET}'\n")
    (folder / "Page.JS").write_text("const page = 1\n")
    code, out, err = terminal.run("asset", "put", project, folder)
    assert code == 1
    assert "page.css" in out
    misnamed, bad = err.splitlines()
    assert misnamed.startswith(f"apikeychain: {folder}/Page.JS: not a file name")
    assert bad.startswith(f"apikeychain: {folder}/app.js: it holds the secret 'openweather'")
    assert SECRET not in out + err
    code, out, err = terminal.run("asset", "put", project, folder, "--json")
    assert (code, err) == (1, "")
    assert '"file": ' in out
    assert [row["name"] for row in terminal.read("asset", "list", project)] == ["page.css", "app.js.map"]
    (folder / "app.js").unlink()


def test_a_file_is_put_under_another_name_and_there_has_to_be_one(
    terminal: Terminal, project: str, folder: Path, tmp_path: Path
) -> None:
    assert terminal.read("asset", "put", project, folder / "app.js", "--name", "other.mjs")["put"][0]["path"] == (
        "js/other.mjs"
    )
    assert terminal.refused("asset", "put", project, folder, "--name", "a.js") == "--name is for one file"
    nothing = "no file to put: say FILE, or a folder with .css, .js, .map, .mjs right in it"
    (tmp_path / "empty").mkdir()
    assert terminal.refused("asset", "put", project, tmp_path / "empty") == nothing
    assert terminal.refused("asset", "put", project) == nothing
    twice = terminal.refused("asset", "put", project, folder / "app.js", folder)
    assert twice == "two files are named 'app.js'"
    missing = terminal.refused("asset", "put", project, tmp_path / "none.js")
    assert "cannot be read: No such file or directory" in missing


def test_the_module_for_pages_is_put_by_itself_and_beside_files(terminal: Terminal, project: str, folder: Path) -> None:
    (alone,) = terminal.read("asset", "put", project, "--client")["put"]
    assert (alone["name"], alone["bytes"]) == ("apikeychain.js", len(browser_script()))
    both = terminal.read("asset", "put", project, folder / "app.js", "--client")["put"]
    assert [(one["name"], one["version"]) for one in both] == [("app.js", 1), ("apikeychain.js", 1)]
    (other,) = terminal.read("asset", "put", project, "--client", "--name", "calls.js")["put"]
    assert other["path"] == "js/calls.js"


def test_a_link_out_of_a_folder_is_followed_only_where_it_is_named(
    terminal: Terminal, project: str, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "credentials").write_text("password = 1\n")
    (folder / "away.js").symlink_to(tmp_path / "credentials")
    (folder / "same.js").symlink_to("app.js")
    (folder / "lost.js").symlink_to("nowhere")
    code, out, err = terminal.run("asset", "put", project, folder)
    assert (code, "away.js" in out, "same.js" in out, "page.css" in out) == (1, False, True, True)
    assert err.count("\n") == 1
    assert "away.js: it is a link that leads out of its folder" in err
    # The folder itself may be one.
    (tmp_path / "current").symlink_to(folder)
    (folder / "away.js").unlink()
    assert "app.js" in terminal.told("asset", "put", project, tmp_path / "current")
    (folder / "away.js").symlink_to(tmp_path / "credentials")
    assert "away.js" in terminal.told("asset", "put", project, folder / "away.js")


def test_a_folder_that_cannot_be_read_says_so(
    terminal: Terminal, project: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(_: Path) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", closed)
    assert "cannot be read: Permission denied" in terminal.refused("asset", "put", project, folder)


def test_a_store_that_is_down_is_asked_once(terminal: Terminal, project: str, folder: Path) -> None:
    with away(terminal):
        code, out, err = terminal.run("asset", "put", project, folder / "app.js", folder / "page.css")
    assert (code, out) == (1, "")
    assert err.count("not put: a store or the key service does not answer") == 2


def test_a_version_is_taken_back_and_an_asset_removed(terminal: Terminal, project: str, folder: Path) -> None:
    for number in range(3):
        (folder / "app.js").write_text(f"const app = {number}\n")
        terminal.told("asset", "put", project, folder / "app.js")
    assert terminal.told("asset", "rollback", project, "app.js") == "asset app.js is version 2 again\n"
    assert terminal.read("asset", "rollback", project, "app.js", "--to", "3")["version"] == 3
    assert "no version 9 is kept" in terminal.refused("asset", "rollback", project, "app.js", "--to", "9")
    assert terminal.told("asset", "remove", project, "app.js") == "asset app.js is removed\n"
    assert terminal.read("asset", "list", project) == []
    assert terminal.kinds()[-4:] == ["asset.put", "asset.reverted", "asset.reverted", "asset.removed"]


def test_addresses_and_tags_are_shown_in_one_line(terminal: Terminal, project: str, folder: Path) -> None:
    terminal.told("asset", "put", project, folder / "app.js")
    bare = f"/api/apikeychain/{project}/js/app.js"
    assert terminal.told("asset", "url", project, "app.js") == f"{bare}\n"
    assert terminal.read("asset", "url", project, "app.js", "--immutable")["url"].startswith(f"{bare}?sha256=")
    assert "token=v1." in terminal.told("asset", "url", project, "assets.json", "--for", "30m")
    tag = terminal.told("asset", "tag", project, "app.js", "--base", "https://assets.example.com", "--for", "1h")
    assert tag.startswith(f'<script src="https://assets.example.com{bare}?sha256=')
    assert tag.endswith('crossorigin="anonymous"></script>\n')
    assert terminal.read("asset", "tag", project, "app.js")["tag"].startswith("<script src=")


def test_no_address_is_shown_that_leads_nowhere(terminal: Terminal, project: str, folder: Path) -> None:
    terminal.told("asset", "put", project, folder / "app.js")
    assert "there is no asset js/none.js" in terminal.refused("asset", "url", project, "none.js")
    terminal.told("asset", "enable", project, "--tokens")
    for verb in ("url", "tag"):
        assert "needs a token: say for how long" in terminal.refused("asset", verb, project, "app.js")
        assert "token=v1." in terminal.told("asset", verb, project, "app.js", "--for", "1h")


def test_the_switches_are_told_and_shown(terminal: Terminal, project: str, folder: Path) -> None:
    told = terminal.told("asset", "enable", project, "--tokens")
    assert told == "project shop serves its assets to whoever has a token\n"
    assert terminal.read("asset", "enable", project)["asset_tokens"] is True
    assert terminal.told("asset", "enable", project, "--no-tokens") == "project shop serves its assets\n"
    shown = terminal.read("project", "show", project)
    assert (shown["assets"], shown["asset_tokens"]) == (True, False)
    assert terminal.told("asset", "disable", project) == "project shop serves no assets\n"
    told = terminal.run("asset", "put", project, folder / "app.js")[2]
    assert f"publishes no assets: switch that on, assets=True or apikeychain asset enable {project}" in told


def test_a_file_declares_the_switches(terminal: Terminal, project: str, tmp_path: Path) -> None:
    file = tmp_path / "declared.toml"
    file.write_text('[[tenant]]\nid = "acme"\n[[tenant.project]]\nname = "shop"\nassets = false\nasset_tokens = true\n')
    (change,) = terminal.read("apply", file)["changes"]
    assert (change["kind"], change["data"]) == ("project.changed", {"assets": False, "asset_tokens": True})


async def leave(terminal: Terminal, project: str, minutes: int) -> None:
    """What an upload leaves that broke off so long ago."""
    since, name = datetime.now(UTC) - timedelta(minutes=minutes), f"{minutes:032x}"
    await FileAssets(terminal.data / ASSETS).put(AssetPrefix(TenantId("acme"), ProjectId(project)), name, b"sealed")
    async with SQLStore.sqlite(terminal.data / DATABASE) as sql, sql.tenant(TenantId("acme")) as rows:
        await rows.insert(LooseObject(project=ProjectId(project), object=name, path="js/app.js", since=since))


def findings(terminal: Terminal) -> list[tuple[str, str, str]]:
    told = json.loads(terminal.run("doctor", "--json")[1])["findings"]
    return [(one["state"], one["told"], one["advice"]) for one in told if one["check"] == "uploads"]


def test_what_uploads_left_behind_is_told_by_the_doctor_and_swept(terminal: Terminal, project: str) -> None:
    assert findings(terminal) == [("ok", "no upload left anything behind", "")]
    for minutes in (1, 16, 17):
        asyncio.run(leave(terminal, project, minutes))
    told = "2 objects of acme were left behind by uploads that broke off"
    assert findings(terminal) == [("warning", told, "run apikeychain asset sweep")]
    assert terminal.told("asset", "sweep") == "2 objects swept\n"
    assert terminal.read("asset", "sweep", project) == {"swept": 0}
    assert findings(terminal) == [("ok", "no upload left anything behind", "")]


def test_what_is_left_of_an_erased_tenant_is_told_and_swept(
    terminal: Terminal, project: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal.told("asset", "put", project, folder / "app.js")
    with away(terminal):
        told = terminal.told("tenant", "erase", "acme", "--yes")
    assert f"objects of its assets may be left under acme/{project}/: they open for nobody any more" in told
    assert findings(terminal) == [("ok", "no upload left anything behind", "")]
    monkeypatch.setattr("apikeychain.doctor.stored.PUTTING", timedelta(0))
    told = "objects of 1 project that are gone may be left"
    assert findings(terminal) == [("warning", told, "run apikeychain asset sweep")]
    assert terminal.told("asset", "sweep") == "1 object swept\n"
