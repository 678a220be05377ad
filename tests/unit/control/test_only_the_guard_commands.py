"""Drivers accept nothing but a Command, and only the guard makes one: a walk over every source file."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MAKER = Path("hems/control/guard.py")
REBUILDERS = {"replace", "__new__", "TypeAdapter", "parse"}


def sources() -> list[Path]:
    return sorted([*(ROOT / "hems").rglob("*.py"), *(ROOT / "drivers" / "hems_drivers").rglob("*.py")])


def makings(tree: ast.AST) -> Iterator[int]:
    """Lines on which a Command is made: by its name, an alias, an attribute, or by something that makes values."""
    names = {"Command"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom | ast.Import):
            names |= {each.asname for each in node.names if each.name.endswith("Command") and each.asname}
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id in names:
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        name = called.id if isinstance(called, ast.Name) else called.attr if isinstance(called, ast.Attribute) else ""
        given = {each.id for each in node.args if isinstance(each, ast.Name)}
        if name in names or (name in REBUILDERS and given & names):
            yield node.lineno


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_guard_makes_commands(path: Path) -> None:
    lines = list(makings(ast.parse(path.read_text())))
    if path.relative_to(ROOT) == MAKER:
        assert len(lines) == 1, "the guard makes commands in one place"
    else:
        assert not lines, f"{path.relative_to(ROOT)}:{lines[0]} makes a Command; only {MAKER} may"


@pytest.mark.parametrize(
    "text",
    [
        "from hems.domain.command import Command\nCommand(device_id='a')",
        "from hems.domain.command import Command as Told\nTold(device_id='a')",
        "from hems.domain import command\ncommand.Command(device_id='a')",
        "from hems.domain.command import Command\nmake = Command\nmake(device_id='a')",
        "from hems.domain.command import Command\nparse(Command, b'')",
    ],
)
def test_the_walk_sees_every_way_to_make_one(text: str) -> None:
    assert list(makings(ast.parse(text)))
