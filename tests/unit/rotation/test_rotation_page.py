"""The explanation of rotation shows the table that the engine runs on."""

from apikeychain.rules.key_states import TRANSITIONS, Transition
from command import ROOT

_PAGE = ROOT / "docs" / "explanation" / "rotation.md"


def _row(line: Transition) -> str:
    states = [state if state == "removed" else f"`{state}`" for state in (line.done, line.refused, line.unknown)]
    return f"| `{line.state}` | {line.deed or 'nothing'} | {' | '.join(states)} |"


def test_the_page_shows_every_transition() -> None:
    head = ["| state | what is done | done | refused | not known |", "| --- | --- | --- | --- | --- |"]
    table = "\n".join([*head, *map(_row, TRANSITIONS.values())])
    assert f"\n\n{table}\n\n" in _PAGE.read_text(), table
