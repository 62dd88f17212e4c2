"""What a provider's sanitizers say to the values that would go up: nothing, or a refusal.

Source: contracts 4 ("Providers add sanitizers as declarations"); RFC 8259, section 6 (numbers).
"""

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

from pydantic import TypeAdapter, ValidationError

from apikeychain.errors import AnswerError, InvalidValueError, ParameterRefusedError
from apikeychain.model.ids import parse_name
from apikeychain.model.provider import Provider
from apikeychain.model.sanitizers import AcceptedCall, AcceptedValue, Sanitizer, SanitizerFunction
from apikeychain.rules.parameters import folded, read_number
from apikeychain.rules.paths import compile_pattern


@dataclass(frozen=True, slots=True)
class _Rule:
    """One sanitizer, compiled.

    Attributes:
        denied: folded.
    """

    sanitizer: Sanitizer
    pattern: TypeAdapter[str] | None
    denied: tuple[str, ...]

    def judge(self, value: AcceptedValue) -> None:
        """Raise ParameterRefusedError unless the value fits."""
        if not self._fits(value.value) or self._is_denied(value):
            raise ParameterRefusedError(self.sanitizer.name)

    def _fits(self, value: object) -> bool:
        if isinstance(value, list):
            return all(self._fits(one) for one in cast("list[object]", value))
        return self._matches(value) and self._is_within(value)

    def _matches(self, value: object) -> bool:
        if self.pattern is None:
            return True
        try:
            self.pattern.validate_python(value)
        except ValidationError:
            return False
        return True

    def _is_within(self, value: object) -> bool:
        minimum, maximum = self.sanitizer.minimum, self.sanitizer.maximum
        if minimum is None and maximum is None:
            return True
        number = read_number(value) if isinstance(value, str) else value
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not math.isfinite(number):
            return False
        return (minimum is None or number >= minimum) and (maximum is None or number <= maximum)

    def _is_denied(self, value: AcceptedValue) -> bool:
        readings = map(folded, _readings(value.place, _texts(value.value)) if self.denied else ())
        return any(denied in text for text in readings for denied in self.denied)


@dataclass(frozen=True, slots=True)
class Sanitizing:
    """All that a provider's sanitizers say.

    Attributes:
        rules: by the folded name of the parameter.
        function: of the host's own code.
    """

    rules: Mapping[str, tuple[_Rule, ...]]
    function: Callable[[AcceptedCall], object] | None = None

    def judge(self, call: AcceptedCall) -> None:
        """Raise ParameterRefusedError unless every value fits; what else the host's function raises is a bug of it.

        Raises:
            TypeError: the function returned something, or raised what it may not.
        """
        for value in call.values:
            self.judge_value(value)
        if self.function is not None:
            _ask(self.function, call)

    def judge_value(self, value: AcceptedValue) -> None:
        """Raise ParameterRefusedError unless one value fits its declared rules."""
        for rule in self.rules.get(folded(value.name), ()):
            rule.judge(value)


def compile_sanitizers(provider: Provider, function: SanitizerFunction | None = None) -> Sanitizing | None:
    """The sanitizers of a provider, or None where it has none.

    Raises:
        InvalidValueError: a pattern does not compile.
    """
    rules: dict[str, tuple[_Rule, ...]] = {}
    for sanitizer in provider.sanitizers:
        key = folded(sanitizer.name)
        rules[key] = (*rules.get(key, ()), _compile(sanitizer, provider.name))
    return Sanitizing(MappingProxyType(rules), function) if rules or function is not None else None


def parse_sanitizers(given: Mapping[str, SanitizerFunction] | None) -> Mapping[str, SanitizerFunction]:
    """The host's functions by the names of their providers.

    Raises:
        InvalidValueError: a key is no name, or a value is no plain function.
    """
    functions = dict(given or {})
    for name, function in functions.items():
        parse_name(name, "provider")
        if not _is_plain(function):
            msg = f"the sanitizer of the provider {name!r} is not a plain function: it is called, and never awaited"
            raise InvalidValueError(msg)
    return MappingProxyType(functions)


def _is_plain(function: object) -> bool:
    return callable(function) and not inspect.iscoroutinefunction(function)


def _compile(sanitizer: Sanitizer, provider: str) -> _Rule:
    noun = f"the sanitizer of {sanitizer.name!r} of the provider {provider!r}"
    pattern = None if sanitizer.pattern is None else compile_pattern(sanitizer.pattern, noun)
    return _Rule(sanitizer, pattern, tuple(map(folded, sanitizer.denied)))


def _ask(function: Callable[[AcceptedCall], object], call: AcceptedCall) -> None:
    try:
        answer = function(call)
    except ParameterRefusedError:
        raise
    except AnswerError as error:
        msg = "a sanitizer raised an answer other than ParameterRefusedError"
        raise TypeError(msg) from error
    if answer is not None:
        msg = "a sanitizer returned something: it returns None, or raises ParameterRefusedError"
        raise TypeError(msg)


def _texts(value: object) -> Iterator[str]:
    """Every text in a value, the names and numbers in a JSON one too."""
    if isinstance(value, dict):
        for name, inner in cast("dict[str, object]", value).items():
            yield name
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in cast("list[object]", value):
            yield from _texts(inner)
    else:
        yield str(value)


def _readings(place: str, texts: Iterable[str]) -> Iterator[str]:
    """The texts as a provider may read them: many read the plus of a query as a space."""
    for text in texts:
        yield text
        if place == "query":
            yield text.replace("+", " ")
