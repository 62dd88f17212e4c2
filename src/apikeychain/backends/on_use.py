"""Names of a package that are loaded on first use, so that who wants none of them needs none of what they need."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec

from apikeychain.errors import MissingExtraError


def on_use(
    package: str, homes: Mapping[str, str], needs: Callable[[str], tuple[Sequence[str], str, str]]
) -> Callable[[str], object]:
    """What a package calls ``__getattr__`` (PEP 562).

    Args:
        package: its name.
        homes: the module of each name.
        needs: told a module, what it needs: packages, what was asked for in words, and the extra that has them.

    Returns:
        A function that gives the name, or raises MissingExtraError where a package is not installed. They are looked
        for and not imported: what is needed only by a part of a module would cost every use of it its time.
    """

    def loaded(name: str) -> object:
        if name not in homes:
            msg = f"module {package!r} has no attribute {name!r}"
            raise AttributeError(msg)
        packages, asked, extra = needs(homes[name])
        if not all(find_spec(each) for each in packages):
            raise MissingExtraError(asked, extra)
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return loaded
