"""The driver against servers of other people's making: what it reads, and every byte that it writes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from hems.domain.command import Authority, BatteryPower, BatteryReleased, ChargeCurrent, ProductionLimit
from hems.domain.errors import OperatingError
from hems.domain.power import PhaseValues
from hems.domain.reading import BatteryValues, GridValues, PvValues, Quality
from hems.domain.wiring import ModbusTcpConnection
from hems.ports import Answer, Driver, Outcome
from hems_drivers.sunspec.driver import sunspec_driver
from tests.support.eventually import clock_at, eventually
from tests.support.houses import BATTERY, GRID, PV
from tests.support.modbus import (
    Server,
    compiled,
    hybrid,
    image,
    libmodbus,
    links,
    modbus_serial,
    model,
    place,
)
from tests.support.sunspec import (
    ACCEPTED,
    CURTAILMENT,
    QUICK,
    SITE,
    SPEED,
    STORAGE,
    WORDS,
    battery_writes,
    house,
    written,
)


@asynccontextmanager
async def served(stack: str, folder: Path, words: Sequence[int]) -> AsyncIterator[Server]:
    counterpart = (
        modbus_serial(folder, words) if stack == "modbus-serial" else libmodbus(compiled(folder), folder, words)
    )
    async with counterpart as server:
        yield server


STACKS = ("modbus-serial", "libmodbus")


async def test_it_is_a_driver():
    clock = clock_at(1.0)
    driver: Driver = sunspec_driver(
        ModbusTcpConnection(host="x"), meter=SITE.meter, pv=None, battery=None, links=links(clock), clock=clock
    )
    assert driver.devices == {GRID}


@pytest.mark.parametrize("stack", STACKS)
async def test_a_hybrid_inverter_is_read_in_house_signs(stack: str, tmp_path: Path, caplog):
    caplog.set_level("INFO")
    async with served(stack, tmp_path, WORDS) as server, house(server.port) as home:
        await home.read()
        phases = PhaseValues(l1=500.0, l2=-1200.0, l3=-800.0)
        assert home.latest[GRID].value == GridValues(power_w=-1500.0, phase_power_w=phases, phase_power_high_w=phases)
        assert home.latest[PV].value == PvValues(power_w=-2800.0)
        assert home.latest[BATTERY].value == BatteryValues(
            power_w=800.0,
            stored_wh=SITE.batteries[0].capacity_wh / 2,
            charge_power_max_w=4_000.0,
            discharge_power_max_w=4_800.0,
        )
        assert all(0 <= home.clock.monotonic_s() - each.mono_s < 5.0 for each in home.latest.values())
    assert caplog.text.count("Maker Box 6, serial S-1, firmware 1.0; models 1, 103, 120, 121, 123, 124, 203, 802") == 1


@pytest.mark.parametrize("stack", STACKS)
async def test_every_byte_that_is_written(stack: str, tmp_path: Path):
    """Rest first; then value, timer, switch; then only what changes; all of it again when the timer must be set."""
    async with served(stack, tmp_path, WORDS) as server, house(server.port) as home:
        await home.read()
        log = battery_writes(0)
        assert server.wrote == log

        assert await home.order(BatteryPower(power_w=2_500.0)) == ACCEPTED
        log += battery_writes(5_000)
        assert await home.order(BatteryPower(power_w=2_540.0)) == ACCEPTED
        assert await home.order(BatteryPower(power_w=-1_000.0)) == ACCEPTED
        log += battery_writes(-2_000)[:1]
        assert await home.order(BatteryPower(power_w=0.0)) == ACCEPTED
        log += battery_writes(0)[:1]

        assert await home.order(ProductionLimit(production_power_max_w=1_500.0), device_id=PV, lease_s=90.0) == ACCEPTED
        log += [written(CURTAILMENT + 5, 2_500), written(CURTAILMENT + 7, 90), written(CURTAILMENT + 9, 1)]
        assert await home.order(ProductionLimit(production_power_max_w=3_000.0), device_id=PV, lease_s=90.0) == ACCEPTED
        log += [written(CURTAILMENT + 5, 5_000), written(CURTAILMENT + 9, 1)]
        assert await home.order(ProductionLimit(production_power_max_w=None), device_id=PV) == ACCEPTED
        log += [written(CURTAILMENT + 9, 0)]
        assert await home.order(ProductionLimit(production_power_max_w=None), device_id=PV) == ACCEPTED
        await eventually(lambda: len(server.wrote) >= len(log))
        assert server.wrote == log


@pytest.mark.parametrize(("ecp", "island"), [(1, False), (0, True)])
async def test_a_house_without_grid_is_read_and_the_inverter_left_to_its_own_rules(
    ecp: int,
    island: bool,
    tmp_path: Path,
):
    words = image([*hybrid()[:-2], model(122, {"ECPConn": ecp}), *hybrid()[-2:]])
    async with modbus_serial(tmp_path, words) as server, house(server.port) as home:
        await home.read()
        values = home.latest[BATTERY].value
        assert isinstance(values, BatteryValues)
        assert values.islanded is island
        await home.order(BatteryPower(power_w=2_500.0))
        count = len(server.wrote)
        assert await home.order(BatteryReleased()) == ACCEPTED
        assert await home.order(BatteryReleased()) == ACCEPTED
        await eventually(lambda: len(server.wrote) > count)
        assert server.wrote[count:] == [written(place(words, 124) + 5, 0)]


async def test_the_timer_is_set_again_at_a_third_of_its_time_and_not_before(tmp_path: Path):
    async with modbus_serial(tmp_path, WORDS) as server, house(server.port, speed=QUICK) as home:
        await home.read()
        await home.order(BatteryPower(power_w=1_000.0))
        begin_s, count = home.clock.monotonic_s(), len(server.wrote)
        while len(server.wrote) == count:
            assert home.clock.monotonic_s() - begin_s < 120.0
            assert await home.order(BatteryPower(power_w=1_000.0)) == ACCEPTED
            await home.clock.sleep_until(home.clock.monotonic_s() + 1.0)
        assert home.clock.monotonic_s() - begin_s >= 20.0
        await eventually(lambda: len(server.wrote) == count + 3)
        assert server.wrote[count:] == battery_writes(2_000)


async def test_a_limit_of_the_fuse_is_written_however_small_the_change(tmp_path: Path):
    async with modbus_serial(tmp_path, WORDS) as server, house(server.port) as home:
        await home.read()
        await home.order(BatteryPower(power_w=1_000.0))
        count = len(server.wrote)
        await home.order(BatteryPower(power_w=990.0))
        assert len(server.wrote) == count
        await home.order(BatteryPower(power_w=990.0), authority=Authority.FUSE)
        assert server.wrote[count:] == battery_writes(1_980)[:1]


async def test_a_command_that_nobody_renews_ends_at_rest(tmp_path: Path, caplog):
    async with modbus_serial(tmp_path, WORDS) as server, house(server.port, speed=QUICK) as home:
        await home.read()
        await home.order(BatteryPower(power_w=1_000.0), lease_s=5.0)
        count = len(server.wrote)
        await eventually(lambda: len(server.wrote) == count + 3)
        assert server.wrote[count:] == battery_writes(0)
    assert "was not renewed in time; it is put to rest" in caplog.text


async def test_at_the_end_battery_and_modules_are_left_at_rest(tmp_path: Path):
    async with modbus_serial(tmp_path, WORDS) as server, house(server.port) as home:
        await home.read()
        await home.order(BatteryPower(power_w=1_000.0))
        await home.order(ProductionLimit(production_power_max_w=0.0), device_id=PV)
        count = len(server.wrote)
        await home.driver.rest()
        assert server.wrote[count:] == [*battery_writes(0), written(CURTAILMENT + 9, 0)]


async def test_it_rests_after_its_run_has_ended_too(tmp_path: Path):
    async with modbus_serial(tmp_path, WORDS) as server:
        async with house(server.port) as home:
            await home.read()
            await home.order(BatteryPower(power_w=1_000.0))
            count = len(server.wrote)
        await home.driver.rest()
        assert server.wrote[count:] == battery_writes(0)


async def test_what_a_crash_left_behind_is_put_to_rest_before_anything_is_read(tmp_path: Path):
    left = hybrid(m123={"WMaxLim_Ena": 1, "WMaxLimPct": 0}, m124={"StorCtl_Mod": 2, "OutWRte": -10_000})
    async with modbus_serial(tmp_path, image(left)) as server, house(server.port) as home:
        await eventually(lambda: home.latest)
        assert server.wrote == [*battery_writes(0), written(CURTAILMENT + 9, 0)]


async def test_modules_that_may_not_be_limited_are_never_written(tmp_path: Path):
    left = hybrid(m123={"WMaxLim_Ena": 1, "WMaxLimPct": 0})
    pv = replace(SITE.pv[0], curtailable=False)
    async with modbus_serial(tmp_path, image(left)) as server, house(server.port, battery=None, pv=pv) as home:
        await home.read()
        assert await home.order(ProductionLimit(production_power_max_w=None), device_id=PV) == ACCEPTED
        answer = await home.order(ProductionLimit(production_power_max_w=0.0), device_id=PV)
        assert (answer.outcome, answer.detail) == (Outcome.REJECTED, "the site file does not let us limit it")
        assert server.wrote == []
        assert home.latest[PV].value == PvValues(power_w=-2000.0)


async def test_a_register_that_takes_nothing_is_a_rejection_in_words_and_not_tried_every_second(tmp_path: Path, caplog):
    async with modbus_serial(tmp_path, WORDS, read_only=[STORAGE + 12]) as server, house(server.port) as home:
        await home.read()
        for _ in range(5):
            answer = await home.order(BatteryPower(power_w=1_000.0))
            assert answer.outcome is Outcome.REJECTED
            assert "it does not take this value (exception 3)" in answer.detail
        assert 1 <= len(server.wrote) <= 2
    assert caplog.text.count("battery: refused") == 1


async def test_a_device_that_takes_a_value_and_holds_another_is_found_out(tmp_path: Path):
    """A server behind which somebody else turns each written limit back."""
    async with modbus_serial(tmp_path, WORDS) as server, house(server.port, period_s=1000.0) as home:
        await home.read()
        count = len(server.wrote)
        order = asyncio.create_task(home.order(BatteryPower(power_w=1_000.0)))
        while not order.done():
            await eventually(lambda: len(server.wrote) > count or order.done())
            await server.ask(f"set {STORAGE + 13} 0")
        answer = order.result()
        assert answer.outcome is Outcome.REJECTED
        assert "the device holds something else: OutWRte is -20.0 %, InWRte 0.0 %" in answer.detail


async def test_what_somebody_else_changes_is_written_again_and_told_once(tmp_path: Path, caplog):
    async with modbus_serial(tmp_path, WORDS) as server, house(server.port) as home:
        await home.read()
        await home.order(BatteryPower(power_w=1_000.0))
        for _ in range(2):
            count = len(server.wrote)
            await server.ask(f"set {STORAGE + 5} 0")
            await home.read()
            await home.read()
            assert await home.order(BatteryPower(power_w=1_000.0)) == ACCEPTED
            assert server.wrote[count:] == battery_writes(2_000)
    assert caplog.text.count("changed by itself or by somebody else") == 1


async def test_who_keeps_changing_it_gets_it_and_is_told_once(tmp_path: Path, caplog):
    """A maker's cloud that sets its own mode again after each of our commands, for half an hour."""
    async with modbus_serial(tmp_path, WORDS) as server, house(server.port) as home:
        await home.read()
        await home.order(BatteryPower(power_w=1_000.0))
        began_s, count = home.clock.monotonic_s(), len(server.wrote)
        answers: list[Answer] = []
        while home.clock.monotonic_s() < began_s + 840.0 and len(answers) < 40:
            await server.ask(f"set {STORAGE + 5} 0")
            await home.read()
            await home.read()
            answers.append(await home.order(BatteryPower(power_w=1_000.0)))
        assert answers[0] == ACCEPTED
        assert answers[-1].outcome is Outcome.REJECTED
        assert "left to them" in answers[-1].detail
        assert len(server.wrote) - count <= 4 * len(battery_writes(2_000))
        assert (await home.order(BatteryPower(power_w=0.0), authority=Authority.FUSE)).outcome is Outcome.ACCEPTED
    assert caplog.text.count("changed by itself or by somebody else") == 1
    assert caplog.text.count("somebody else keeps changing it") == 1


