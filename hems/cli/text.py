"""Files that are named on the command line."""

from pathlib import Path

from hems.domain.errors import BadInputError


def read_text(path: Path) -> str:
    """Text of a file. Raises BadInputError with the file's name."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise BadInputError(f"{path}: cannot be read: {reason}") from None
