"""The schema step: a tree as a SiteFile, or every error in the installer's words.

Pydantic finds the errors; its wording and its paths stay here. What may stand where (known settings, kinds,
examples) is read from the JSON Schema, so that messages cannot disagree with what an editor shows.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from pydantic import ValidationError

from hems.config.fields import nearest
from hems.config.finding import Finding
from hems.config.quantity import quoted
from hems.config.schema import SiteFile, site_schema
from hems.config.tree import Path, Tree, Value, value_in

_NODE_WORDS: Final = {
    "model_type": "must be a group of settings, not a single value or a list",
    "model_attributes_type": "must be a group of settings, not a single value or a list",
    "dict_type": "must be a group of settings, not a single value or a list",
    "tuple_type": 'must be a list: lines that begin with "- "',
    "too_short": "must not be empty",
}


def validated(tree: Tree) -> tuple[SiteFile | None, list[Finding]]:
    """The site file, or None and everything that its schema refuses."""
    try:
        return SiteFile.model_validate(tree.root), []
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False)
    located = [(*_locate(each["loc"]), str(each["type"]), str(each["msg"])) for each in details]
    unknown = _grouped([path for path, _, kind, _ in located if kind == "extra_forbidden"])
    missing = _grouped([path for path, _, kind, _ in located if kind == "missing"])
    findings: list[Finding] = []
    for parent, keys in unknown.items():
        findings += _unknown_settings(tree, parent, keys, missing.get(parent, []))
    for parent, keys in missing.items():
        findings += [_missing_setting(tree, (*parent, key)) for key in keys]
    for path, node, kind, message in located:
        if kind == "too_short" and value_in(tree.root, path):
            continue  # only because its items are refused
        if kind not in ("extra_forbidden", "missing"):
            findings.append(_refused_value(tree, path, node, kind, message))
    return None, findings


def _locate(loc: Sequence[int | str]) -> tuple[Path, Mapping[str, Any]]:
    """Path in the file and schema of an error: pydantic also counts the kinds that it looked up as steps."""
    node = _schema()
    path: list[int | str] = []
    for part in loc:
        node = _resolved(node)
        kinds = node.get("discriminator", {}).get("mapping", {})
        if part in kinds:
            node = {"$ref": kinds[part]}
            continue
        path.append(part)
        node = _child(node, part)
    return tuple(path), _resolved(node)


def _node_at(tree: Tree, path: Path) -> Mapping[str, Any]:
    """Schema of the value at a path, with the kinds that the file names."""
    node = _schema()
    for depth, part in enumerate(path):
        node = _child(_of_kind(node, value_in(tree.root, path[:depth])), part)
    return _of_kind(node, value_in(tree.root, path))


def _of_kind(node: Mapping[str, Any], value: Value | None) -> Mapping[str, Any]:
    node = _resolved(node)
    choice = node.get("discriminator")
    if not isinstance(value, dict):
        return node
    if choice is None:
        return _group_of(node)
    reference = choice["mapping"].get(value.get(choice["propertyName"]))
    return node if reference is None else _resolved({"$ref": reference})


def _group_of(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """The group, where one value may be written instead."""
    return next((_resolved(each) for each in node.get("oneOf", ()) if "$ref" in each), node)


def _child(node: Mapping[str, Any], part: int | str) -> Mapping[str, Any]:
    node = _group_of(node)
    if isinstance(part, int):
        child = node.get("items", {})
    else:
        child = node.get("properties", {}).get(part) or node.get("additionalProperties")
    return child if isinstance(child, dict) else {}


def _resolved(node: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = node.get("$ref")
    if reference is None:
        return node
    target: Mapping[str, Any] = _schema()["$defs"][reference.rsplit("/", 1)[-1]]
    return target


@cache
def _schema() -> Mapping[str, Any]:
    return site_schema()


def _grouped(paths: Sequence[Path]) -> dict[Path, list[str]]:
    groups: dict[Path, list[str]] = {}
    for path in paths:
        groups.setdefault(path[:-1], []).append(str(path[-1]))
    return groups


def _unknown_settings(tree: Tree, parent: Path, keys: Sequence[str], missing: list[str]) -> list[Finding]:
    """One finding per unknown key; a missing setting that is nearly the same is the same mistake."""
    given = value_in(tree.root, parent)
    used = set(given) if isinstance(given, dict) else set()
    known = [key for key in _node_at(tree, parent).get("properties", {}) if key not in used]
    findings = []
    for key in keys:
        meant = nearest(key, known)
        advice = f"here one can set {', '.join(known)}" if known else "delete it"
        if meant is not None:
            needed = " It is needed here." if meant in missing else ""
            advice = f'did you mean "{meant}"?{needed}'
            known.remove(meant)
            if meant in missing:
                missing.remove(meant)
        findings.append(tree.error((*parent, key), f"unknown setting {quoted(key)}", advice, at_key=True))
    return findings


def _missing_setting(tree: Tree, path: Path) -> Finding:
    *_, name = path
    examples = _node_at(tree, path).get("examples", [])
    advice = f'add it, for example "{name}: {examples[0]}"' if examples else "add it"
    return tree.error(path[:-1], f'the setting "{name}" is missing', advice, at_key=True)


def _refused_value(tree: Tree, path: Path, node: Mapping[str, Any], kind: str, message: str) -> Finding:
    value = value_in(tree.root, path)
    if kind == "hems":
        text, _, advice = message.partition("; ")
        return tree.error(path, text, advice or None)
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _wrong_kind(tree, path, node)
    if kind == "literal_error":
        options = [str(each) for each in node.get("enum", [node.get("const")])]
        return _wrong_choice(tree, path, options, value)
    return tree.error(path, _NODE_WORDS.get(kind, "is not usable here"), at_key=kind == "too_short")


def _wrong_kind(tree: Tree, path: Path, node: Mapping[str, Any]) -> Finding:
    choice = node["discriminator"]
    key, options = str(choice["propertyName"]), sorted(choice["mapping"])
    value = value_in(tree.root, (*path, key))
    if value is None:
        advice = f"add one of {', '.join(options)}"
        return tree.error(path, f'the setting "{key}" is missing', advice, at_key=True)
    return _wrong_choice(tree, (*path, key), options, value)


def _wrong_choice(tree: Tree, path: Path, options: Sequence[str], value: Value | None) -> Finding:
    if not isinstance(value, str):
        return tree.error(path, f"must be one of {', '.join(options)}")
    meant = nearest(value, options)
    advice = f'did you mean "{meant}"?' if meant else f"it is one of {', '.join(options)}"
    return tree.error(path, f"{quoted(value)} is not known here", advice)