async def test_a_device_without_a_timer_works_and_goes_back_to_its_own_control(tmp_path: Path, caplog):
    words = image(hybrid(m124={"InOutWRte_RvrtTms": 0xFFFF, "StorCtl_Mod": 3, "OutWRte": 0, "InWRte": 0}))
    async with modbus_serial(tmp_path, words) as server, house(server.port) as home:
        await home.read()
        await home.order(BatteryPower(power_w=1_000.0))
        await home.driver.rest()
        limits, _, mode = battery_writes(2_000)
        assert server.wrote == [written(STORAGE + 5, 0), limits, mode, written(STORAGE + 5, 0)]
    assert caplog.text.count("does not keep a timer") == 1


async def test_what_cannot_be_done_is_rejected_with_a_reason(tmp_path: Path):
    async with modbus_serial(tmp_path, WORDS) as server, house(server.port) as home:
        early = await home.order(BatteryPower(power_w=1.0))
        assert "not identified yet; nothing is written before that" in early.detail
        await home.read()
        count = len(server.wrote)
        late = await home.order(BatteryPower(power_w=1.0), lease_s=0.0)
        assert "its lease ended" in late.detail
        other = await home.order(ChargeCurrent(current_a=6.0, phase_count=1))
        assert "does not follow charge_current" in other.detail
        meter = await home.order(BatteryPower(power_w=1.0), device_id=GRID)
        assert "no registers for it" in meter.detail
        assert {each.outcome for each in (early, late, other, meter)} == {Outcome.REJECTED}
        assert len(server.wrote) == count


