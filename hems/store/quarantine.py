"""What cannot be read is set aside under a name of its own, so that the house starts and nothing is destroyed."""

from hems.ports import Files
from hems.store.findings import Findings

DAMAGED_MAX = 9
"""A card that damages a file at every start must not fill up with the pieces."""


def set_aside(files: Files, path: str, findings: Findings, *, why: str) -> None:
    """Rename to ``PATH.damaged-N``; where even that fails, say so and go on."""
    folder, _, name = path.rpartition("/")
    try:
        taken = set(files.names(folder))
        number = next((n for n in range(1, DAMAGED_MAX) if f"{name}.damaged-{n}" not in taken), DAMAGED_MAX)
        files.rename(path, f"{path}.damaged-{number}")
    except OSError as error:
        findings.tell(path, f"{why}; it cannot be set aside either ({error})")
    else:
        findings.tell(path, f"{why}; set aside as {name}.damaged-{number}")


def names_in(files: Files, folder: str, findings: Findings) -> list[str]:
    """Names in a folder; a file in its place is set aside, so that the folder can be made.

    Raises:
        OSError: the folder cannot be read.
    """
    try:
        return files.names(folder)
    except NotADirectoryError:
        set_aside(files, folder, findings, why="a file where a folder should be")
        return []
