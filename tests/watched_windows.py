"""Windows of a project that is as it always is, but for what a test changes, and what a detector says of them."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache

from apikeychain.model.finding import Finding, Window
from apikeychain.model.tally import Tally, ValueTally
from apikeychain.rules.ewma import look
from apikeychain.rules.learned import Learned, parse, text_of
from apikeychain.testing.detector import BEGIN, PROJECT

Change = Callable[[dict[str, Tally]], None]


def caller(number: int) -> str:
    """A pseudonym."""
    return f"{(number + 1) * 2**34:012x}{number:020x}"


def values(number: int, first: int = 0, *, length: int = 8, letters: float = 0.8, millibits: int = 2500) -> ValueTally:
    """So many values of a parameter, all different."""
    return ValueTally(
        values=number,
        characters=length * number,
        letters=int(length * number * letters),
        digits=int(length * number * (1 - letters)),
        longest=2 * length,
        millibits=millibits * number,
        hashes={(first + one) * 7_919 for one in range(min(number, 64))},
    )


def calls(number: int, callers: int = 10, first: int = 0) -> Tally:
    """So many calls, of so many callers, all alike."""
    shares = {caller(first + one): number // callers for one in range(callers)}
    return Tally(
        calls=number,
        bytes_out=900 * number,
        callers=dict(list(shares.items())[:16]),
        sketch={int(name[:12], 16) for name in list(shares)[:256]},
        countries={"DE": number},
        origins={"https://a.example": number - number // 3, "https://b.example": number // 3},
        parameters={"q": values(min(number, 20))},
    )


@dataclass
class Life:
    """A project, window by window."""

    learned: Learned = field(default_factory=Learned)
    minute: int = 0

    def goes_on(
        self, windows: int = 1, change: Change | None = None, *, of: Sequence[str] = ("search",)
    ) -> list[Finding]:
        """So many windows, each changed; what was found in the last."""
        found: list[Finding] = []
        for _ in range(windows):
            routes = {name: calls(40 + self.minute * 7 % 13) for name in of}
            if change is not None:
                change(routes)
            found = list(look(self.window(routes), self.learned))
            self.minute += 1
        return found

    def window(self, routes: dict[str, Tally]) -> Window:
        """Of now."""
        return Window(project=PROJECT, begin=BEGIN + timedelta(minutes=self.minute), routes=routes)

    def written(self) -> "Life":
        """As it is after its state was written and read."""
        return Life(parse(text_of(self.learned)), self.minute)


def settled(*routes: str) -> Life:
    """After days in which nothing happened."""
    return copy.deepcopy(_settled(routes or ("search",)))


@cache
def _settled(routes: tuple[str, ...]) -> Life:
    life = Life()
    life.goes_on(400, of=routes)
    return life


def features(found: Sequence[Finding]) -> set[str]:
    """Which."""
    return {one.feature for one in found}


def of(found: Sequence[Finding], feature: str) -> Finding:
    """The one about a feature."""
    return next(one for one in found if one.feature == feature)
