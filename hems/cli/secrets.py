"""``hems secrets set NAME`` and ``hems secrets list``: the passwords beside a site file, without showing them."""

import getpass
import json
import sys
from pathlib import Path

from hems.config import read_secrets, write_secret
from hems.config.secrets import FILE_NAME
from hems.domain.errors import BadInputError


def set_secret(name: str, *, site: Path) -> int:
    """Ask for a value twice on a terminal, or read one line of standard input, and store it beside the site file.

    Returns:
        0.

    Raises:
        BadInputError: the two differ, the value cannot be used, or it cannot be stored.
    """
    path = site.parent / FILE_NAME
    if sys.stdin.isatty():
        value = getpass.getpass(f"Value of {name}: ")
        if getpass.getpass("Once more: ") != value:
            raise BadInputError("the two differ; nothing was changed")
    else:
        value = sys.stdin.readline().rstrip("\r\n")
    write_secret(path, name, value)
    print(f"{name} is set in {path}")
    return 0


def list_secrets(*, site: Path, as_json: bool) -> int:
    """Print the names that are set beside the site file.

    Returns:
        0.

    Raises:
        BadInputError: the file of secrets cannot be read.
    """
    path = site.parent / FILE_NAME
    names = sorted(read_secrets(path))
    if as_json:
        print(json.dumps({"file": str(path), "names": names}))
    else:
        print("\n".join(names) if names else f"no secret is set in {path}")
    return 0
