"""Sanitizers: rules of a provider about a parameter, on each of its routes; and what the host's own code may look at.

Source: contracts 4 ("Providers add sanitizers as declarations"); spec 6.2.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from apikeychain.errors import InvalidValueError
from apikeychain.model.ids import parse_parameter_name

Place = Literal["path", "tail", "query", "header", "form", "json"]


@dataclass(frozen=True, slots=True)
class Sanitizer:
    """A rule about every parameter of one name, on every route of the provider, wherever it stands.

    It holds beside the route's own declaration, also for what is forwarded undeclared. The name is compared without
    regard to case. A top-level member of a JSON object is a parameter too.

    Attributes:
        pattern: a regular expression that the whole value matches (Rust syntax, linear time).
        minimum: the value is a number, at least this; `maximum` likewise.
        denied: texts that the value nowhere holds, in any case or width.

    Raises:
        InvalidValueError: one of them cannot be, or there is no rule in it.
    """

    name: str
    pattern: str | None = field(default=None, kw_only=True)
    minimum: float | None = field(default=None, kw_only=True)
    maximum: float | None = field(default=None, kw_only=True)
    denied: Sequence[str] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "denied", (self.denied,) if isinstance(self.denied, str) else tuple(self.denied))
        bounds = [bound for bound in (self.minimum, self.maximum) if bound is not None]
        parse_parameter_name(self.name)
        if self.pattern is None and not bounds and not self.denied:
            msg = f"the sanitizer of {self.name!r} needs a pattern, a minimum, a maximum or a list of denied texts"
        elif "" in self.denied:
            msg = f"the sanitizer of {self.name!r} denies the empty text, which every value holds"
        elif not all(map(math.isfinite, bounds)) or bounds != sorted(bounds):
            msg = f"the sanitizer of {self.name!r} has bounds between which there is no number"
        else:
            return
        raise InvalidValueError(msg)


class AcceptedValue(NamedTuple):
    """One value that would go up.

    Attributes:
        name: as it goes up; "" for a segment of the tail.
        value: decoded once; of a JSON member whatever JSON can be.
    """

    place: Place
    name: str
    value: object


@dataclass(frozen=True, slots=True)
class AcceptedCall:
    """A call that fits its route, without the credential: what the host's own sanitizer of a provider looks at.

    Attributes:
        route: its name.
        values: in the order path, tail, query, header, body. A raw body is opaque.
    """

    route: str
    method: str
    values: tuple[AcceptedValue, ...] = field(repr=False)


SanitizerFunction = Callable[[AcceptedCall], None]
"""Returns None, or raises ParameterRefusedError. It runs between two awaits of the gate, so it must not wait."""
