"""The inverter's map, read and written by two foreign Modbus stacks."""

import asyncio
import math
import re
import shutil
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP  # type: ignore[import-untyped]

from hems.sim.demo import METER_UNIT, MODBUS_UNIT
from hems.sim.servers.inverter import HybridInverter
from hems.sim.servers.living import LivingHouse
from hems.sim.servers.modbus import ModbusServer
from hems.sim.servers.sunspec import InverterUnit, meter_unit
from hems.sim.servers.sunspec_models import MODELS, length
from tests.support.sim_servers import live, living_house

STORAGE = 40_000 + 2 + 68 + 52 + 28 + 32 + 26
"""Where 124 begins: behind the marker and 1, 103, 120, 121, 123."""


@asynccontextmanager
async def served(living: LivingHouse) -> AsyncIterator[ModbusServer]:
    site = living.house.site
    inverter = HybridInverter(living, plant=site.pv[0], battery=site.batteries[0])
    server = ModbusServer({MODBUS_UNIT: InverterUnit(living, inverter), METER_UNIT: meter_unit(living)})
    async with server.endpoint:
        await server.endpoint.regain()
        yield server


def scanned(port: int, unit: int) -> dict[int, dict[str, Any]]:
    """Every model by a client that knows the official definitions, with the values that it computes."""
    device = SunSpecModbusClientDeviceTCP(slave_id=unit, ipaddr="127.0.0.1", ipport=port)
    device.scan()
    found: dict[int, dict[str, Any]] = {}
    for number, models in device.models.items():
        if isinstance(number, int):
            (model,) = models
            assert not model.error_info, (number, model.error_info)
            assert model.model_len == length(number)
            found[number] = {name: point.cvalue for name, point in model.points.items()}
            for name, groups in model.groups.items():
                found[number] |= {f"{name}_{key}": point.cvalue for key, point in groups[0].points.items()}
    device.close()
    return found


async def test_a_foreign_client_finds_every_model_and_its_values_are_those_of_the_house() -> None:
    living = living_house()
    async with served(living) as server:
        live(living, 60)
        found = await asyncio.to_thread(scanned, server.endpoint.port, MODBUS_UNIT)
    assert list(found) == [1, 103, 120, 121, 123, 124, 160, 802, 122]
    assert found[122]["ECPConn"] == 1
    house = living.house
    battery, pv = house.batteries[house.site.batteries[0].id], house.pv[house.site.pv[0].id]
    assert found[103]["W"] == round(-pv.power_w - battery.power_w)
    assert found[802]["W"] == round(-battery.power_w)
    assert found[160]["module_DCW"] == round(-pv.power_w)
    assert found[802]["SoC"] == pytest.approx(100 * battery.stored_wh / battery.battery.capacity_wh, abs=0.01)
    assert found[124]["ChaState"] == found[802]["SoC"]
    assert -pv.power_w > 500, "the sun shines at noon, or this test sees nothing"


async def test_the_layout_of_every_model_is_the_official_one() -> None:
    living = living_house()
    async with served(living) as server:
        device = SunSpecModbusClientDeviceTCP(slave_id=MODBUS_UNIT, ipaddr="127.0.0.1", ipport=server.endpoint.port)
        meter = SunSpecModbusClientDeviceTCP(slave_id=METER_UNIT, ipaddr="127.0.0.1", ipport=server.endpoint.port)
        await asyncio.to_thread(lambda: (device.scan(), meter.scan(), device.close(), meter.close()))
    for scan in (device, meter):
        for number in [each for each in scan.models if isinstance(each, int)]:
            model = scan.models[number][0]
            theirs = {
                f"{prefix}{name}": (point.pdef["type"], point.offset)
                for prefix, group in (("", model), *(("module_", groups[0]) for groups in model.groups.values()))
                for name, point in group.points.items()
            }
            for point in MODELS[number]:
                kind, offset = theirs[point.name]
                assert re.sub(r"\d+$", "", point.kind) == "string" or point.kind == kind
                assert offset == point.offset, (number, point.name)
            assert len(theirs) == len(MODELS[number]) + 2


async def test_the_meter_unit_tells_import_as_positive() -> None:
    living = living_house()
    async with served(living) as server:
        live(living, 5)
        found = await asyncio.to_thread(scanned, server.endpoint.port, METER_UNIT)
    assert list(found) == [1, 203]
    assert found[203]["W"] == round(living.grid_power_w)
    assert found[203]["WphB"] == round(living.grid_phase_w[1])


