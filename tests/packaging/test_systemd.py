"""The unit without systemd as process 1: syntax, exposure, user and folders, and its system call filter for real."""

import ctypes.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hems.app.starts import DELAY_MAX_S
from hems.domain.plan import Origin
from hems.runtime.planner import checked_plan
from hems.wire import canonical
from tests.support.problems import house_problem
from tests.support.unit_filter import allowed_calls

ROOT = Path(__file__).parents[2]
SYSTEMD = ROOT / "systemd"
UNIT = SYSTEMD / "hems.service"
CLOCK = SYSTEMD / "clock.conf"

# What the daemon is made of, each thing once: a failure names the call that the filter should allow.
PROBE = """
import asyncio, fcntl, os, pty, signal, socket, sqlite3, ssl, subprocess, sys, threading
from pathlib import Path
import aiohttp, aiomqtt, ocpp, pymodbus, serial, tinydb
from aiohttp import web
from hems.runtime.clock import SystemClock
from hems.runtime.notify import Notifier
from hems.runtime.offload import ThreadOffload

def disk(folder):
    with sqlite3.connect(folder / "x.sqlite") as base:
        base.execute("pragma journal_mode=wal"); base.execute("create table t(a)")
        base.execute("insert into t values (1)")
    base.close()
    file = os.open(folder / "new", os.O_WRONLY | os.O_CREAT, 0o600)
    fcntl.flock(file, fcntl.LOCK_EX); os.write(file, b"x"); os.fsync(file); os.close(file)
    os.replace(folder / "new", folder / "old"); os.truncate(folder / "old", 0)
    os.chmod(folder / "old", 0o600)

async def main(folder):
    ours, theirs = pty.openpty()
    port = serial.Serial(os.ttyname(theirs), 115200, timeout=1)
    os.write(ours, b"/x\\n"); assert port.readline() == b"/x\\n"; port.close()
    offload = ThreadOffload("disk")
    await offload(lambda: disk(folder)); await offload.close(deadline_s=5)
    ssl.create_default_context()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: None)
    app = web.Application(); app.router.add_get("/", lambda _: asyncio.sleep(0, web.Response(text="well")))
    runner = web.AppRunner(app); await runner.setup()
    site = web.TCPSite(runner, "localhost", 0); await site.start()
    address = "http://localhost:%d/" % runner.addresses[0][1]
    async with aiohttp.ClientSession() as session, session.get(address) as response:
        assert await response.text() == "well"
    await runner.cleanup()
    await SystemClock().sleep_until(0)
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", "print(7)", stdout=subprocess.PIPE)
    assert (await child.communicate())[0] == b"7\\n"
    print("well")

asyncio.run(main(Path(sys.argv[1])))
"""


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def settings(unit: Path) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        key, mark, value = line.partition("=")
        if mark and not line.startswith("#"):
            values.setdefault(key, []).append(value)
    return values


def with_drop_in(folder: Path) -> Path:
    merged = folder / "hems.service"
    merged.write_text(UNIT.read_text().replace("[Install]", CLOCK.read_text() + "\n[Install]"))
    return merged


@pytest.mark.parametrize("is_dropped_in", [False, True], ids=["unit", "with clock.conf"])
def test_systemd_finds_nothing_to_say_about_the_unit(tmp_path: Path, is_dropped_in: bool):
    text = with_drop_in(tmp_path).read_text() if is_dropped_in else UNIT.read_text()
    unit = tmp_path / "hems.service"
    unit.write_text(text.replace("/opt/hems/bin/hems", "/bin/true"))

    done = subprocess.run(
        [tool("systemd-analyze"), "verify", str(unit)], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.stdout + done.stderr, done.returncode) == ("", 0)


