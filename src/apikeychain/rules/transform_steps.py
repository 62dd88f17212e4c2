"""The request transforms of one place of a route: what they do to its names, once each of them can be.

What would always be refused when it is judged again is told when the route is added.

Source: contracts 4; amendment 9.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from apikeychain.errors import InvalidValueError
from apikeychain.model.request_transforms import (
    DefaultParameter,
    DropParameter,
    RenameParameter,
    RequestTransform,
    SetParameter,
    TransformPlace,
)
from apikeychain.model.route import Parameter, ProxyRoute
from apikeychain.rules.parameters import Declarations, folded, require_sent


@dataclass(frozen=True, slots=True)
class Steps:
    """The transforms of one place, by name.

    Attributes:
        renamed: the provider's name of each.
        filled: the values that are set; `defaults` likewise.
    """

    dropped: frozenset[str]
    renamed: Mapping[str, str]
    filled: Mapping[str, str]
    defaults: Mapping[str, str]

    @property
    def sources(self) -> frozenset[str]:
        """The names that a caller may send because of them."""
        return self.dropped | self.renamed.keys()

    def shape(
        self,
        items: Iterable[tuple[str, bytes]],
        write: Callable[[str, str], bytes],
        relabel: Callable[[str, bytes], bytes],
    ) -> list[tuple[str, bytes]]:
        """What is left of the items, renamed, then what is set, then what is added.

        Args:
            items: names with whatever stands for them.
            write: makes that out of a name and a value.
            relabel: makes it out of a new name and what stood for the old one.
        """
        gone = self.dropped | self.filled.keys()
        kept = [
            (self.renamed[name], relabel(self.renamed[name], piece)) if name in self.renamed else (name, piece)
            for name, piece in items
            if name not in gone
        ]
        names = {name for name, _ in kept}
        missing = {name: text for name, text in self.defaults.items() if name not in names}
        return [*kept, *((name, write(name, text)) for name, text in {**self.filled, **missing}.items())]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One place of a route, as transforms meet it.

    Attributes:
        parameters: what is declared there.
        takes: whether a name goes up that is not declared.
        injected: the names that hold the credential here.
    """

    route: ProxyRoute
    place: TransformPlace
    parameters: Sequence[Parameter]
    takes: Callable[[str], bool]
    injected: frozenset[str]

    def steps(self) -> Steps | None:
        """The transforms of this place, or None where there are none.

        Raises:
            InvalidValueError: one that cannot be, or whose result would always be refused.
        """
        given = [t for t in self.route.request_transforms if t.place == self.place]
        if not given:
            return None
        for transform in given:
            self._require_possible(transform, given)
        return Steps(
            dropped=frozenset(self._spell(t.name) for t in given if isinstance(t, DropParameter)),
            renamed={self._spell(t.name): self._spell(t.to) for t in given if isinstance(t, RenameParameter)},
            filled={self._spell(t.name): t.value for t in given if isinstance(t, SetParameter)},
            defaults={self._spell(t.name): t.value for t in given if isinstance(t, DefaultParameter)},
        )

    def _spell(self, name: str) -> str:
        return name.lower() if self.place == "header" else name

    def _require_possible(self, transform: RequestTransform, given: Sequence[RequestTransform]) -> None:
        name = self._spell(transform.name)
        if sum(self._spell(other.name) == name for other in given) > 1:
            self._refuse(transform.name, "is transformed twice")
        if isinstance(transform, (DropParameter, RenameParameter)):
            if name in self._declared:
                self._refuse(transform.name, "is declared, so it cannot be dropped or renamed")
            if folded(name) in self._injected:
                self._refuse(transform.name, "holds the credential")
        if isinstance(transform, RenameParameter):
            if any(self._spell(t.name) == self._spell(transform.to) for t in given if not _adds(t)):
                self._refuse(transform.to, "is what another is renamed to, so nothing else may happen to it")
            self._require_goes_up(transform.to)
        if isinstance(transform, (SetParameter, DefaultParameter)):
            self._require_goes_up(transform.name)
            self._require_value(transform)

    def _require_goes_up(self, name: str) -> None:
        """Raise InvalidValueError where the rules would refuse whatever is sent under this name."""
        declared = self._declared.get(self._spell(name))
        if folded(name) in self._injected:
            self._refuse(name, "holds the credential")
        if declared is None and not (self.takes(self._spell(name)) and folded(name) not in self._folded):
            self._refuse(name, "never goes up: declare it")
        if declared is not None and declared.fixed is not None:
            self._refuse(name, "is fixed, so no transform can give it a value")

    def _require_value(self, transform: SetParameter | DefaultParameter) -> None:
        declared = self._declared.get(self._spell(transform.name))
        if declared is None:
            return
        if isinstance(transform, DefaultParameter) and declared.default is not None:
            self._refuse(transform.name, "has a default already")
        owner = f"the route {self.route.name!r}"
        (ready,) = Declarations([declared], owner).declared
        require_sent(ready, transform.value, owner)

    @property
    def _declared(self) -> Mapping[str, Parameter]:
        return {self._spell(parameter.name): parameter for parameter in self.parameters}

    @property
    def _folded(self) -> frozenset[str]:
        return frozenset(map(folded, self._declared))

    @property
    def _injected(self) -> frozenset[str]:
        return frozenset(map(folded, self.injected))

    def _refuse(self, name: str, reason: str) -> NoReturn:
        msg = f"the route {self.route.name!r} cannot be transformed so: its {self.place} parameter {name!r} {reason}"
        raise InvalidValueError(msg)


def _adds(transform: RequestTransform) -> bool:
    """Whether it leaves alone what is there."""
    return isinstance(transform, DefaultParameter)
