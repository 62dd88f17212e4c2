"""Rules that a tenant writes: what is too much of its own traffic, in numbers of its own.

::

    rule     := number-rule | country-rule
    number   := feature comparison number "/" [number] unit        failures >= 20 / minute
    country  := "country" ["not"] "in" "[" code {"," code} "]"     country not in [DE, FR]
    feature  := rate | callers | heaviest | bytes_out | failures | provider-401 | ... | refused_origins | ...
    comparison := ">" | ">="          unit := minute[s] | hour[s] | day

A rule of numbers fires where what came within the time is over the bound, in a window in which some of it came. It
counts the windows that begin in the time, so that one of less than a window is one window. What is a number of
different callers is the most of a window, since callers of two windows may be the same. A rule about countries fires
where a call came from one that the rule does not want; a call whose country is not known fires none.

Source: contracts 7; ISO 3166-1 (codes of two letters).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn, final

from apikeychain.errors import InvalidValueError
from apikeychain.model.tally import Tally
from apikeychain.rules.features import counts_of

MOST_RULES: Final = 32
LONGEST_RULE: Final = 200
_UNITS: Final = {"minute": 60, "minutes": 60, "hour": 3600, "hours": 3600, "day": 86_400}
_LONGEST_SECONDS = 86_400
_TOKEN = re.compile(r"\s*(>=|>|/|\[|\]|,|[A-Za-z0-9_.-]+|\S)")
_NUMBER = re.compile(r"[0-9]{1,15}")
_COUNTRY = re.compile(r"[A-Z]{2}")
_COUNTED: Final = (*counts_of(Tally()), "failures")


@dataclass(frozen=True, slots=True)
class NumberRule:
    """Too much of something within a time.

    Attributes:
        bound: that may be reached; what is over it is too much.
        seconds: within which it is counted.
    """

    text: str
    feature: str
    bound: int
    seconds: int


@dataclass(frozen=True, slots=True)
class CountryRule:
    """Calls from countries that are not wanted: from any of these, or from any but these."""

    text: str
    countries: frozenset[str]
    wanted: bool

    def refuses(self, country: str) -> bool:
        """Whether it does not want a call from there."""
        return bool(country) and (country in self.countries) != self.wanted


Rule = NumberRule | CountryRule


@final
class _Reader:
    """Reads one rule, word by word, and says where it did not understand."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.words = [(match[1], match.start(1)) for match in _TOKEN.finditer(text)]

    def word(self, expected: str, accepts: Callable[[str], object]) -> str:
        """The next word."""
        found, place = self.words[self.at] if self.at < len(self.words) else ("", len(self.text))
        if not found or not accepts(found):
            self.refuse(expected, found, place)
        self.at += 1
        return found

    def follows(self, word: str) -> bool:
        """Whether that is the next word; then it is read."""
        is_next = self.at < len(self.words) and self.words[self.at][0] == word
        self.at += is_next
        return is_next

    def end(self) -> None:
        """Nothing may follow."""
        if self.at < len(self.words):
            self.refuse("the end of the rule", *self.words[self.at])

    def refuse(self, expected: str, found: str, place: int) -> NoReturn:
        """Say what was expected where."""
        got = repr(found) if found else "the end"
        msg = f"not a rule: {self.text!r}: at character {place + 1} {expected} was expected, not {got}"
        raise InvalidValueError(msg)


def parse_rule(text: str) -> Rule:
    """One rule.

    Raises:
        InvalidValueError: it is none; the text says at which character, and what was expected.
    """
    if len(text) > LONGEST_RULE:
        msg = f"a rule has at most {LONGEST_RULE} characters, this one has {len(text)}"
        raise InvalidValueError(msg)
    reader = _Reader(text)
    # It is told in alerts, in a line.
    strange = next((place for place, one in enumerate(text) if not " " <= one <= "~"), None)
    if strange is not None:
        reader.refuse("a character of a line of ASCII", text[strange], strange)
    features = ", ".join(_COUNTED)
    feature = reader.word(f"country, or one of {features}", {"country", *_COUNTED}.__contains__)
    rule = _country_rule(reader) if feature == "country" else _number_rule(reader, feature)
    reader.end()
    return rule


def parse_rules(texts: Sequence[str]) -> tuple[Rule, ...]:
    """All rules of a project.

    Raises:
        InvalidValueError: one of them is none, or there are more than 32.
    """
    if len(texts) > MOST_RULES:
        msg = f"a project has at most {MOST_RULES} rules, not {len(texts)}"
        raise InvalidValueError(msg)
    return tuple([parse_rule(text) for text in dict.fromkeys(texts)])


def named_feature(text: str) -> str:
    """What a rule is about, the first word of its text: a feature, `failures` or `country`; "" where there is none."""
    word = _TOKEN.match(text)
    return word[1] if word else ""


def _number_rule(reader: _Reader, feature: str) -> NumberRule:
    least = reader.word("> or >=", {">", ">="}.__contains__) == ">="
    bound = int(reader.word("a whole number", _NUMBER.fullmatch))
    if least and not bound:
        reader.refuse("a number that is not always reached", "0", reader.words[reader.at - 1][1])
    reader.word("/", {"/"}.__contains__)
    seconds = _seconds(reader)
    return NumberRule(reader.text, feature, bound - least, seconds)


def _seconds(reader: _Reader) -> int:
    times, place = 1, reader.words[reader.at][1] if reader.at < len(reader.words) else len(reader.text)
    if reader.at < len(reader.words) and _NUMBER.fullmatch(reader.words[reader.at][0]):
        times = int(reader.word("a number", _NUMBER.fullmatch))
    seconds = times * _UNITS[reader.word(f"one of {', '.join(_UNITS)}", _UNITS.__contains__)]
    if not 0 < seconds <= _LONGEST_SECONDS:
        reader.refuse("a time of a minute to a day", f"{seconds} seconds", place)
    return seconds


def _country_rule(reader: _Reader) -> CountryRule:
    is_not = reader.follows("not")
    reader.word("in", {"in"}.__contains__)
    reader.word("[", {"["}.__contains__)
    countries = [reader.word("a country, as DE", _COUNTRY.fullmatch)]
    while reader.follows(","):
        countries.append(reader.word("a country, as DE", _COUNTRY.fullmatch))
    reader.word("]", {"]"}.__contains__)
    return CountryRule(reader.text, frozenset(countries), wanted=is_not)