def test_a_misspelt_setting_would_be_found(tmp_path: Path):
    unit = tmp_path / "hems.service"
    unit.write_text(UNIT.read_text().replace("/opt/hems/bin/hems", "/bin/true").replace("ProtectHome=", "ProtectHom="))

    command = [tool("systemd-analyze"), "verify", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert "ProtectHom" in done.stdout + done.stderr


@pytest.mark.parametrize(("is_dropped_in", "threshold"), [(False, 15), (True, 19)], ids=["unit", "with clock.conf"])
def test_the_exposure_is_what_the_page_says(tmp_path: Path, is_dropped_in: bool, threshold: int):
    unit = with_drop_in(tmp_path) if is_dropped_in else UNIT
    command = [tool("systemd-analyze"), "security", "--offline=true", "--no-pager"]

    def at(limit: int) -> int:
        last = [*command, f"--threshold={limit}", str(unit)]
        return subprocess.run(last, capture_output=True, timeout=60, check=False).returncode

    assert at(threshold) == 0
    assert at(threshold - 1) == 1, "a threshold that holds for anything proves nothing"


def test_the_unit_says_what_the_daemon_relies_on():
    unit = settings(UNIT)

    assert unit["ExecStart"] == ["/opt/hems/bin/hems run /etc/hems/site.yaml --state-dir /var/lib/hems"]
    expected = {
        "Type": "notify",
        "NotifyAccess": "main",
        "WatchdogSec": "15s",
        "Restart": "always",
        "RestartSec": "2s",
        "StartLimitIntervalSec": "0",
        "TimeoutStartSec": f"{2 * DELAY_MAX_S:.0f}s",
        "TimeoutStopSec": "20s",
        "User": "hems",
        "StateDirectory": "hems",
        "ConfigurationDirectory": "hems",
        "PrivateNetwork": None,
        "IPAddressDeny": None,
    }
    assert {key: (unit[key][0] if key in unit else None) for key in expected} == expected


def test_user_and_folders_come_out_with_their_rights(tmp_path: Path):
    if os.geteuid() != 0:
        pytest.skip("only root can make users, also in an empty root")
    (tmp_path / "etc").mkdir()
    for name in ("passwd", "group", "shadow", "gshadow"):
        (tmp_path / "etc" / name).write_text("root:x:0:\n" if name == "group" else "")
    options = [f"--root={tmp_path}"]
    subprocess.run([tool("systemd-sysusers"), *options, str(SYSTEMD / "hems.sysusers")], check=True, timeout=20)
    subprocess.run(
        [tool("systemd-tmpfiles"), *options, "--create", str(SYSTEMD / "hems.tmpfiles")], check=True, timeout=20
    )

    (user,) = (tmp_path / "etc" / "passwd").read_text().splitlines()[-1:]
    name, _, uid, gid, _, home, shell = user.split(":")
    assert (name, home) == ("hems", "/var/lib/hems")
    assert shell.endswith("nologin")
    configuration, state = (tmp_path / path for path in ("etc/hems", "var/lib/hems"))
    assert [
        (each.stat().st_mode & 0o777, each.stat().st_uid, each.stat().st_gid) for each in (configuration, state)
    ] == [
        (0o750, 0, int(gid)),
        (0o700, int(uid), int(gid)),
    ]


def under_the_filter(unit: Path, *command: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    tool("systemd-analyze")
    if ctypes.util.find_library("seccomp") is None:
        pytest.skip("libseccomp is not installed")
    launcher = [sys.executable, str(ROOT / "tests" / "support" / "unit_filter.py"), str(unit)]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'drivers'}", "PYTHONWARNINGS": "ignore"}
    return subprocess.run(
        [*launcher, *command], input=given, capture_output=True, timeout=90, check=False, env=environment, cwd=ROOT
    )


def test_what_the_daemon_is_made_of_works_under_the_filter(tmp_path: Path):
    done = under_the_filter(UNIT, sys.executable, "-c", PROBE, str(tmp_path))

    assert (done.stdout, done.returncode) == (b"well\n", 0), done.stderr.decode()


def test_the_planner_plans_under_the_filter():
    problem = house_problem(4)
    line = canonical(problem) + b"\n"

    done = under_the_filter(UNIT, sys.executable, "-m", "hems.workers.plan", given=line)

    assert checked_plan(problem, done.stdout).origin is Origin.SOLVER, done.stderr.decode()


@pytest.mark.parametrize(("is_dropped_in", "answer"), [(False, b"refused"), (True, b"asked")])
def test_only_with_the_drop_in_the_kernel_can_be_asked_about_the_clock(tmp_path: Path, is_dropped_in, answer):
    program = (
        "import ctypes\n"
        "zero = ctypes.create_string_buffer(256)\n"
        "print('asked' if ctypes.CDLL(None).adjtimex(zero) >= 0 else 'refused')\n"
    )
    unit = with_drop_in(tmp_path) if is_dropped_in else UNIT

    assert under_the_filter(unit, sys.executable, "-c", program).stdout.strip() == answer, (
        "the C library asks with clock_adjtime since 2.31, before with adjtimex"
    )


def test_what_would_change_the_machine_is_not_allowed():
    tool("systemd-analyze")
    calls = allowed_calls(UNIT)

    assert not calls & {
        "mount",
        "ptrace",
        "init_module",
        "bpf",
        "clock_settime",
        "reboot",
        "chown",
        "setuid",
        "setpriority",
    }
    assert calls >= {"openat", "connect", "execve", "prlimit64", "fsync"}
