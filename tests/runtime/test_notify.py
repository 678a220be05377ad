"""What reaches the service manager, and what it does when nothing does. Counterparts: systemd-notify, a stand-in."""

import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hems.runtime.notify import Notifier
from tests.support.notify_standin import python, supervised

ROOT = Path(__file__).parents[2]

DAEMON = """
import asyncio, os, signal, sys
from pathlib import Path
from hems.runtime.notify import Notifier

async def main():
    notifier = Notifier(os.environ)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    notifier.ready()
    notifier.status("two\\n lines")
    while not stop.is_set():
        notifier.alive()
        if Path(sys.argv[1]).exists():
            Path(sys.argv[1]).unlink()
            here_it_hangs()
        try:
            await asyncio.wait_for(stop.wait(), notifier.watchdog_s / 4)
        except TimeoutError:
            pass
    notifier.stopping()

def here_it_hangs():
    import threading
    threading.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def listener(tmp_path: Path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        yield listener


def test_everything_arrives_as_the_protocol_wants_it(listener, tmp_path: Path):
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "15000000"})

    assert notifier.watchdog_s == 15.0
    notifier.ready()
    notifier.alive()
    notifier.status("all is\nwell  here")
    notifier.stopping()
    notifier.close()
    notifier.ready()

    assert [listener.recv(200) for _ in range(4)] == [
        b"READY=1",
        b"WATCHDOG=1",
        b"STATUS=all is well here",
        b"STOPPING=1",
    ]


def test_the_reference_implementation_says_the_same(listener, tmp_path: Path):
    """systemd-notify is the other end of the same protocol; ours must be bytes it would send."""
    environment = os.environ | {"NOTIFY_SOCKET": str(tmp_path / "notify")}
    tool = shutil.which("systemd-notify")
    if tool is None:
        pytest.skip("systemd-notify is not installed")
    command = [tool, "--ready", "--status=well", "--no-block"]
    subprocess.run(command, env=environment, check=True, timeout=10)
    theirs = listener.recv(200)

    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
    notifier.ready()
    notifier.status("well")
    notifier.close()

    assert set(theirs.split(b"\n")) >= {listener.recv(200), listener.recv(200)}


def test_an_abstract_address_is_reached():
    name = f"hems-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")
        listener.settimeout(5)
        notifier = Notifier({"NOTIFY_SOCKET": f"@{name}"})
        notifier.ready()
        notifier.close()
        assert listener.recv(100) == b"READY=1"


def test_without_a_service_manager_nothing_is_told():
    notifier = Notifier({})

    notifier.ready()
    notifier.alive()
    notifier.close()
    assert notifier.watchdog_s is None


@pytest.mark.parametrize(
    ("environment", "watchdog_s"),
    [
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, None),
    ],
)
def test_the_watchdog_is_ours_or_nobody_watches(environment, watchdog_s):
    assert Notifier(environment).watchdog_s == watchdog_s


def test_a_manager_that_is_gone_or_full_neither_stops_us_nor_fills_the_log(tmp_path: Path, caplog):
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener, caplog.at_level(logging.WARNING):
        listener.bind(address)
        notifier = Notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"})
        for _ in range(2_000):
            notifier.alive()
        assert len(caplog.messages) == 1, "the queue is full"
    for _ in range(10):
        notifier.alive()
    notifier.close()
    assert len(caplog.messages) == 1


async def test_a_daemon_that_hangs_is_killed_with_its_stack_told_and_started_again(tmp_path: Path):
    hang = tmp_path / "hang"
    command = (*python(DAEMON), str(hang))
    async with supervised(
        command, folder=tmp_path, watchdog_s=0.4, environment=os.environ | {"PYTHONPATH": str(ROOT)}
    ) as it:
        await it.until_ready(timeout_s=20)
        await it.until(lambda: it.pings >= 3, timeout_s=10)
        assert it.status == "two lines"
        hang.touch()
        await it.until_ready(timeout_s=20, times=2)
        assert it.events == ["start", "ready", "missed", f"ended {-signal.SIGABRT}", "start", "ready"]
        assert "here_it_hangs" in it.log_path.read_text()
        assert await it.terminate(timeout_s=10) == 0
        await it.until(lambda: it.events[-2:] == ["stopping", "ended 0"], timeout_s=10)


async def test_a_status_is_no_sign_of_life(tmp_path: Path):
    program = (
        "import os, threading; from hems.runtime.notify import Notifier\n"
        "notifier = Notifier(os.environ); notifier.ready()\n"
        "while True: notifier.status('busy'); threading.Event().wait(0.05)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    async with supervised(python(program), folder=tmp_path, watchdog_s=0.3, environment=environment) as it:
        await it.until(lambda: "missed" in it.events, timeout_s=20)
    assert it.pings == 0


async def test_the_stand_in_leaves_no_process(tmp_path: Path):
    program = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import threading; threading.Event().wait()'])"
    )
    async with supervised(python(program), folder=tmp_path, watchdog_s=5) as it:
        await it.until(lambda: it.starts == 1, timeout_s=10)
        assert it.process is not None
        group = it.process.pid
    deadline_s = time.monotonic() + 5  # noqa: TID251 - real processes
    while time.monotonic() < deadline_s:  # noqa: TID251 - real processes
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
    raise AssertionError(f"process group {group} is alive")


def test_importing_it_costs_nothing_heavy():
    program = "import sys, hems.runtime.notify; print('asyncio' in sys.modules, 'pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "False False"