async def mbpoll(*arguments: str) -> str:
    program = shutil.which("mbpoll")
    if program is None:
        pytest.skip("mbpoll is not installed")
    process = await asyncio.create_subprocess_exec(
        program, "-m", "tcp", "-0", "-1", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    return output.decode(errors="replace")


async def test_libmodbus_reads_the_marker_and_writes_single_and_multiple_registers() -> None:
    living = living_house()
    async with served(living) as server:
        port = ("-p", str(server.endpoint.port), "-a", str(MODBUS_UNIT))
        marker = await mbpoll(*port, "-r", "40000", "-c", "2", "-t", "4:hex", "127.0.0.1")
        assert "0x5375" in marker
        assert "0x6E53" in marker
        one = await mbpoll(*port, "-r", str(STORAGE + 15), "-t", "4", "127.0.0.1", "90")
        assert "Written 1" in one
        both = await mbpoll(*port, "-r", str(STORAGE + 12), "-t", "4", "127.0.0.1", "63536", "2000")
        assert "Written 2" in both
        back = await mbpoll(*port, "-r", str(STORAGE + 12), "-c", "4", "-t", "4", "127.0.0.1")
    assert re.findall(r"\]:\s+(\d+)(?: \((-\d+)\))?", back) == [
        ("63536", "-2000"), ("2000", ""), ("0", ""), ("90", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("request_hex", "reply_hex"),
    [
        pytest.param("01 03 9c3f 0001", "83 02", id="before the map"),
        pytest.param("01 03 9dff 007d", "83 02", id="beyond its end"),
        pytest.param("01 03 9c40 007e", "83 03", id="126 registers"),
        pytest.param("01 03 9c40 0000", "83 03", id="none"),
        pytest.param("01 04 9c40 0001", "84 01", id="input registers"),
        pytest.param("09 03 9c40 0001", "83 0b", id="no such unit"),
        pytest.param("02 06 9c40 0001", "86 02", id="the meter takes nothing"),
        pytest.param("01 06 9c40 0001", "86 02", id="the marker"),
        pytest.param("01 03 9c40", "83 03", id="a request cut short"),
    ],
)
async def test_what_cannot_be_done_is_refused_with_the_right_exception(request_hex: str, reply_hex: str) -> None:
    async with served(living_house()) as server:
        frame = bytes.fromhex(request_hex)
        reply = await asyncio.to_thread(exchange, server.endpoint.port, frame)
    assert reply == frame[:1] + bytes.fromhex(reply_hex)


def exchange(port: int, frame: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as own:
        own.sendall(struct.pack(">HHH", 4711, 0, len(frame)) + frame)
        transaction, protocol, size = struct.unpack(">HHH", own.recv(6, socket.MSG_WAITALL))
        assert (transaction, protocol) == (4711, 0)
        return own.recv(size, socket.MSG_WAITALL)


async def test_a_write_that_is_partly_wrong_changes_nothing() -> None:
    living = living_house()
    async with served(living) as server:
        wrong = struct.pack(">BBHHB2h", 1, 16, STORAGE + 12, 2, 4, 5_000, 10_001)
        assert await asyncio.to_thread(exchange, server.endpoint.port, wrong) == b"\x01\x90\x03"
        found = await asyncio.to_thread(scanned, server.endpoint.port, MODBUS_UNIT)
    assert found[124]["OutWRte"] == 100.0
    assert found[124]["InWRte"] == 100.0


async def test_what_is_no_modbus_ends_the_connection_and_nothing_else() -> None:
    async with served(living_house()) as server:
        with socket.create_connection(("127.0.0.1", server.endpoint.port), timeout=5) as own:
            own.setblocking(False)
            await asyncio.get_running_loop().sock_sendall(own, b"GET / HTTP/1.1\r\n\r\n")
            assert await asyncio.get_running_loop().sock_recv(own, 100) == b""
        reply = await asyncio.to_thread(exchange, server.endpoint.port, bytes.fromhex("01 03 9c40 0001"))
    assert reply == bytes.fromhex("01 03 02 5375")


async def test_a_lost_inverter_refuses_connections_and_drops_packets_until_it_is_back() -> None:
    async with served(living_house()) as server:
        endpoint = server.endpoint
        reader, writer = await asyncio.open_connection("127.0.0.1", endpoint.port)
        question = struct.pack(">HHH", 1, 0, 6) + bytes.fromhex("01 03 9c40 0001")
        writer.write(question)
        assert await reader.readexactly(11)
        endpoint.lose()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", endpoint.port)
        writer.write(question)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await reader.read(1)
        await endpoint.regain()
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        writer.close()
        reply = await asyncio.to_thread(exchange, endpoint.port, bytes.fromhex("01 03 9c40 0001"))
    assert reply == bytes.fromhex("01 03 02 5375")


def test_numbers_are_finite_when_the_battery_is_empty_or_full() -> None:
    living = living_house()
    site = living.house.site
    unit = InverterUnit(living, HybridInverter(living, plant=site.pv[0], battery=site.batteries[0]))
    for stored_wh in (0.0, 10_000.0):
        living.house.batteries[site.batteries[0].id].stored_wh = stored_wh
        live(living, 2)
        assert all(math.isfinite(word) and 0 <= word <= 0xFFFF for word in unit.read(40_000, 100))
