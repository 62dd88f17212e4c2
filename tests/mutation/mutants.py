"""Small changes to a module's source, one at a time: each a mistake that a test has to notice.

Everything is changed that can decide something, the tables and patterns at the top of a module included. Docstrings,
annotations, imports and decorators are left alone.
"""

import ast
import copy
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar, cast

_COMPARE: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_OTHER_NAME = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "sorted": "list",
    "lower": "upper",
    "upper": "lower",
    "startswith": "endswith",
    "endswith": "startswith",
    "strip": "rstrip",
    "rstrip": "lstrip",
    "split": "rsplit",
    "rsplit": "split",
    "partition": "rpartition",
    "rpartition": "partition",
    "fullmatch": "match",
    "match": "search",
    "find": "rfind",
    "index": "rindex",
}
_Literal = int | str | bytes
_Node = TypeVar("_Node")
_COUNT = re.compile(r"\{(\d*)(,?)(\d*)\}")
_SKIPPED_FIELDS = {"annotation", "returns", "decorator_list", "ctx"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change.

    Attributes:
        kind: what sort of mistake it is.
        where: the function or class that it is in, or "" at the top.
        change: the code before and after; with `where` it names the mutant, also after lines have moved.
        runs_late: whether it is in the body of a function, so that loading the module does not run it.
        make: gives the whole module with the change.
    """

    kind: str
    where: str
    change: str
    runs_late: bool
    make: Callable[[], ast.Module]

    @property
    def name(self) -> str:
        """How it is called in the list of equivalent ones."""
        return f"{self.where or 'top'}: {self.change}"


def mutants(source: str) -> Iterator[Mutant]:
    """Every mutant of a module, in the order of its lines."""
    tree = ast.parse(source)
    seen: Counter[tuple[str, str]] = Counter()
    for parent, field, index, where, runs_late in list(_places(tree, "", runs_late=False)):
        before = _at(parent, field, index)
        for kind, after in _changes(before, at_top=not where):
            change = f"{_shown(before)} -> {_shown(after)}"
            if _shown(before) == _shown(after):
                continue
            seen[where, change] += 1
            number = f" #{seen[where, change]}" if seen[where, change] > 1 else ""
            changed = partial(_changed, tree, parent, field, index, after)
            yield Mutant(kind, where, change + number, runs_late, changed)


def _changed(tree: ast.Module, parent: ast.AST, field: str, index: int | None, node: ast.AST) -> ast.Module:
    """A copy of `tree` in which `node` stands where `parent` has another."""
    before = _at(parent, field, index)
    _put(parent, field, index, node)
    changed = ast.fix_missing_locations(copy.deepcopy(tree))
    _put(parent, field, index, before)
    return changed


def _places(node: ast.AST, where: str, *, runs_late: bool) -> Iterator[tuple[ast.AST, str, int | None, str, bool]]:
    """Each spot of the tree under `node` that holds a node of its own, with the name of what it stands in."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        where = f"{where}.{node.name}" if where else node.name
    for field, value in ast.iter_fields(node):
        if field in _SKIPPED_FIELDS:
            continue
        late = runs_late or (field == "body" and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
        children = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
        for index, child in children:
            if isinstance(child, ast.AST) and not _is_left_alone(child):
                yield node, field, index, where, late
                yield from _places(child, where, runs_late=late)


def _is_left_alone(node: ast.AST) -> bool:
    documents = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return documents or isinstance(node, ast.Import | ast.ImportFrom | ast.expr_context | ast.FormattedValue)


def _at(parent: ast.AST, field: str, index: int | None) -> ast.AST:
    value = getattr(parent, field)
    return cast("ast.AST", value if index is None else value[index])


def _put(parent: ast.AST, field: str, index: int | None, node: ast.AST) -> None:
    if index is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[index] = node


def _shown(node: ast.AST) -> str:
    text = ast.unparse(node)
    return text.partition("\n")[0] if isinstance(node, ast.If | ast.While) else " ".join(text.split())


def _changes(node: ast.AST, *, at_top: bool) -> Iterator[tuple[str, ast.AST]]:
    match node:
        case ast.stmt():
            yield from _of_statement(node, at_top=at_top)
        case ast.ExceptHandler(type=ast.expr()):
            yield "except", _with(node, type=ast.Tuple([], ast.Load()))
        case ast.comprehension(ifs=[_, *_]):
            yield "condition", _with(node, ifs=[])
        case ast.Constant():
            yield from (("constant", ast.Constant(value)) for value in _other_values(node.value, at_top=at_top))
        case ast.expr():
            yield from _of_expression(node)
        case _:
            return


def _of_statement(node: ast.stmt, *, at_top: bool) -> Iterator[tuple[str, ast.AST]]:
    match node:
        case ast.If() | ast.While():
            yield "condition", _with(node, test=ast.Constant(value=True))
            yield "condition", _with(node, test=ast.Constant(value=False))
        case ast.Return(value=ast.expr() as value) if not _is_none(value):
            yield "return", ast.Return(ast.Constant(None))
        case ast.Assign(value=value) if not _is_none(value) and not at_top:
            yield "assignment", _with(node, value=ast.Constant(None))
        case ast.Continue():
            yield "statement", ast.Break()
        case ast.Break():
            yield "statement", ast.Continue()
        case ast.Expr() | ast.Raise() | ast.AugAssign() | ast.Delete():
            yield "statement", ast.Pass()
        case _:
            return


def _of_expression(node: ast.expr) -> Iterator[tuple[str, ast.AST]]:  # noqa: C901, PLR0912  # a table: one case a kind
    match node:
        case ast.Compare():
            for place, operator in enumerate(node.ops):
                for other in _COMPARE[type(operator)]:
                    yield "comparison", _with(node, ops=_replaced(node.ops, place, other()))
        case ast.BoolOp():
            yield "boolean", _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
            for place in range(len(node.values)):
                rest = _without(node.values, place)
                yield "boolean", _with(node, values=rest) if len(rest) > 1 else rest[0]
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield "boolean" if isinstance(node.op, ast.Not) else "arithmetic", node.operand
        case ast.BinOp() if type(node.op) in _ARITHMETIC:
            yield "arithmetic", _with(node, op=_ARITHMETIC[type(node.op)]())
        case ast.IfExp():
            yield "condition", node.body
            yield "condition", node.orelse
        case ast.Call():
            yield from _of_call(node)
        case ast.Slice():
            for end in ("lower", "upper", "step"):
                if getattr(node, end) is not None:
                    yield "slice", _with(node, **{end: None})
        case ast.Tuple(ctx=ast.Load()) | ast.List(ctx=ast.Load()) | ast.Set():
            for place in range(len(node.elts)) if len(node.elts) > 1 else ():
                yield "element", _with(node, elts=_without(node.elts, place))
        case ast.Dict():
            for place in range(len(node.keys)):
                yield (
                    "element",
                    _with(node, keys=_without(node.keys, place), values=_without(node.values, place)),
                )
        case _:
            return


def _of_call(node: ast.Call) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node.func, ast.Name) and node.func.id in _OTHER_NAME:
        yield "name", _with(node, func=ast.Name(_OTHER_NAME[node.func.id], ast.Load()))
    # Without a limit, both directions split alike.
    is_even = ast.unparse(node.func).endswith("split") and len(node.args) < 2 and not node.keywords
    if isinstance(node.func, ast.Attribute) and node.func.attr in _OTHER_NAME and not is_even:
        yield "name", _with(node, func=_with(node.func, attr=_OTHER_NAME[node.func.attr]))
    if len(node.args) > 1:
        yield "argument", _with(node, args=node.args[:-1])
        if ast.unparse(node.func) not in {"min", "max"}:
            yield "argument", _with(node, args=[node.args[1], node.args[0], *node.args[2:]])
    for place, argument in enumerate(node.args):
        if not isinstance(argument, ast.Starred | ast.GeneratorExp | ast.Constant):
            yield "argument", _with(node, args=_replaced(node.args, place, ast.Constant(None)))
    for place in range(len(node.keywords)):
        yield "argument", _with(node, keywords=_without(node.keywords, place))


def _other_values(value: object, *, at_top: bool) -> "list[_Literal]":
    match value:
        case bool():
            return [not value]
        case int():
            return [value + 1, value - 1]
        case str():
            return list(_other_texts(value, at_top=at_top))
        case bytes():
            return [text.encode("latin-1") for text in _other_texts(value.decode("latin-1"), at_top=at_top)]
        case _:
            return []


def _other_texts(text: str, *, at_top: bool) -> Iterator[str]:
    """Others than `text`; of what stands at the top, which is a pattern or a table more often than a sentence, more."""
    yield f"XX{text}XX"
    if at_top and len(text) > 1:
        yield text[1:]
        yield text[:-1]
    for found in _COUNT.finditer(text):
        for group in (1, 3):
            if found[group]:
                start, end = found.span(group)
                yield from (f"{text[:start]}{int(found[group]) + step}{text[end:]}" for step in (1, -1))


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _with(node: ast.AST, **fields: object) -> ast.AST:
    changed = copy.copy(node)
    for field, value in fields.items():
        setattr(changed, field, value)
    return changed


def _without(items: list[_Node], place: int) -> list[_Node]:
    return items[:place] + items[place + 1 :]


def _replaced(items: Sequence[ast.AST], place: int, item: ast.AST) -> list[ast.AST]:
    return [*items[:place], item, *items[place + 1 :]]