async def test_a_box_without_what_the_site_file_says_is_said(tmp_path: Path):
    words = image([each for each in hybrid() if each[0] != 124])
    async with modbus_serial(tmp_path, words) as server:
        clock = clock_at(SPEED)
        driver = sunspec_driver(
            ModbusTcpConnection(host="127.0.0.1", port=server.port),
            meter=None, pv=None, battery=SITE.batteries[0], links=links(clock), clock=clock,
        )  # fmt: skip
        with pytest.raises(OperatingError, match=r"Maker Box 6 has no storage control \(model 124\)"):
            await driver.run(lambda device_id, reading: None)  # noqa: ARG005 - as the port names them


def trackers(*names: str) -> list[int]:
    """Model 160: trackers of 1500 W each."""
    groups = [{"ID": number, "IDStr": name, "DCW": 1500} for number, name in enumerate(names, 1)]
    return model(160, {"DCA_SF": -1, "DCV_SF": -1, "DCW_SF": 0, "N": len(names), "module": groups})


async def test_a_hybrid_that_does_not_tell_its_batterys_power_says_so_once_and_its_meter_is_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    words = image([*(each for each in hybrid() if each[0] != 802), trackers("", "", "", "")])
    async with modbus_serial(tmp_path, words) as server, house(server.port) as home:
        for _ in range(3):
            await home.read()
        assert {device: reading.quality for device, reading in home.latest.items()} == {
            GRID: Quality.GOOD, PV: Quality.ABSENT, BATTERY: Quality.ABSENT,
        }  # fmt: skip
    assert caplog.text.count(f"does not tell the power of {SITE.batteries[0].name}") == 1


async def test_a_battery_model_without_power_is_completed_from_the_trackers(tmp_path: Path):
    words = image([*hybrid(m802={"W": -0x8000}), trackers("MPPT 1", "StCha 2")])
    async with modbus_serial(tmp_path, words) as server, house(server.port) as home:
        await home.read()
        battery, pv = home.latest[BATTERY].value, home.latest[PV].value
        assert isinstance(battery, BatteryValues)
        assert (battery.power_w, battery.stored_wh) == (1_500.0, SITE.batteries[0].capacity_wh / 2)
        assert pv == PvValues(power_w=-3_500.0)


async def test_a_sentinel_is_absent_and_the_others_are_read(tmp_path: Path):
    words = image(hybrid(m203={"W": -0x8000}, m802={"W_SF": -0x8000}))
    async with modbus_serial(tmp_path, words) as server, house(server.port) as home:
        await home.read()
        assert {device: reading.quality for device, reading in home.latest.items()} == {
            GRID: Quality.ABSENT, PV: Quality.ABSENT, BATTERY: Quality.ABSENT,
        }  # fmt: skip
        assert all(reading.value is None for reading in home.latest.values())
