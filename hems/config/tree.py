"""YAML text as a tree that remembers where everything stands.

The tree is built from the parser's events: every scalar stays the text that was written, and the schema decides
what it is. So ``no``, ``0042`` and ``22:30`` cannot turn into something else, keys that appear twice are seen,
and neither deep nesting nor aliases can exhaust memory.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StreamMark, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)
from ruamel.yaml.reader import ReaderError

from hems.config.finding import Finding, Place, content_lines, error_at, place_inside, place_of_offset, warning_at
from hems.config.quantity import quoted

DEPTH_MAX: Final = 12
"""Nesting of lists and groups; a site file has six."""

_EMPTY: Final = frozenset({"", "~", "null"})
_PLAIN_WORDS: Final = (
    ("cannot start any token", "this character cannot stand here; put the text in quotes"),
    ("mapping values are not allowed", 'a ":" too many, or a wrong indentation; put text that contains ": " in quotes'),
    ("could not find expected ':'", 'a line without ":" and a space after it'),
    ("expected ',' or '}'", 'a "," or the closing "}" of these braces is missing'),
    ("expected ',' or ']'", 'a "," or the closing "]" of this list is missing'),
    ("expected <block end>", "the indentation does not fit the lines above"),
    ("found unexpected end of stream", "a quote is opened here and never closed"),
    ("expected a single document", 'a second document begins ("---"); one file describes one house'),
)


@dataclass(frozen=True, slots=True)
class Secret:
    """Reference to a value that lies in a protected store, never in the file."""

    name: str


Value = str | Secret | list["Value"] | dict[str, "Value"]
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """What a file says, and where."""

    root: dict[str, Value]
    key_at: dict[Path, Place]
    value_at: dict[Path, Place]

    def place(self, path: Path) -> Place:
        """Where a value stands, or the nearest thing around it that is in the file."""
        while path not in self.value_at and path:
            path = path[:-1]
        return self.value_at[path]

    def key_place(self, path: Path) -> Place:
        """Where a setting's name stands; for items of a list, where the item begins."""
        return self.key_at.get(path) or self.place(path)

    def error(self, path: Path, message: str, suggestion: str | None = None, *, at_key: bool = False) -> Finding:
        """An error at a setting's value, or at its name."""
        place = self.key_place(path) if at_key else self.place(path)
        return error_at(place, label(path, self.root), message, suggestion)

    def warning(self, path: Path, message: str, suggestion: str | None = None) -> Finding:
        """A warning at a setting's value."""
        return warning_at(self.place(path), label(path, self.root), message, suggestion)


def value_in(root: "Value | None", path: Path) -> "Value | None":
    """Value of a setting, None where there is none."""
    for part in path:
        if isinstance(root, dict):
            root = root.get(str(part))
        elif isinstance(root, list) and isinstance(part, int) and part < len(root):
            root = root[part]
        else:
            return None
    return root


def label(path: Path, root: "Value | None") -> str:
    """A path for people: ``charger "Driveway": max_current``. Items without a name are counted from 1."""
    start, rest = "", path
    if len(path) > 1 and path[0] in ("devices", "circuits") and isinstance(path[1], int):
        rest = path[2:]
        name = value_in(root, (*path[:2], "name"))
        kind = value_in(root, (*path[:2], "kind"))
        is_known = isinstance(kind, str) and kind.isidentifier() and rest != ("kind",)
        word = str(kind).replace("_", " ") if path[0] == "devices" and is_known else path[0][:-1]
        start = f"{word} {quoted(name)}" if isinstance(name, str) and name else f"{path[0][:-1]} {path[1] + 1}"
    dotted = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{_visible(part)}" for part in rest)
    return ": ".join(part for part in (start, dotted.lstrip(".")) if part)


def _visible(key: str) -> str:
    return quoted(key)[1:-1]


def parse_tree(text: str) -> tuple[Tree | None, list[Finding]]:
    """The tree, or None and everything that is wrong with the syntax."""
    if not text.strip():
        return None, [error_at(Place(1, 1), "", "the file is empty", 'it begins with "version: 1"')]
    reader = _Reader(text)
    root: dict[str, Value] | None = None
    try:
        root = reader.document()
    except _StopReading as stop:
        reader.problem(stop.place, stop.path, stop.message, stop.suggestion)
    except ReaderError as error:
        message = f"character U+{ord(text[error.position]):04X} is not allowed in YAML"
        reader.problem(place_of_offset(text, error.position), (), message, "delete it")
    except MarkedYAMLError as error:
        reader.problem(*_syntax_problem(text, error))
    except (YAMLError, ValueError, OverflowError):
        # Escapes such as "\UFFFFFFFF" name no character; ruamel.yaml passes on what chr() raises.
        place = place_of_offset(text, max(text.find("\\U"), 0))
        reader.problem(place, (), "this is not YAML", "put the text in single quotes")
    if root is None or reader.problems:
        return None, [
            error_at(place, label(path, root), message, suggestion)
            for place, path, message, suggestion in reader.problems
        ]
    return Tree(root=root, key_at=reader.key_at, value_at=reader.value_at), []


_Problem = tuple[Place, Path, str, str | None]


