"""The description of a provider's key API in a file, in the words of the model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from apikeychain.cli.fields import BROKEN, Place, Table, as_table, read_toml
from apikeychain.errors import InvalidValueError
from apikeychain.model.key_steps import Search, Step
from apikeychain.model.rotators import AWSIAMRotation, HowToRotate, HTTPRotation, OAuth2Rotation

ROTATIONS: Mapping[str, type[Any]] = {"http": HTTPRotation, "aws-iam": AWSIAMRotation, "oauth2": OAuth2Rotation}
_STEPS = ("create", "verify", "revoke")


def read_rotation(path: Path) -> HowToRotate:
    """What the file describes.

    Raises:
        InvalidValueError: it cannot be read, or something in it is wrong; the text tells all of it.
    """
    problems: list[str] = []
    found = declared_rotation(Place(problems), read_toml(path))
    if found is None:
        msg = f"{path}: {'; '.join(problems)}"
        raise InvalidValueError(msg)
    return found


def declared_rotation(place: Place, table: Table) -> HowToRotate | None:
    """The rotation that a table declares, or None after its problems were noted."""
    given = dict(table)
    cls = ROTATIONS.get(str(given.pop("kind", None)))
    if cls is None:
        place.note(f"write kind = one of {', '.join(map(repr, ROTATIONS))}")
        return None
    for name in _STEPS:
        if name in given:
            given[name] = _step(place.inside(name), given[name])
    if "search" in given:
        given["search"] = _search(place.inside("search"), given["search"])
    built: HowToRotate | None = place.build(cls, given)
    return built


def _step(place: Place, given: object) -> object:
    table = dict(as_table(given) or {})
    for name in ("query", "headers", "form"):
        if pairs := as_table(table.get(name)):
            table[name] = [list(pair) for pair in pairs.items()]
    return place.build(Step, table) or BROKEN


def _search(place: Place, given: object) -> object:
    table = dict(as_table(given) or {})
    table["step"] = _step(place.inside("step"), table.get("step"))
    return place.build(Search, table) or BROKEN
