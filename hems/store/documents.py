"""Small documents that must survive exactly: overrides, commitments, learnt facts, what chargers were told.

TinyDB on a storage of our own. Its stock storage overwrites in place and cuts afterwards; killed in between it left
an unreadable file in up to 58 % of 300 kills. Here a document is replaced as a whole and the one before it is kept.
"""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from tinydb import TinyDB, where
from tinydb.storages import Storage

from hems import wire
from hems.domain.errors import BadInputError
from hems.ports import Files
from hems.store.findings import Findings
from hems.store.quarantine import names_in, set_aside

T = TypeVar("T")

SIZE_MAX_BYTES = 200_000
"""Every change writes the whole file; 200 changes a day of this size are 40 MB of the daily 60 MB."""

Tables = dict[str, dict[str, Any]]


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:  # noqa: ANN401 - a type form
    return TypeAdapter(kind)


class AtomicStorage(Storage):
    """A TinyDB storage that is the old or the new document after a crash at any point.

    ``NAME.new`` is written and synced, ``NAME`` gets the second name ``NAME.prev``, ``NAME.new`` becomes ``NAME``.
    What is in memory counts while the disk does not take it; ``durable`` says whether the last write did reach it.
    """

    def __init__(self, files: Files, path: str, *, schema: str, findings: Findings) -> None:
        """Load the newest whole document; anything damaged is set aside and told."""
        self._files = files
        self._path = path
        self._schema = schema
        self._findings = findings
        self._generation = 0
        self._text: str | None = None
        self.durable = True
        with findings.watch(path):
            self._load()

    def read(self) -> Tables | None:
        """All tables, a copy; None before the first write."""
        return None if self._text is None else json.loads(self._text)

    def write(self, data: Tables) -> None:
        """Replace everything.

        Raises:
            BadInputError: not JSON, or too large; nothing was changed.
        """
        try:
            text = json.dumps(data, allow_nan=False, ensure_ascii=False, sort_keys=True)
        except (TypeError, ValueError) as error:
            raise BadInputError(f"{self._path}: cannot be stored: {error}; nothing was changed") from None
        if self.durable and text == self._text:
            return
        content = _wrapped(self._schema, self._generation + 1, data)
        if len(content) > SIZE_MAX_BYTES:
            raise BadInputError(
                f"{self._path}: would have {len(content)} bytes and may have {SIZE_MAX_BYTES}; nothing was changed"
            )
        self._text = text
        self._generation += 1
        with self._findings.watch(self._path) as watched:
            self._replace(content)
        self.durable = watched.worked

    def _replace(self, content: bytes) -> None:
        fresh = f"{self._path}.new"
        self._files.write(fresh, content)
        self._files.sync_content(fresh)
        if self._files.size(self._path) is not None:
            self._files.link(self._path, f"{self._path}.prev")
        self._files.rename(fresh, self._path)

    def _load(self) -> None:
        with suppress(OSError):  # only a file in the place of the folder is looked for
            names_in(self._files, self._path.rpartition("/")[0], self._findings)
        fresh = f"{self._path}.new"
        if self._take(self._path):
            self._check_previous()
        elif self._take(f"{self._path}.prev"):
            self._findings.tell(self._path, "the document before it is used; the last change is lost")
        try:
            self._files.remove(fresh)
        except OSError as error:
            set_aside(self._files, fresh, self._findings, why=f"cannot be removed ({error})")

    def _check_previous(self) -> None:
        """Nothing may be in the place of the document before, where no document could be put."""
        previous = f"{self._path}.prev"
        try:
            self._files.read(previous)
        except OSError as error:
            set_aside(self._files, previous, self._findings, why=f"not a readable file ({error})")

    def _take(self, path: str) -> bool:
        """Use the document at a path; False if there is none, or none that can be used, which is set aside."""
        try:
            content = self._files.read(path)
            if content is None:
                return False
            self._generation, data = _unwrapped(self._schema, content)
        except (OSError, ValueError, RecursionError) as error:
            set_aside(self._files, path, self._findings, why=f"cannot be used ({error})")
            return False
        self._text = json.dumps(data, ensure_ascii=False, sort_keys=True)
        return True