class _StopReading(Exception):  # noqa: N818 - control flow inside this file
    """Nothing behind this place can be understood."""

    def __init__(self, place: Place, path: Path, message: str, suggestion: str | None = None) -> None:
        super().__init__(message)
        self.place, self.path, self.message, self.suggestion = place, path, message, suggestion


@dataclass
class _Reader:
    """Turns events into values; collects what does not stop it."""

    text: str
    problems: list[_Problem] = field(default_factory=list)
    key_at: dict[Path, Place] = field(default_factory=dict)
    value_at: dict[Path, Place] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lines = content_lines(self.text)
        self.events: Iterator[Event] = iter(YAML(typ="safe", pure=True).parse(self.text))

    def document(self) -> dict[str, Value] | None:
        """The mapping that the file is."""
        event = next(self.events)
        while isinstance(event, StreamStartEvent | DocumentStartEvent):
            event = next(self.events)
        if isinstance(event, StreamEndEvent):
            raise _StopReading(Place(1, 1), (), "the file holds only comments", 'it begins with "version: 1"')
        root = self.value(event, ())
        for event in self.events:
            if isinstance(event, DocumentStartEvent):
                message = 'a second document begins ("---"); one file describes one house'
                raise _StopReading(self.place(event.start_mark), (), message)
        if isinstance(root, dict):
            return root
        if not self.problems:
            self.problem(self.value_at[()], (), "the file is not a group of settings", 'it begins with "version: 1"')
        return None

    def problem(self, place: Place, path: Path, message: str, suggestion: str | None = None) -> None:
        """Note what does not stop the reading."""
        self.problems.append((place, path, message, suggestion))

    def place(self, mark: StreamMark) -> Place:
        """Place of an event."""
        return place_inside(self.lines, mark.line + 1, mark.column + 1)

    def value(self, event: Event, path: Path) -> Value:
        """The value that an event begins."""
        place = self.value_at[path] = self.place(event.start_mark)
        if len(path) > DEPTH_MAX:
            raise _StopReading(place, path, f"more than {DEPTH_MAX} levels deep; a site file has at most six")
        if isinstance(event, AliasEvent):
            self.problem(place, path, "references (*name) are not used here", "write the value out")
            return ""
        tag = getattr(event, "ctag", None)
        if tag is not None and str(tag) != "!secret":
            message = f"unknown tag {quoted(str(tag))}"
            self.problem(place, path, message, 'the only one is "!secret NAME"')
        if isinstance(event, MappingStartEvent):
            return self.mapping(path)
        if isinstance(event, SequenceStartEvent):
            return self.sequence(path)
        if not isinstance(event, ScalarEvent):
            raise _StopReading(place, path, "a value is missing here")
        return self.scalar(event, path, place, is_secret=tag is not None)

    def scalar(self, event: ScalarEvent, path: Path, place: Place, *, is_secret: bool) -> str | Secret:
        """Text as written, or a reference to a secret."""
        if is_secret:
            if not re.fullmatch(r"[A-Za-z0-9_.-]+", event.value):
                self.problem(place, path, "a secret needs a name", 'for example "!secret wallbox"')
            return Secret(event.value)
        if event.style is None and event.value in _EMPTY:
            advice = "give it one or delete the line"
            if path and ":" in str(path[-1]):
                advice = 'put a space after the ":"'
            elif path and str(path[-1])[:1].isdigit():
                advice = "a number has a point, not a comma"
            self.problem(self.key_at.get(path, place), path, "has no value", advice)
        if not event.value.isascii() and any("\ud800" <= char <= "\udfff" for char in event.value):
            self.problem(place, path, "holds half a character", "write it without an escape")
        return str(event.value)

    def sequence(self, path: Path) -> list[Value]:
        """Items up to the end of the list."""
        items: list[Value] = []
        for event in self.events:
            if isinstance(event, SequenceEndEvent):
                break
            items.append(self.value(event, (*path, len(items))))
        return items

    def mapping(self, path: Path) -> dict[str, Value]:
        """Settings up to the end of the group; a key that appears twice is reported at its second place."""
        settings: dict[str, Value] = {}
        for event in self.events:
            if isinstance(event, MappingEndEvent):
                break
            place = self.place(event.start_mark)
            if not isinstance(event, ScalarEvent):
                raise _StopReading(place, path, "a setting's name is plain text")
            key = str(event.value)
            here = (*path, key)
            if key in settings:
                message = f"{quoted(key)} appears twice in one group; the first is on line {self.key_at[here].line}"
                self.problem(place, here, message, "keep one of them")
            self.key_at.setdefault(here, place)
            settings[key] = self.value(next(self.events), here)
        return settings


def _syntax_problem(text: str, error: MarkedYAMLError) -> _Problem:
    problem = str(error.problem or error.context or "this is not YAML")
    mark = error.problem_mark or error.context_mark
    begins_above = error.context_mark is not None and mark is not None and error.context_mark.line < mark.line
    if begins_above and any(symptom in problem for symptom in ("expected ':'", "end of stream", "expected ','")):
        mark = error.context_mark  # where it began says more than where the parser gave up
    place = Place(1, 1) if mark is None else place_inside(content_lines(text), mark.line + 1, mark.column + 1)
    if "'\\t'" in problem:
        return place, (), "a tab cannot indent a line", "use spaces"
    return place, (), next((words for symptom, words in _PLAIN_WORDS if symptom in problem), problem), None
