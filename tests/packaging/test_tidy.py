"""Rules of the house that no linter knows: sizes, and units in names."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FUNCTION_LINES_MAX = 70
MODULE_LINES_MAX = 400
UNITS = re.compile(
    r"_(count|slots|w|wh|ws|a|v|hz|s|h|ms|pct|ratio|c|k|l|kwh|kw|eur|kwp|deg|mono_s|bytes|wm2|eur_per_kwh|eur_per_mwh|eur_per_kw|eur_per_kg|w_per_k|wh_per_day|per_k)$"
)
QUANTITIES = re.compile(
    r"(^|_)(power|energy|current|voltage|duration|price|cost|soc|capacity|efficiency|temperature|reserve|age|period)(_|$)"
)


def sources() -> list[Path]:
    folders = ("hems", "drivers", "tests", "benchmarks")
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_fit_a_screen_and_modules_have_one_reason_to_exist(path: Path):
    text = path.read_text()
    long = [
        f"{node.name} has {node.end_lineno - node.lineno + 1} lines"
        for node in functions(ast.parse(text))
        if node.end_lineno is not None and node.end_lineno - node.lineno >= FUNCTION_LINES_MAX
    ]
    assert long == []
    assert len(text.splitlines()) <= MODULE_LINES_MAX


def numeric_names(tree: ast.AST) -> Iterator[str]:
    """Names of fields and parameters that are annotated as numbers, alone, optional or in a series."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and holds_number(node.annotation):
            yield node.target.id
        elif isinstance(node, ast.arg) and node.annotation is not None and holds_number(node.annotation):
            yield node.arg


def holds_number(annotation: ast.expr) -> bool:
    return re.search(r"\b(float|int)\b", ast.unparse(annotation)) is not None


@pytest.mark.parametrize(
    "path",
    sorted(p for room in ("domain", "control") for p in (ROOT / "hems" / room).rglob("*.py")),
    ids=lambda p: p.name,
)
def test_a_quantity_carries_its_unit_in_its_name(path: Path):
    unnamed = [
        name
        for name in numeric_names(ast.parse(path.read_text()))
        if QUANTITIES.search(name) and not UNITS.search(name)
    ]
    assert unnamed == []


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_left_for_later_in_the_code(path: Path):
    if path == Path(__file__):
        return
    assert re.findall(r"\b(TODO|FIXME|XXX)\b", path.read_text()) == []


def test_the_rules_find_what_they_look_for():
    tree = ast.parse("class A:\n    power: float\n    power_w: float\n    count: int\ndef f(energy: float): ...\n")
    named = [name for name in numeric_names(tree) if QUANTITIES.search(name) and not UNITS.search(name)]
    assert named == ["power", "energy"]
