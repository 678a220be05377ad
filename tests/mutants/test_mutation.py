"""The mutants of ``python -m benchmarks.mutation`` are what they say, and a verdict is one on the changed module."""

import ast
from collections import Counter

import pytest

from benchmarks.mutation import MODULES, Passes, judge, path_of
from benchmarks.mutation_changes import Change, changes
from tests.mutants.equivalent import EQUIVALENT

SAMPLE = '''
"""A text is left alone."""
SPARE_W = 5.0


def left(a: float, b: float = 0) -> float | None:
    if a > b and not a == 1:
        return min(a - b, SPARE_W)
    a = -b
    for each in [a, b]:
        print(each)
    return None
'''
EXPECTED = """
SPARE_W = 5.0 | 5.0 -> 6.0
SPARE_W = 5.0 | 5.0 -> 4.0
left: def left(a: float, b: float=0) -> float | None | 0 -> 1
left: def left(a: float, b: float=0) -> float | None | 0 -> -1
left: if a > b and (not a == 1) | a > b and (not a == 1) -> True
left: if a > b and (not a == 1) | a > b and (not a == 1) -> False
left: if a > b and (not a == 1) | and (not a == 1) -> or not a == 1
left: if a > b and (not a == 1) | a > b and (not a == 1) -> not a == 1
left: if a > b and (not a == 1) | and (not a == 1) -> nothing
left: if a > b and (not a == 1) | > -> >=
left: if a > b and (not a == 1) | > -> <=
left: if a > b and (not a == 1) | not -> nothing
left: if a > b and (not a == 1) | == -> !=
left: if a > b and (not a == 1) | 1 -> 2
left: if a > b and (not a == 1) | 1 -> 0
left: return min(a - b, SPARE_W) | min(a - b, SPARE_W) -> None
left: return min(a - b, SPARE_W) | min -> max
left: return min(a - b, SPARE_W) | - -> +
left: a = -b | a = -b -> nothing
left: a = -b | - -> nothing
left: for each in [a, b] | [a, b] -> ()
left: for each in [a, b] | a, -> nothing
left: for each in [a, b] | , b -> nothing
left: print(each) | print(each) -> nothing
"""
TEST = "tests/unit/control/test_lending.py::test_nothing_is_lent_while_blind"


def test_the_faults_of_a_sample() -> None:
    assert [each.name for each in changes(SAMPLE)] == EXPECTED.strip().splitlines()


def test_each_fault_is_another_program_with_a_name_of_its_own() -> None:
    source = path_of("lending").read_text()
    found = list(changes(source))
    assert len({each.name for each in found}) == len(found)
    programs = Counter(ast.dump(each.tree) for each in found)
    assert programs[ast.dump(ast.parse(source))] == 0
    assert len(programs) == len(found)


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ("seen.grid is None", "False", TEST),
        ("taken_w += ", "taken_w -= ", None),
        ("import lend", "import land", "import"),
    ],
)
def test_a_verdict_is_one_on_the_changed_module(before: str, after: str, verdict: str | None) -> None:
    source = path_of("lending").read_text()
    changed = source.replace(before, after) if verdict != "import" else f"raise ImportError\n{source}"
    tree, nothing = ast.parse(changed), ast.Pass()
    tree.body.append(nothing)
    change = Change(name="planted", first_line=1, last_line=1, module=tree, node=nothing, replacement=nothing)
    passes = Passes(lines={"lending": {1: [TEST]}}, seconds={TEST: 0.1})
    assert judge("lending", change, passes, Counter()) == verdict


def test_what_is_listed_as_changing_nothing_is_a_mutant_of_a_module_and_has_a_reason() -> None:
    names = {f"{module}.{each.name}" for module in MODULES for each in changes(path_of(module).read_text())}
    assert set(EQUIVALENT) - names == set()
    assert min(map(len, EQUIVALENT.values()), default=20) >= 20
