"""Runs the tests of a module against its mutants, each in a process of its own; no file is ever changed.

The processes are forked from one that has collected the tests and has run none. A mutant of a function gets its code
into the function that is loaded. For one of what a module does when it is loaded, the project is loaded anew with the
mutant in it. A process that ends in any other way than with passing tests has noticed the mutant: a run without end,
too, which is cut.
"""

import ast
import gc
import math
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

import hypothesis
import pytest

from mutation.mutants import Mutant, mutants

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
# A mutant that takes that much longer than the tests do is caught in a loop, or waits for what never comes.
_TIMES_AS_LONG = 5
_SECONDS_MORE = 5
_SECONDS = 240
_BYTES = 4 << 30
_OPTIONS = ("-x", "-s", "-q", "-p", "no:cacheprovider", "--no-cov", "--hypothesis-profile=mutation", "-W", "ignore")
_REDACTION = tuple(
    f"unit/rules/test_rules_redaction{part}.py" for part in ("_reading", "_finds", "_stream", "_edges", "_forms", "")
)
_ONE_PASS = "unit/rules/test_rules_one_pass.py"
_FURTHER = {
    "rules.escapes": ("unit/rules/test_rules_parts.py", *_REDACTION, _ONE_PASS),
    "rules.fixed_forms": _REDACTION,
    "rules.mixed": _REDACTION,
    "rules.parts": ("unit/rules/test_rules_said.py", *_REDACTION),
    "rules.said": _REDACTION,
    "rules.redaction": (_ONE_PASS,),
    "rules.scrubbing": (*_REDACTION, _ONE_PASS),
    "rules.json_objects": ("unit/rules/test_rules_bodies.py",),
    "rules.pairs": ("unit/rules/test_rules_parameters.py", "unit/rules/test_rules_bodies.py"),
    "rules.routing": (
        "unit/rules/test_rules_sanitizers.py",
        "unit/rules/test_rules_request_transforms.py",
        _ONE_PASS,
    ),
    "rules.signed_text": ("unit/rules/test_rules_signature.py",),
    "vault.contexts": ("unit/vault/test_vault_derivation.py",),
    "vault.opened_keys": (
        "unit/vault/test_vault_vault.py",
        "unit/vault/test_vault_attacks.py",
        "unit/vault/test_vault_key_services.py",
        "unit/vault/test_vault_signing_keys.py",
        "unit/vault/test_vault_turn.py",
    ),
    "vault.vault": (
        "unit/vault/test_vault_attacks.py",
        "unit/vault/test_vault_key_services.py",
        "unit/vault/test_vault_signing_keys.py",
        "unit/vault/test_vault_turn.py",
    ),
    "model.session_key": ("unit/rules/test_rules_signature.py",),
}


def suite(module: str) -> list[str]:
    """The tests of a module such as ``rules.cors``, without those of cases from outside, which may be absent."""
    room, _, name = module.rpartition(".")
    own = sorted((TESTS / "unit" / room).glob(f"test_{room}_{name}*.py"))
    further = [TESTS / path for path in _FURTHER.get(module, ())]
    return [str(path) for path in (*own, *further) if "_outside" not in path.name]


def source_of(module: str) -> str:
    """The source of a module such as ``rules.cors``."""
    return (ROOT / "src" / "apikeychain" / f"{module.replace('.', '/')}.py").read_text()


def survivors(module: str, *, jobs: int, every: int = 1) -> tuple[list[Mutant], list[Mutant]]:
    """The mutants of a module that were run, and those of them that its tests do not notice.

    Args:
        module: such as ``rules.cors``.
        jobs: how many run at a time.
        every: 1 for all, 10 for each tenth.

    Raises:
        RuntimeError: the tests do not pass on the module as it is.
    """
    loop = _Loop(f"apikeychain.{module}", list(mutants(source_of(module)))[::every], jobs)
    hypothesis.settings.register_profile(
        "mutation",
        database=None,
        derandomize=True,
        deadline=None,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    )
    arguments = [*_OPTIONS, *suite(module)]
    if pytest.main(arguments, plugins=[loop]) != pytest.ExitCode.OK:
        msg = f"the tests do not pass as it is: pytest {' '.join(arguments)}"
        raise RuntimeError(msg)
    alive = loop.alive | _unnoticed(
        loop.anew, jobs, lambda mutant: _run_anew(arguments, loop.module, mutant), loop.cpu_seconds
    )
    return loop.every, [mutant for mutant in loop.every if mutant.name in alive]


