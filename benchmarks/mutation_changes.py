"""Small faults of a module, made systematically from its syntax tree.

Left alone: texts, annotations, decorators, imports, and assertions as a whole (their conditions are changed). A
required argument or a first assignment is never removed: that only stops the program, which any test notices.
"""

import ast
import copy
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_SKIPPED_FIELDS = {"annotation", "returns", "decorator_list", "bases"}
_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}
_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any", "floor": "ceil"}
_KEEP_ARGUMENT = {"abs", "sorted", "round"}
_OPTIONAL_KEYWORDS = {"replace", "sorted", "min", "max"}
_NOTHING = ast.Pass()


@dataclass(frozen=True, kw_only=True)
class Change:
    """One fault of a module, and how a person knows it again."""

    name: str
    """Function, statement, before and after; stable while other code is edited."""
    first_line: int
    last_line: int
    module: ast.Module
    """Without the fault."""
    node: ast.AST
    replacement: ast.AST

    @property
    def tree(self) -> ast.Module:
        """A copy of the module with the fault."""
        copies: dict[int, ast.AST] = {}
        copied = copy.deepcopy(self.module, copies)
        place, replacement = copies[id(self.node)], self.replacement

        class Replace(ast.NodeTransformer):
            def visit(self, each: ast.AST) -> ast.AST:
                return replacement if each is place else super().visit(each)

        Replace().visit(copied)
        return ast.fix_missing_locations(copied)


@dataclass(frozen=True, kw_only=True)
class _Site:
    node: ast.AST
    function: str
    statement: ast.stmt
    rebound: frozenset[str]
    """Names that have a value already where they are assigned in this function."""


def changes(source: str) -> Iterator[Change]:
    """Every fault of a module, in the order of its lines."""
    seen: Counter[str] = Counter()
    tree = ast.parse(source)
    for site in _sites(tree, "", ast.Pass(), frozenset()):
        for replacement in _variants(site):
            before, after = _differing(_text(site.node), "nothing" if replacement is _NOTHING else _text(replacement))
            where = f"{site.function}: " if site.function else ""
            name = f"{where}{_head(site.statement)[:160]} | {before} -> {after}"
            seen[name] += 1
            yield Change(
                name=name if seen[name] == 1 else f"{name} ({seen[name]})",
                first_line=site.statement.lineno,
                last_line=getattr(site.node, "lineno", site.statement.lineno),
                module=tree,
                node=site.node,
                replacement=replacement,
            )


def _sites(node: ast.AST, function: str, statement: ast.stmt, rebound: frozenset[str]) -> Iterator[_Site]:
    for field, value in ast.iter_fields(node):
        if field in _SKIPPED_FIELDS:
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.Import | ast.ImportFrom):
                continue
            inside, names = function, rebound
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                inside = f"{function}.{child.name}".lstrip(".")
                names = _rebound(child) if isinstance(child, ast.FunctionDef) else rebound
            here = child if isinstance(child, ast.stmt) else statement
            yield _Site(node=child, function=inside, statement=here, rebound=names)
            yield from _sites(child, inside, here, names)


def _rebound(function: ast.FunctionDef) -> frozenset[str]:
    bound: Counter[str] = Counter()
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            bound[node.arg] += 1
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound[node.id] += 1
    return frozenset(name for name, times in bound.items() if times > 1)


def _variants(site: _Site) -> Iterator[ast.AST]:
    node = site.node
    match node:
        case ast.Compare():
            for index, operator in enumerate(node.ops):
                for other in _COMPARISONS[type(operator)]:
                    yield _with(node, ops=[*node.ops[:index], other(), *node.ops[index + 1 :]])
        case ast.BinOp() | ast.AugAssign() if type(node.op) in _ARITHMETIC:
            yield _with(node, op=_ARITHMETIC[type(node.op)]())
        case ast.BoolOp():
            yield _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
            for rest in _each_dropped(node.values):
                yield _with(node, values=rest) if len(rest) > 1 else rest[0]
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield node.operand
        case ast.If() | ast.IfExp():
            yield from (_with(node, test=ast.Constant(value)) for value in (True, False))
        case ast.While():
            yield _with(node, test=ast.Constant(value=False))
        case ast.comprehension():
            for index, _ in enumerate(node.ifs):
                for value in (True, False):
                    yield _with(node, ifs=[*node.ifs[:index], ast.Constant(value), *node.ifs[index + 1 :]])
        case ast.Constant(value=bool()):
            yield ast.Constant(not node.value)
        case ast.Constant(value=int() | float() as number):
            yield from (ast.Constant(number + 1), ast.Constant(number - 1))
        case ast.Call():
            yield from _calls(node)
        case ast.List(ctx=ast.Load()):
            yield from (_with(node, elts=rest) for rest in _each_dropped(node.elts))
        case ast.Dict():
            pairs = zip(_each_dropped(node.keys), _each_dropped(node.values), strict=True)
            yield from (_with(node, keys=keys, values=values) for keys, values in pairs)
        case ast.Match():
            yield from (_with(node, cases=rest) for rest in _each_dropped(node.cases) if rest)
        case ast.Return(value=ast.expr()):
            if not isinstance(node.value, ast.Constant) or node.value.value is not None:
                yield _with(node, value=ast.Constant(None))
            if isinstance(node.value, ast.Compare | ast.BoolOp):
                yield _with(node, value=ast.UnaryOp(ast.Not(), node.value))
        case ast.For():
            yield _with(node, iter=ast.Tuple([], ast.Load()))
    yield from _removals(site)


def _calls(node: ast.Call) -> Iterator[ast.AST]:
    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    if name in _CALLS:
        yield _with(node, func=_with(node.func, **{"id" if isinstance(node.func, ast.Name) else "attr": _CALLS[name]}))
    if name in _KEEP_ARGUMENT:
        yield node.args[0]
    if name in _OPTIONAL_KEYWORDS:
        yield from (_with(node, keywords=rest) for rest in _each_dropped(node.keywords))


def _removals(site: _Site) -> Iterator[ast.AST]:
    node = site.node
    match node:
        case ast.Continue():
            yield from (_NOTHING, ast.Break())
        case ast.Break():
            yield from (_NOTHING, ast.Continue())
        case ast.Expr(value=ast.Call()) | ast.AugAssign():
            yield _NOTHING
        case ast.Assign(targets=[target]) if site.function:
            names = [each.id for each in ast.walk(target) if isinstance(each, ast.Name)]
            if isinstance(target, ast.Attribute | ast.Subscript) or all(name in site.rebound for name in names):
                yield _NOTHING


def _each_dropped(items: list[Any]) -> list[list[Any]]:
    return [[*items[:index], *items[index + 1 :]] for index, _ in enumerate(items)]


def _with(node: ast.AST, **fields: object) -> ast.AST:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.comprehension):
        return " ".join(f"if {ast.unparse(each)}" for each in node.ifs)
    return " ".join(ast.unparse(node).split())


def _head(statement: ast.stmt) -> str:
    """The first line of what has a body."""
    text = ast.unparse(statement)
    return text.split(":\n")[0] if "\n" in text else text


def _differing(before: str, after: str) -> tuple[str, str]:
    """Two texts without the words that they begin and end with in common."""
    old, new = (re.findall(r"[\w.]+|[<>=!+]+|\s+|.", text) for text in (before, after))
    while old and new and old[0] == new[0]:
        del old[0], new[0]
    while old and new and old[-1] == new[-1]:
        del old[-1], new[-1]
    return "".join(old).strip() or "nothing", "".join(new).strip() or "nothing"
