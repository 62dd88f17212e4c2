"""What came of the trials, as tables."""

from collections.abc import Mapping
from math import ceil

from .events import SLOW
from .trials import Attacked, Calm

DAYS_A_WEEK = 7


def median_of(delays: list[int]) -> str:
    """The middle one, or nothing."""
    return str(sorted(delays)[len(delays) // 2]) if delays else ""


def late_of(delays: list[int]) -> str:
    """The one that nine of ten do not exceed, or nothing."""
    return str(sorted(delays)[ceil(0.9 * len(delays)) - 1]) if delays else ""


def table_of_attacks(found: Mapping[str, Attacked]) -> str:
    """One line for each kind; a kind that is not blatant has no bar."""
    lines = [
        "| kind | tried | found | in two windows | delay, median and 90 % | blatant | suspended, rotated | told by |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for kind, one in found.items():
        told = ", ".join(name for name, _ in one.features.most_common(2))
        within = "no bar" if kind in SLOW else f"{one.within(2)}"
        lines.append(
            f"| {kind} | {one.tried} | {len(one.delays)} | {within} | {median_of(one.delays)}, {late_of(one.delays)} "
            f"| {one.blatant} | {one.suspended} | {told} |"
        )
    return "\n".join(lines)


def table_of_calm(calm: Calm) -> str:
    """What was told and done while nobody attacked."""
    lines = ["| what happened then | told by | episodes | a week of a project |", "| --- | --- | --- | --- |"]
    weeks = max(calm.days / DAYS_A_WEEK, 1e-9)
    for (feature, during), number in sorted(calm.alarms.items(), key=lambda item: (item[0][1], -item[1])):
        lines.append(f"| {during} | {feature} | {number} | {number / weeks:.3f} |")
    deeds = ", ".join(f"{answer} of a {scope}: {number}" for (answer, scope), number in calm.deeds.items()) or "none"
    quiet = sum(number for (_, during), number in calm.alarms.items() if during == "nothing")
    told = (
        f"{calm.days:g} days of projects. Alarms while nothing happened: {quiet / weeks:.3f} a week of a project. "
        f"Done beyond alerts: {deeds}. False suspensions: {calm.suspensions}."
    )
    return "\n".join([*lines, "", told, *calm.told])