class _Loop:
    """A plugin that runs the collected tests once as they are, and once for each mutant of a function.

    Attributes:
        alive: the names of the mutants that they did not notice.
        anew: the mutants that are not of a function.
        cpu_seconds: what a run may take.
    """

    def __init__(self, module: str, every: list[Mutant], jobs: int) -> None:
        self.module = module
        self.every = every
        self.alive: set[str] = set()
        self.anew: list[Mutant] = []
        self.cpu_seconds = 0
        self._jobs = jobs

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        # Those that try many examples come last: most mutants need but one.
        session.items.sort(key=lambda item: hasattr(getattr(item, "obj", None), "hypothesis"))
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        if _unnoticed(self.every[:1], 1, lambda _: _run_collected(session)) == set():
            session.testsfailed = 1
            return True
        taken = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        self.cpu_seconds = _SECONDS_MORE + math.ceil(_TIMES_AS_LONG * taken)
        functions = dict(_functions(sys.modules[self.module]))
        inside = [mutant for mutant in self.every if _outermost(mutant, functions)]
        self.anew = [mutant for mutant in self.every if not _outermost(mutant, functions)]

        def run(mutant: Mutant) -> int:
            name = _outermost(mutant, functions)
            functions[name].__code__ = dict(_codes(compile(mutant.make(), self.module, "exec")))[name]
            return _run_collected(session)

        self.alive = _unnoticed(inside, self._jobs, run, self.cpu_seconds)
        return True


def _functions(owner: ModuleType | type, prefix: str = "") -> Iterator[tuple[str, FunctionType]]:
    """The functions of a module and the methods of its classes, by qualified name."""
    module = owner.__name__ if isinstance(owner, ModuleType) else owner.__module__
    for name, value in vars(owner).items():
        found = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if isinstance(found, FunctionType) and found.__module__ == module and found.__qualname__ == prefix + name:
            yield prefix + name, found
        elif isinstance(value, type) and value.__module__ == module and not prefix:
            yield from _functions(value, f"{name}.")


def _outermost(mutant: Mutant, functions: dict[str, FunctionType]) -> str:
    """The function whose body holds the mutant, or ""."""
    parts = mutant.where.split(".") if mutant.runs_late else []
    return next((name for end in (1, 2) if (name := ".".join(parts[:end])) in functions), "")


def _codes(code: CodeType) -> Iterator[tuple[str, CodeType]]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant.co_qualname, constant
            yield from _codes(constant)


def _unnoticed(
    every: Iterable[Mutant], jobs: int, run: Callable[[Mutant], int], cpu_seconds: int = _SECONDS
) -> set[str]:
    """The names of the mutants with which `run`, in a process of its own, gives 0."""
    gc.freeze()
    running: dict[int, Mutant] = {}
    waiting = iter(every)
    alive: set[str] = set()
    while True:
        while len(running) < jobs and (mutant := next(waiting, None)) is not None:
            running[_fork(run, mutant, cpu_seconds)] = mutant
        if not running:
            return alive
        pid, status = os.wait()
        mutant = running.pop(pid)
        if status == 0:
            alive.add(mutant.name)


def _fork(run: Callable[[Mutant], int], mutant: Mutant, cpu_seconds: int) -> int:
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        signal.alarm(_SECONDS)
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
        resource.setrlimit(resource.RLIMIT_AS, (_BYTES, _BYTES))
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        code = run(mutant)
    finally:
        os._exit(code)


def _run_collected(session: pytest.Session) -> int:
    for item, following in zip(session.items, [*session.items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return 1
    return 0


def _run_anew(arguments: list[str], module: str, mutant: Mutant) -> int:
    for name, loaded in list(sys.modules.items()):
        file = getattr(loaded, "__file__", None) or ""
        if name.partition(".")[0] != "mutation" and (name.startswith("apikeychain") or file.startswith(str(TESTS))):
            del sys.modules[name]
    sys.meta_path.insert(0, _Mutated(module, mutant.make()))
    return int(pytest.main(arguments))


class _Mutated(MetaPathFinder, Loader):
    """Stands in front of one module with another source."""

    def __init__(self, name: str, tree: ast.Module) -> None:
        self._name = name
        self._tree = tree

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return spec_from_loader(fullname, self) if fullname == self._name else None

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._tree, f"<mutant of {self._name}>", "exec"), module.__dict__)  # noqa: S102  # our own source
