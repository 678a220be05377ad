"""What the fields of a document mean, from the sentences below them in the source: one place, read by people and tools.

Pydantic can do this at import time; then the daemon would read its own source at every start.
"""

import ast
import inspect
import sys
import textwrap
from dataclasses import is_dataclass
from typing import Any

from hems import domain


def with_field_docs(schema: dict[str, Any], *, root: type[Any] | None) -> dict[str, Any]:
    """The schema of ``root`` with a description for every field of a dataclass that has a sentence below it."""
    classes = _dataclasses()
    described = [(root, schema), *((classes.get(name), each) for name, each in schema.get("$defs", {}).items())]
    for own, definition in described:
        if own is not None and is_dataclass(own):
            for field, text in field_docs(own).items():
                if field in definition.get("properties", {}):
                    definition["properties"][field].setdefault("description", text)
    return schema


def field_docs(cls: type[Any]) -> dict[str, str]:
    """Field name to the text below it."""
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for statement, below in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        ):
            found[statement.target.id] = " ".join(below.value.value.split())
    return found


def _dataclasses() -> dict[str, type[Any]]:
    """Every dataclass of the domain by its name."""
    modules = [module for name, module in sys.modules.items() if name.startswith(f"{domain.__name__}.")]
    return {
        each.__name__: each
        for module in modules
        for each in vars(module).values()
        if isinstance(each, type) and is_dataclass(each) and each.__module__ == module.__name__
    }
