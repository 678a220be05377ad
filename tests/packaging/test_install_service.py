"""install.sh as root, below a folder: what is put where, what is kept, and that a failure changes nothing.

Method: a Python that only notes what pip is asked for; user, folders and links are made by the real tools.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHECKOUT = ("install.sh", "pyproject.toml", "requirements.lock", "systemd", "config")

PYTHON = """#!/usr/bin/env bash
echo "$0 $*" >>"$NOTES"
case "$*" in
    "-c import"*) exit 0 ;;
    "-m venv "*)
        mkdir -p "$3/bin"
        cp "$0" "$3/bin/python"
        ;;
    *--require-hashes*) [ ! -e "$NOTES.no-network" ] || { echo "no network" >&2; exit 1; } ;;
    *--no-index*)
        printf '#!/bin/sh\\n%s\\n' "$(cat "$NOTES.hems" 2>/dev/null || echo 'echo hems "$@"')" >"${0%/*}/hems"
        chmod +x "${0%/*}/hems"
        ;;
esac
"""


class Machine:
    """An empty root and a checkout."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.notes = folder / "notes"
        self.checkout = folder / "checkout"
        tools = folder / "tools"
        for each in (self.root / "etc", self.checkout, tools):
            each.mkdir(parents=True)
        for name in ("passwd", "shadow", "gshadow"):
            (self.root / "etc" / name).touch()
        (self.root / "etc" / "group").write_text("root:x:0:\n")
        for name in CHECKOUT:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, self.checkout / name)
        (tools / "python3").write_text(PYTHON)
        (tools / "python3").chmod(0o755)
        self.environment = {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "HEMS_ROOT": str(self.root),
            "NOTES": str(self.notes),
        }

    def install(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.checkout / "install.sh"), *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            umask=0o077,
        )

    def installed(self, *arguments: str) -> str:
        done = self.install(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def version(self) -> str:
        return str((self.root / "opt" / "hems").readlink())

    def owner(self, path: str) -> tuple[int, str, str]:
        """Mode, and names of user and group as in the root's own files."""
        status = (self.root / path).stat()
        names = {
            kind: {
                int(line.split(":")[2]): line.split(":")[0]
                for line in (self.root / "etc" / kind).read_text().splitlines()
            }
            for kind in ("passwd", "group")
        }
        user = "root" if status.st_uid == 0 else names["passwd"][status.st_uid]
        return (status.st_mode & 0o777, user, names["group"][status.st_gid])


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    if shutil.which("systemd-sysusers") is None:
        pytest.skip("systemd is not installed")
    return Machine(tmp_path)


def everything(root: Path) -> dict[str, bytes | str]:
    """Every file and link below a folder."""
    return {
        str(path.relative_to(root)): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in root.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def test_a_first_installation_puts_everything_in_its_place(machine: Machine):
    told = machine.installed()

    root = machine.root
    assert machine.version.startswith("hems.d/")
    assert (root / "opt" / "hems" / "bin" / "hems").is_file()
    assert (root / "usr/local/bin/hems").readlink() == Path("/opt/hems/bin/hems")
    assert (root / "etc/systemd/system/hems.service").read_bytes() == (ROOT / "systemd/hems.service").read_bytes()
    assert (root / "etc/hems/site.yaml").read_bytes() == (ROOT / "config/examples/minimal.yaml").read_bytes()
    assert {
        path: machine.owner(path)
        for path in ("etc/hems", "etc/hems/site.yaml", "etc/hems/secrets.yaml", "var/lib/hems")
    } == {
        "etc/hems": (0o750, "root", "hems"),
        "etc/hems/site.yaml": (0o640, "root", "hems"),
        "etc/hems/secrets.yaml": (0o600, "hems", "hems"),
        "var/lib/hems": (0o700, "hems", "hems"),
    }
    assert (root / "opt/hems.d").stat().st_mode & 0o777 == 0o755, "whatever the caller's umask, the service can read it"
    assert "sudo hems check /etc/hems/site.yaml" in told, "nobody else may read it"
    assert "sudo hems secrets set NAME" in told
    pip = [line for line in machine.notes.read_text().splitlines() if " pip install " in line]
    assert len(pip) == 2
    assert "--require-hashes -r requirements.lock" in pip[0]
    assert "--no-deps --no-build-isolation --no-index ." in pip[1]


def test_the_second_installation_is_an_update_that_keeps_what_is_yours_and_the_way_back(machine: Machine):
    machine.installed()
    first = machine.version
    site, secrets, data = (
        machine.root / path for path in ("etc/hems/site.yaml", "etc/hems/secrets.yaml", "var/lib/hems/x")
    )
    for path in (site, secrets, data):
        path.write_text("mine\n")

    told = machine.installed()

    assert machine.version != first
    assert [path.read_text() for path in (site, secrets, data)] == ["mine\n"] * 3
    assert "describe the house" not in told
    assert (machine.root / "opt" / first).is_dir()
    machine.installed()
    assert not (machine.root / "opt" / first).exists(), "the version before the last is gone"
    assert len(list((machine.root / "opt/hems.d").iterdir())) == 2


def test_an_update_after_a_step_back_keeps_the_version_that_was_at_work(machine: Machine):
    machine.installed()
    good = machine.version
    machine.installed()
    bad = machine.version
    link = machine.root / "opt" / "hems"
    link.unlink()
    link.symlink_to(good)

    machine.installed()

    assert (machine.root / "opt" / good / "bin" / "hems").is_file()
    assert not (machine.root / "opt" / bad).exists(), "the version that was left is gone"
    assert machine.version not in (good, bad)


@pytest.mark.parametrize("failure", ["no network", "site refused"])
def test_an_update_that_fails_changes_nothing(machine: Machine, failure: str):
    machine.installed()
    (machine.root / "etc/hems/site.yaml").write_text("mine\n")
    before = everything(machine.root)
    if failure == "no network":
        Path(f"{machine.notes}.no-network").touch()
    else:
        Path(f"{machine.notes}.hems").write_text("echo site.yaml:1:1: unknown setting; exit 1")
        (machine.checkout / "systemd" / "hems.service").write_text("another unit\n")

    done = machine.install()

    assert done.returncode == 1
    assert everything(machine.root) == before
    if failure == "site refused":
        assert "site.yaml:1:1: unknown setting" in done.stderr
        assert "Nothing was changed." in done.stderr


@pytest.mark.parametrize("is_link", [False, True])
@pytest.mark.parametrize("arguments", [(), ("uninstall",)])
def test_what_somebody_else_has_there_is_neither_replaced_nor_taken_away(
    machine: Machine, arguments: tuple[str, ...], is_link: bool
):
    folder = machine.root / ("srv/hems" if is_link else "opt/hems")
    folder.mkdir(parents=True)
    (folder / "theirs").write_text("years of work\n")
    if is_link:
        (machine.root / "opt").mkdir()
        (machine.root / "opt/hems").symlink_to("../srv/hems")
    command = machine.root / "usr/local/bin/hems"
    command.parent.mkdir(parents=True)
    command.symlink_to("/srv/hems/hems")
    before = everything(machine.root)

    done = machine.install(*arguments)

    assert done.returncode == 1
    assert "was not made by this script" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert everything(machine.root) == before


def test_uninstalling_leaves_a_command_of_somebody_else(machine: Machine):
    machine.installed()
    command = machine.root / "usr/local/bin/hems"
    command.unlink()
    command.symlink_to("/srv/hems/hems")

    machine.installed("uninstall")

    assert command.readlink() == Path("/srv/hems/hems")


@pytest.mark.parametrize("has_timesyncd", [True, False])
def test_the_drop_in_for_other_time_services_is_there_where_it_is_needed(machine: Machine, has_timesyncd: bool):
    drop_in = machine.root / "etc/systemd/system/hems.service.d/clock.conf"
    machine.installed()
    assert drop_in.is_file()
    if has_timesyncd:
        daemon = machine.root / "usr/lib/systemd/systemd-timesyncd"
        daemon.parent.mkdir(parents=True)
        daemon.touch()

    machine.installed()

    assert drop_in.is_file() != has_timesyncd


def test_uninstalling_takes_the_program_and_keeps_configuration_and_data(machine: Machine):
    machine.installed()
    override = machine.root / "etc/systemd/system/hems.service.d/override.conf"
    override.write_text("[Service]\n")
    (machine.root / "var/lib/hems/x").write_text("mine\n")

    told = machine.installed("uninstall")

    left = set(everything(machine.root)) - {f"etc/{each.name}" for each in (machine.root / "etc").iterdir()}
    kept = {
        "etc/hems/site.yaml",
        "etc/hems/secrets.yaml",
        "var/lib/hems/x",
        "etc/systemd/system/hems.service.d/override.conf",
    }
    assert left == kept
    assert f"Kept: {machine.root}/etc/hems (configuration, passwords), {machine.root}/var/lib/hems (data)" in told
    machine.installed("uninstall")


def test_without_root_nothing_is_installed():
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    with tempfile.TemporaryDirectory() as folder:  # not tmp_path: nobody may not enter root's folders
        checkout = Path(folder)
        checkout.chmod(0o755)
        shutil.copy(ROOT / "install.sh", checkout)
        _nothing_is_installed_from(checkout)


def _nothing_is_installed_from(checkout: Path) -> None:

    def as_nobody(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(checkout / "install.sh"), *arguments],
            env={"PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
            user=65_534,
            group=65_534,
            extra_groups=[],
        )

    asked, uninstalled = as_nobody(), as_nobody("uninstall")

    assert (asked.returncode, uninstalled.returncode) == (2, 1)
    assert "sudo ./install.sh" in asked.stdout
    assert uninstalled.stderr == "install.sh: this needs root. Run it as: sudo ./install.sh uninstall\n"
