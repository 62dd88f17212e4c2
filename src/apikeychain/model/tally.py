"""What happened in a window of time, counted: bounded whatever callers send, and the same whoever adds it up.

No address, user or value is kept: callers by their pseudonym in the tenant's ledger, values by a keyed hash.

Source: contracts 7; spec 8.2.
"""

from dataclasses import dataclass, field

MOST_PARAMETERS, MOST_COUNTRIES, MOST_ORIGINS = 32, 64, 16
# Of how many callers it is told how often each called, and how many hashes tell about how many there were.
MOST_CALLERS, SKETCH = 16, 256
# Of how many different values of one parameter in one window it is remembered that they came.
MOST_VALUES = 64
# Beyond as many characters a value is judged by its beginning.
LONGEST_VALUE = 256

# What came of calls that were admitted, where it was no success.
FAILURES = (
    "provider-401",
    "provider-403",
    "provider-429",
    "provider-5xx",
    "provider-other",
    "refused",
    "rate-limited",
    "failed",
)
# What anybody can cause, also without an allowed origin and without a key.
UNADMITTED = ("origin-refused", "signature-refused", "replayed", "other")


@dataclass(slots=True, kw_only=True)
class ValueTally:
    """The values of one parameter of a route.

    Attributes:
        values: how many.
        characters: of all of them, each as far as it is judged; `letters` and `digits` of these; `longest` of one.
        millibits: the Shannon entropy of each value, in thousandths of a bit for a character, added up.
        hashes: 48 bits each of values that differ, the smallest where there are more.
    """

    values: int = 0
    characters: int = 0
    letters: int = 0
    digits: int = 0
    longest: int = 0
    millibits: int = 0
    hashes: set[int] = field(default_factory=set[int])


@dataclass(slots=True, kw_only=True)
class Tally:
    """The calls of one route of a project in one window; with no route, those that were refused before they had one.

    Attributes:
        calls: that were admitted.
        failures: of those, by the names in FAILURES: answers of the provider, refusals of ours (a parameter; apart
            from these a quota), and calls of which nothing came (no answer, one that was not passed on).
        bytes_out: of the answers.
        callers: how often callers called, by pseudonym: those who called most.
        sketch: 48 bits each of the pseudonyms of all of them, the smallest where there are more: about how many.
        countries: how often calls came from each; "" where it is not known.
        origins: how often pages of each called; "" for calls of no page.
        parameters: by name.
        unadmitted: how many calls were not admitted, by the names in UNADMITTED.
    """

    calls: int = 0
    failures: dict[str, int] = field(default_factory=dict[str, int])
    bytes_out: int = 0
    callers: dict[str, int] = field(default_factory=dict[str, int])
    sketch: set[int] = field(default_factory=set[int])
    countries: dict[str, int] = field(default_factory=dict[str, int])
    origins: dict[str, int] = field(default_factory=dict[str, int])
    parameters: dict[str, ValueTally] = field(default_factory=dict[str, ValueTally])
    unadmitted: dict[str, int] = field(default_factory=dict[str, int])
