"""Passwords that the site file refers to: in ``secrets.yaml`` beside it, or given by systemd.

The file holds ``name: value`` lines and nothing else. No message repeats a value.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from hems.config.finding import head
from hems.config.tree import parse_tree
from hems.domain.errors import BadInputError

Secrets = Callable[[str], str | None]
"""Value of a name, None where it is not set."""

FILE_NAME: Final = "secrets.yaml"
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,60}", re.ASCII)
_VALUE_CHARACTERS_MAX: Final = 200
_FILE_BYTES_MAX: Final = 65_536
_OTHERS: Final = 0o077
"""Permissions of the group and of everybody."""


class SecretFiles:
    """Implements :data:`Secrets` over the two places; both are read anew at each call."""

    def __init__(self, site_path: Path, environment: Mapping[str, str]) -> None:
        """``environment`` may name systemd's CREDENTIALS_DIRECTORY."""
        self.path = site_path.parent / FILE_NAME
        credentials = environment.get("CREDENTIALS_DIRECTORY")
        self._credentials = None if not credentials else Path(credentials)

    def __call__(self, name: str) -> str | None:
        """Value of a name; the file wins over systemd.

        Raises:
            BadInputError: the file cannot be read or is not what it should be.
        """
        value = read_secrets(self.path).get(name)
        if value is not None or self._credentials is None or not _NAME.fullmatch(name) or name.startswith("."):
            return value
        try:
            return (self._credentials / name).read_text().rstrip("\n")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise BadInputError(f"{self._credentials / name}: the secret cannot be read: {_reason(error)}") from None

    def warning(self) -> str | None:
        """A sentence where others may read the file, with the command that ends it."""
        try:
            mode = self.path.stat().st_mode & 0o777
        except OSError:
            return None
        if not mode & _OTHERS:
            return None
        return f"{self.path} can be read by others on this machine (mode {mode:04o}); run: chmod 600 {self.path}"


def read_secrets(path: Path) -> dict[str, str]:
    """Names and values of a file; none where there is no file.

    Raises:
        BadInputError: it cannot be read, or holds anything but ``name: value`` lines; places, never values.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_FILE_BYTES_MAX + 1)
        text = content.decode()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"{path}: the secrets cannot be read: {_reason(error)}") from None
    if len(content) > _FILE_BYTES_MAX:
        raise BadInputError(f"{path}: more than {_FILE_BYTES_MAX // 1024} KiB; is it a file of secrets?")
    if not any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines()):
        return {}
    tree, findings = parse_tree(text)
    if tree is None:
        # The places only: what stands there may be a secret, and a message ends up in a log.
        places = ", ".join(head(each, str(path)).split(": ", 1)[0] for each in findings)
        raise BadInputError(f'{places}: not a line like name: "value"; write it anew with: hems secrets set NAME')
    secrets = {name: value for name, value in tree.root.items() if isinstance(value, str)}
    for name in tree.root:
        if name not in secrets:
            line = tree.key_place((name,)).line
            raise BadInputError(f'{path}:{line}: a secret is one value: name: "value"')
    return secrets


def write_secret(path: Path, name: str, value: str) -> None:
    """Set one secret; the others stay. The file is replaced as a whole, readable by its owner alone.

    Raises:
        BadInputError: the name or the value cannot be used, or the file cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise BadInputError("the name of a secret has letters, digits, ., - and _, for example: wallbox")
    if not value or len(value) > _VALUE_CHARACTERS_MAX or not value.isprintable():
        raise BadInputError(f"a secret has 1 to {_VALUE_CHARACTERS_MAX} printable characters; nothing was changed")
    secrets = read_secrets(path) | {name: value}
    lines = [f"{each}: {json.dumps(secrets[each], ensure_ascii=False)}\n" for each in sorted(secrets)]
    try:
        _replace(
            path, "# Passwords of the site file beside this one. Set with: hems secrets set NAME\n" + "".join(lines)
        )
    except OSError as error:
        raise BadInputError(f"{path}: the secret cannot be stored: {_reason(error)}") from None


def _replace(path: Path, text: str) -> None:
    """Old or new after a power cut, never a part, and never readable by others in between.

    The owner stays: set by root, the file must still be readable by the daemon, which is not root.
    """
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        if os.geteuid() == 0 and path.exists():
            owner = path.stat()
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _reason(error: OSError | UnicodeDecodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    return error.strerror or str(error)
