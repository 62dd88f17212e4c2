"""The reference of the commands says what the command says: its tables are computed here and must stand on the page."""

from dataclasses import is_dataclass
from typing import get_type_hints

from cyclopts import App
from cyclopts.argument import Argument

from apikeychain.cli.app import app
from command import ROOT

_PAGE = ROOT / "docs" / "reference" / "commands.md"


def _commands(node: App) -> list[App]:
    return [node[name] for name in node if not name.startswith("-")]


def _argument(argument: Argument) -> str:
    name = argument.name if argument.hint is bool or argument.name[0] != "-" else f"{argument.name} ..."
    return name if argument.required else f"[{name}]"


def _row(*names: str, command: App) -> str:
    arguments = [_argument(argument) for argument in command.assemble_argument_collection() if argument.show]
    return f"| `{' '.join((*names, *arguments))}` | {command.help.splitlines()[0]} |"


def _table() -> str:
    rows = ["| command | what it does |", "| --- | --- |"]
    for noun in sorted(_commands(app), key=lambda noun: noun.name):
        rows += [_row(*noun.name, *verb.name, command=verb) for verb in _commands(noun)] or [
            _row(*noun.name, command=noun)
        ]
    return "\n".join(rows)


def test_the_page_of_the_reference_lists_every_command_with_its_options() -> None:
    assert _table() in _PAGE.read_text(), f"docs/reference/commands.md must hold:\n\n{_table()}\n"


def test_every_argument_is_explained() -> None:
    commands = [verb for noun in _commands(app) for verb in _commands(noun) or [noun]]
    assert len(commands) > 30
    for command in commands:
        assert command.help.endswith(".") or "\n" in command.help
        given = get_type_hints(command.default_command).values() if command.default_command else ()
        told = "\n".join(str(one.__doc__) for one in (command.default_command, *filter(is_dataclass, given)))
        for argument in command.assemble_argument_collection():
            if argument.show:
                assert f"    {argument.field_info.name}: " in told, (command.name, argument.name)
