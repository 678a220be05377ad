"""The daemon as its service runs it: ready when the guard is in control, alive while it ticks, gone when told to."""

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from tests.support.demo_daemon import free_port
from tests.support.notify_standin import supervised

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "systemd" / "hems.service"
SITE = """version: 1
site: {{name: Nobody answers, timezone: Europe/Amsterdam, currency: EUR, grid: {{phases: 3, fuse: 25 A}}}}
connections:
  p1: {{type: dsmr, host: 127.0.0.1, tcp_port: {closed}}}
  inverter: {{type: modbus_tcp, host: 127.0.0.1, port: {closed}}}
  wallbox: {{type: ocpp, identity: CP-1, password: !secret wallbox, listen: {ocpp}}}
  broker: {{type: mqtt, url: "mqtt://127.0.0.1:{closed}"}}
devices:
  - {{name: Grid, kind: grid_meter, connection: p1, period: 1 s}}
  - name: Hybrid
    kind: hybrid_inverter
    connection: inverter
    profile: sunspec
    pv: {{planes: [{{peak: 6 kWp, tilt: 35 deg, azimuth: 180 deg}}]}}
    battery: {{capacity: 10 kWh}}
  - {{name: Driveway, kind: charger, connection: wallbox, phases: 3, max_current: 16 A}}
tariff:
  import: {{source: {{type: fixed, price: 0.30 EUR/kWh}}}}
  export: {{source: {{type: fixed, price: 0.05 EUR/kWh}}}}
"""


def command_of(folder: Path, *before: str) -> list[str]:
    site = folder / "site.yaml"
    site.write_text(SITE.format(closed=free_port(), ocpp=free_port()))
    secrets = folder / "secrets.yaml"
    secrets.write_text('wallbox: "of the test"\n')
    secrets.chmod(0o600)
    arguments = ["run", str(site), "--state-dir", str(folder / "state"), "--port", str(free_port())]
    return [*before, sys.executable, "-m", "hems", *arguments, "--ocpp-host", "127.0.0.1", "--trust-clock"]


async def test_with_nothing_that_answers_it_is_ready_alive_and_stops_cleanly(tmp_path: Path) -> None:
    async with supervised(command_of(tmp_path), folder=tmp_path, watchdog_s=8.0) as service:
        await service.until_ready(timeout_s=20)
        await service.until(lambda: "the guard is in control" in service.status, timeout_s=5)
        await service.until(lambda: service.pings >= 2, timeout_s=15)
        assert await service.terminate(timeout_s=20) == 0
        assert service.events[:3] == ["start", "ready", "stopping"]
    log = service.log_path.read_text()
    for name in ("Grid", "Hybrid battery", "Driveway"):
        assert log.count(f"{name} does not answer;") == 1
    assert "ERROR" not in log
    assert "Traceback" not in log


async def test_a_daemon_that_no_longer_ticks_is_ended_and_started_again(tmp_path: Path) -> None:
    async with supervised(command_of(tmp_path), folder=tmp_path, watchdog_s=4.0) as service:
        await service.until_ready(timeout_s=20)
        assert service.process is not None
        service.process.send_signal(signal.SIGSTOP)
        await service.until(lambda: "missed" in service.events, timeout_s=10)
        await service.until_ready(timeout_s=20, times=2)
        await service.terminate(timeout_s=20)


async def test_the_units_filter_lets_the_daemon_guard_and_plan(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None or sys.platform != "linux":
        pytest.skip("systemd-analyze is missing")
    command = command_of(tmp_path, sys.executable, str(ROOT / "tests" / "support" / "unit_filter.py"), str(UNIT))
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'drivers'}"}
    async with supervised(command, folder=tmp_path, watchdog_s=10.0, environment=environment) as service:
        await service.until_ready(timeout_s=30)
        await service.until(lambda: "by solver is in force" in service.log_path.read_text(), timeout_s=30)
        assert await service.terminate(timeout_s=20) == 0
    assert "Traceback" not in service.log_path.read_text()