def _wrapped(schema: str, generation: int, data: Tables) -> bytes:
    content = {"schema": schema, "generation": generation, "data": data}
    return json.dumps({**content, "sha256": _digest(content)}, ensure_ascii=False, indent=1).encode()


def _unwrapped(schema: str, content: bytes) -> tuple[int, Tables]:
    """Generation and data.

    Raises:
        ValueError: this is not what was written, or not of this schema.
    """
    found = json.loads(content)
    if not isinstance(found, dict):
        raise ValueError("no document")  # noqa: TRY004 - content that is wrong, not a caller
    digest = found.pop("sha256", None)
    if digest != _digest(found):
        raise ValueError("its content does not match its checksum")
    if found.get("schema") != schema:
        raise ValueError(f"it is {found.get('schema')}, not {schema}")
    return found["generation"], found["data"]


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class Documents(Generic[T]):
    """Values of one kind by key, in one file. Reading is from memory; writing is to be done through ``Offload``."""

    def __init__(self, storage: AtomicStorage, kind: type[T], *, place: str, findings: Findings) -> None:
        """See :meth:`open`."""
        self._storage = storage
        self._database = TinyDB(storage=lambda: storage)
        form: Any = kind
        self._adapter: TypeAdapter[T] = _adapter(form)
        self._place = place
        self._values: dict[str, T] = {}
        for entry in self._database:
            try:
                self._values[entry["key"]] = self._parsed(entry["value"], entry["key"])
            except BadInputError as error:
                findings.tell(place, f"left out, and kept in the file: {error}")

    @classmethod
    def open(cls, files: Files, name: str, *, kind: type[T], findings: Findings) -> "Documents[T]":
        """The documents of a name; never raises.

        Args:
            files: below the state folder.
            name: of the file, and of its schema.
            kind: a dataclass, or ``bytes`` for the JSON text of somebody else.
            findings: where damage and a failing disk are told.
        """
        place = f"documents/{name}.json"
        storage = AtomicStorage(files, place, schema=f"hems/documents/{name}/1", findings=findings)
        return cls(storage, kind, place=place, findings=findings)

    def get(self, key: str) -> T | None:
        """The value of a key."""
        return self._values.get(key)

    def all(self) -> Mapping[str, T]:
        """Every value by its key, in the order in which the keys were first put."""
        return MappingProxyType(dict(self._values))

    def put(self, key: str, value: T) -> bool:
        """Add or replace. True: it survives a power cut. False: it is kept in memory, and written with the next one.

        Raises:
            BadInputError: the value is not of this kind, or the file would be too large; nothing was changed.
        """
        plain = self._adapter.dump_python(value, mode="json", warnings="none")
        kept = self._parsed(plain, key)
        # TinyDB's own upsert writes the file twice: an update of nothing, then an insertion.
        entry = {"key": key, "value": plain}
        if self._database.contains(where("key") == key):
            self._database.update(entry, where("key") == key)
        else:
            self._database.insert(entry)
        self._values[key] = kept
        return self._storage.durable

    def remove(self, key: str) -> bool:
        """Delete; no error if there is none. True: durable, as with :meth:`put`."""
        self._values.pop(key, None)
        if self._database.contains(where("key") == key) or not self._storage.durable:
            self._database.remove(where("key") == key)
        return self._storage.durable

    def _parsed(self, plain: object, key: str) -> T:
        source = f"{self._place}: {key}"
        try:
            return self._adapter.validate_json(json.dumps(plain, allow_nan=False))
        except ValidationError as error:
            raise BadInputError(wire.describe(error, source=source)) from None
        except (TypeError, ValueError) as error:
            raise BadInputError(f"{source}: cannot be stored: {error}; nothing was changed") from None
