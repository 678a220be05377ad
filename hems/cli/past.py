"""The history of a house, read beside a daemon at work."""

import sqlite3
from pathlib import Path

from hems.domain.errors import BadInputError
from hems.store.findings import Findings
from hems.store.history import History


def open_past(state_dir: Path) -> History:
    """For reading only.

    Raises:
        BadInputError: there is none in this folder, or it cannot be read.
    """
    path = state_dir / "history.sqlite"
    if not path.is_file():
        raise BadInputError(f"--state-dir: {path}: no such file; name the folder that hems run keeps its state in")
    try:
        return History(path, Findings(), read_only=True)
    except sqlite3.Error as error:
        raise BadInputError(f"{path}: cannot be read: {error}") from None
