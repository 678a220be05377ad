"""An SQLite file with a checksum in each row, that opens whatever is found and goes on in memory without a disk."""

import contextlib
import sqlite3
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hems.store.findings import Findings

VERSION = 4
"""Of the tables, kept as ``user_version``; 0 is a new file. A file of an earlier version gets the tables it lacks."""
PRAGMAS = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA temp_store = MEMORY")
CHECKPOINT = "PRAGMA wal_checkpoint(TRUNCATE)"
"""After the tables were made: from then on the file alone can be read, which is all that a read-only disk allows."""
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
DAMAGED_MAX = 9
COMPANIONS = ("", "-wal", "-shm")

Row = Sequence[str | int | float | bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows by key; a new row replaces the one with its key."""

    name: str
    key: tuple[str, ...]
    values: tuple[str, ...]
    unsaved_max: int
    """Rows kept in memory while the disk takes none; the oldest go first."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Key, values, and the CRC-32 of both: SQLite does not see a bit that changed inside a row."""
        return (*self.key, *self.values, "crc")

    def create(self) -> tuple[str, ...]:
        """Statements that make it."""
        columns = f"({', '.join(self.columns)}, PRIMARY KEY ({', '.join(self.key)}))"
        return (f"CREATE TABLE IF NOT EXISTS {self.name} {columns} WITHOUT ROWID",)

    def create_unsaved(self) -> tuple[str, ...]:
        """Statements that make its twin in memory, and the view of both."""
        columns = f"({', '.join(self.columns)}, PRIMARY KEY ({', '.join(self.key)}))"
        return (
            f"CREATE TEMP TABLE IF NOT EXISTS unsaved_{self.name} {columns}",
            f"CREATE TEMP VIEW IF NOT EXISTS every_{self.name} AS SELECT *, 0 AS unsaved FROM main.{self.name}"  # noqa: S608 - names of ours
            f" UNION ALL SELECT *, 1 FROM unsaved_{self.name}",
        )

    def insert(self, target: str) -> str:
        """Statement that puts a row."""
        return f"INSERT OR REPLACE INTO {target} VALUES ({', '.join('?' * len(self.columns))})"  # noqa: S608 - as above


class Database:
    """Tables in a file. Never raises for what the disk does; one thread at a time, any thread."""

    def __init__(
        self,
        path: Path,
        tables: Sequence[Table],
        findings: Findings,
        *,
        free_space: Callable[[], bool],
        read_only: bool = False,
    ) -> None:
        """See :class:`hems.store.history.History`."""
        self._path = path
        self._tables = tables
        self._stands_in = False
        """Whether nothing that is written now reaches the file: it was opened for reading only, or not at all."""
        self._findings = findings
        self._free_space = free_space
        self._read_only = read_only
        self._connection = self._beside() if read_only else self._opened()

    def put(self, table: Table, rows: Sequence[Row]) -> bool:
        """Add or replace, all or none. True: durable. False: in memory, and written with the next rows that are."""
        checked = [(*row, _crc(row)) for row in rows]
        if self._write(lambda: self._save(table, checked)):
            return True
        with self._connection:
            self._connection.executemany(table.insert(f"unsaved_{table.name}"), checked)
            self._connection.execute(
                f"DELETE FROM unsaved_{table.name} WHERE rowid <="  # noqa: S608 - names of ours
                f" (SELECT max(rowid) FROM unsaved_{table.name}) - {table.unsaved_max}"
            )
        return False

    def rows(self, table: Table, condition: str, values: Row) -> list[Any]:
        """Whole rows without their checksum, by key; one that is damaged is left out and told."""
        order = ", ".join(table.key)
        query = f"SELECT * FROM every_{table.name} WHERE {condition} ORDER BY {order}, unsaved"  # noqa: S608 - as above
        try:
            found = self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            self._findings.tell(self._path.name, f"{table.name} cannot be read: {error}")
            if _is_damaged(error) and not self._read_only:
                self._start_again(str(error))
            return []
        newest: dict[Any, Any] = {}
        for *row, crc, _ in found:
            if crc == _crc(row):
                newest[tuple(row[: len(table.key)])] = tuple(row)
            else:
                self._findings.tell(self._path.name, f"a damaged row of {table.name} is left out")
        return list(newest.values())

    def drop_oldest(self, table: Table, *, below: int, count_max: int) -> None:
        """Delete at most so many rows whose first key is below a value, smallest first."""
        key = table.key[0]
        statement = (
            f"DELETE FROM main.{table.name} WHERE {key} IN"  # noqa: S608 - as above
            f" (SELECT {key} FROM main.{table.name} WHERE {key} < ? ORDER BY {key} LIMIT ?)"
        )
        self._write(lambda: self._connection.execute(statement, (below, count_max)))

    def close(self) -> None:
        """Write what is only in memory if the disk takes it now, and close."""
        if not self._read_only:
            self._write(lambda: self._save(self._tables[0], []))
        self._connection.close()

    def _save(self, table: Table, rows: Sequence[Row]) -> None:
        for each in self._tables:
            self._connection.execute(f"INSERT OR REPLACE INTO main.{each.name} SELECT * FROM unsaved_{each.name}")  # noqa: S608 - as above
            self._connection.execute(f"DELETE FROM unsaved_{each.name}")  # noqa: S608 - as above
        self._connection.executemany(table.insert(f"main.{table.name}"), rows)

    def _write(self, work: Callable[[], object]) -> bool:
        """Do the work in one transaction; a full disk gets a second try, a damaged file a fresh one."""
        if self._read_only or (self._stands_in and not self._regained()):
            return False
        for last in (False, True):
            try:
                with self._connection:
                    work()
            except sqlite3.Error as error:
                again = False
                if _is_damaged(error):
                    self._start_again(str(error))
                    again = True
                elif _is_full(error):
                    again = self._free_space()
                if last or not again:
                    self._findings.failed(self._path.name, error)
                    return False
            else:
                self._findings.works(self._path.name)
                return True
        raise AssertionError("unreachable")

    def _start_again(self, why: str) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()
        self._set_aside(why)
        self._connection = self._opened()

    def _regained(self) -> bool:
        """Whether the file can be written again; what was kept in memory meanwhile goes along."""
        try:
            fresh = self._connected(str(self._path))
        except (OSError, sqlite3.Error):
            return False
        for table in self._tables:
            unsaved = self._connection.execute(f"SELECT * FROM unsaved_{table.name}")  # noqa: S608 - as above
            fresh.executemany(table.insert(f"unsaved_{table.name}"), unsaved)
        self._connection.close()
        self._connection = fresh
        self._stands_in = False
        return True

    def _beside(self) -> sqlite3.Connection:
        """The file of somebody else, who may be writing it."""
        return self._connected(f"{self._path.absolute().as_uri()}?mode=ro", writable=False)

    def _opened(self) -> sqlite3.Connection:
        """The file, the file after a second try, the file for reading only, or nothing but memory."""
        self._stands_in = False
        for _ in range(2):
            try:
                return self._connected(str(self._path))
            except (OSError, sqlite3.Error) as error:
                trouble = error
                if _is_damaged(error) or self._path.is_dir():
                    self._set_aside(str(error))
                elif not (_is_full(error) and self._free_space()):
                    break
        self._findings.failed(self._path.name, trouble)
        self._stands_in = True
        try:
            return self._connected(f"{self._path.absolute().as_uri()}?immutable=1", writable=False)
        except sqlite3.Error:
            return self._connected(":memory:")

    def _connected(self, target: str, *, writable: bool = True) -> sqlite3.Connection:
        if target != ":memory:" and writable:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(target, uri=not writable, check_same_thread=False)
        try:
            self._prepare(connection, writable=writable)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection, *, writable: bool) -> None:
        for pragma in PRAGMAS:
            connection.execute(pragma)
        if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise _damaged("the check of the file failed")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise _damaged(f"its tables are of version {version}, not {VERSION}")
        if writable and version < VERSION:
            for table in self._tables:
                for statement in table.create():
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute(CHECKPOINT)
        for table in self._tables:
            for statement in table.create_unsaved():
                connection.execute(statement)
            connection.execute(f"SELECT * FROM every_{table.name} LIMIT 0")  # noqa: S608 - as above

    def _set_aside(self, why: str) -> None:
        name = self._path.name
        try:
            taken = {each.name for each in self._path.parent.iterdir()}
            number = next((n for n in range(1, DAMAGED_MAX) if f"{name}.damaged-{n}" not in taken), DAMAGED_MAX)
            for companion in COMPANIONS:
                before = self._path.with_name(name + companion)
                if before.exists():
                    before.replace(self._path.with_name(f"{name}.damaged-{number}{companion}"))
        except OSError as error:
            self._findings.tell(name, f"{why}; it cannot be set aside either ({error})")
        else:
            self._findings.tell(name, f"{why}; set aside as {name}.damaged-{number}, starting empty")


def _crc(row: Row) -> int:
    return zlib.crc32(repr(tuple(row)).encode())


def _damaged(text: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(text)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _is_damaged(error: Exception) -> bool:
    return _code(error) in DAMAGED


def _is_full(error: Exception) -> bool:
    return _code(error) == sqlite3.SQLITE_FULL


def _code(error: Exception) -> int:
    """SQLite's primary result code, 0 for other errors; the upper bits only say more."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
