"""The firmware, built with sanitizers and every warning an error: against the vectors, and over a real line."""

import asyncio
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from hems_drivers.bridge.frames import Framer, frame
from hems_drivers.bridge.link import SETTING
from hems_drivers.serial_port import SerialPort
from tests.support.bridge import SOURCES, VECTORS, Firmware, Host, built, plugged
from tests.support.eventually import eventually

STATUS, REFUSED = 0x83, 0xFF


def test_its_own_tests_hold(firmware: Firmware):
    done = subprocess.run([firmware.tests, VECTORS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "16 frames, 16 exchanges" in done.stdout


def test_a_million_random_bytes_drive_nothing_and_hurt_nothing(firmware: Firmware):
    subprocess.run([firmware.tests, "noise", "1"], check=True)


def test_it_fits_a_nano(tmp_path: Path):
    if shutil.which("avr-gcc") is None:
        pytest.skip("avr-gcc is not installed (gcc-avr, avr-libc)")
    subprocess.run(["make", "-s", "-C", str(SOURCES), f"OUT={tmp_path}", "nano"], check=True, stdout=subprocess.DEVNULL)  # noqa: S607
    assert (tmp_path / "bridge-nano.hex").stat().st_size > 0


async def asked(port: SerialPort, payload: bytes) -> bytes:
    """The payload of the answer; asked again where there is none, as a board that starts has none."""
    framer = Framer()
    for _ in range(30):
        port.write(frame(payload))
        with suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                while True:
                    for each in framer.feed(await port.stream.read(100)):
                        return each
    raise AssertionError(f"no answer to {payload.hex(' ')}")


def drive(outputs: int, lease_ms: int, *, version: int = 1) -> bytes:
    return bytes([version, 3, 1, 3, outputs]) + lease_ms.to_bytes(2, "big")


async def stands(host: Host, outputs: int) -> int:
    """When it was so first [ms of the firmware's uptime]."""
    await eventually(lambda: host.outputs and host.outputs[-1][0] == outputs, what=f"outputs {outputs}: {host.outputs}")
    return host.outputs[-1][1]


async def test_outputs_are_lent_and_a_host_that_falls_silent_loses_them(firmware: Firmware, tmp_path: Path):
    async with plugged(firmware.host, tmp_path / "bridge") as host:
        port = SerialPort(str(host.port), SETTING, plug="")
        assert (await asked(port, drive(1, 600)))[1] == STATUS
        begin_ms = await stands(host, 1)
        for _ in range(4):
            await asyncio.sleep(0.2)  # noqa: TID251 - real time, in a real firmware
            await asked(port, drive(1, 600))
        assert host.outputs[1:] == []
        end_ms = await stands(host, 0)
        assert end_ms - begin_ms >= 600 + 600
        assert (await asked(port, drive(2, 60_000)))[1] == STATUS
        await stands(host, 2)
        port.close()  # a daemon that dies changes nothing, but
        host.say("pass 60000")
        await stands(host, 0)


async def test_a_firmware_of_another_version_lends_nothing(tmp_path: Path):
    later = built(tmp_path / "later", version=2)
    async with plugged(later.host, tmp_path / "bridge") as host:
        port = SerialPort(str(host.port), SETTING, plug="")
        assert (await asked(port, drive(1, 600)))[1:] == bytes([REFUSED, 1, 2])
        assert host.outputs == []
        port.close()


async def test_a_board_without_power_has_released_its_outputs_before_anybody_asks(firmware: Firmware, tmp_path: Path):
    async with plugged(firmware.host, tmp_path / "bridge") as host:
        port = SerialPort(str(host.port), SETTING, plug="")
        await asked(port, drive(3, 60_000))
        await stands(host, 3)
        port.close()
    async with plugged(firmware.host, tmp_path / "bridge") as host:
        port = SerialPort(str(host.port), SETTING, plug="")
        status = await asked(port, bytes([1, 2, 9]))
        assert status[5:9] == bytes(4)  # nothing driven, nothing lent
        port.close()
