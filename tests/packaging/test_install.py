"""install.sh refuses what it cannot work on, with a reason and the one thing to do. Method: a PATH of stand-ins."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("bash", "env", "dirname", "cat", "sha256sum", "cut", "sed", "touch", "rm")

GOOD = {"version_info": 0, "maxsize": 0, "ensurepip": 0}


def machine(folder: Path, answers: dict[str, int] | None) -> dict[str, str]:
    """Environment of a machine whose python3 answers the script's questions; None: it has no Python."""
    bin_folder = folder / "bin"
    bin_folder.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None
        (bin_folder / tool).symlink_to(found)
    if answers is not None:
        cases = "".join(f"*{word}*) exit {code};;\n" for word, code in answers.items())
        python = bin_folder / "python3"
        python.write_text(
            f'#!/usr/bin/env bash\ncase "$*" in\n--version) echo Python 3.9.2;;\n{cases}*) exit 97;;\nesac\n'
        )
        python.chmod(0o755)
    return {"PATH": str(bin_folder)}


def install(folder: Path, answers: dict[str, int] | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    checkout = folder / "checkout"
    checkout.mkdir()
    for name in ("install.sh", "pyproject.toml", "requirements.lock", "requirements-dev.lock"):
        shutil.copy(ROOT / name, checkout)
    command = [str(checkout / "install.sh"), *arguments]
    return subprocess.run(
        command, env=machine(folder, answers), capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (None, "sudo apt-get install -y python3 python3-venv"),
        ({**GOOD, "version_info": 1}, "Python 3.11 or newer is needed, this is Python 3.9.2"),
        ({**GOOD, "maxsize": 1}, "a 64-bit system is needed: the solver has no 32-bit build"),
        ({**GOOD, "ensurepip": 1}, "sudo apt-get install -y python3-venv"),
    ],
    ids=["no python", "old python", "32 bit", "no venv"],
)
@pytest.mark.parametrize("command", ["test", "demo"])
def test_what_is_missing_is_named_in_one_line(tmp_path: Path, answers: dict[str, int] | None, words: str, command: str):
    done = install(tmp_path, answers, command)
    assert done.returncode == 1
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "checkout" / ".venv").exists()


def test_an_unknown_command_is_answered_with_those_that_there_are(tmp_path: Path):
    done = install(tmp_path, GOOD, "intsall")
    assert done.returncode == 2
    for command in ("sudo ./install.sh ", "./install.sh uninstall", "./install.sh test", "./install.sh demo"):
        assert command in done.stdout
