"""From the pin of the bridge's firmware through the daemon to what the car is told, and what the record says of it."""

import asyncio
from datetime import timedelta
from pathlib import Path

from hems.domain.events import Mode
from hems.domain.operator import LimitState
from hems.domain.wiring import BridgeConnection, MqttPoint
from hems.sim import virtual_time
from hems.sim.virtual_time import VirtualClock
from hems_drivers.bridge.operator_box import BridgeOperatorBox
from tests.support.bridge import Board, Firmware
from tests.support.limited import by_contact, car_w, house_of, periods
from tests.support.simulated import START_AT

PORT = BridgeConnection(port="/dev/serial/by-id/usb-1a86_USB_Serial-if00")
BY_CONTACT = by_contact(MqttPoint(topic="", path=("in1",)))


def test_a_pin_that_closes_dims_the_car_within_ten_seconds_and_is_in_the_record(
    tmp_path: Path, firmware: Firmware
) -> None:
    async def main() -> None:
        board = Board(firmware, tick_s=0.5)
        running = asyncio.create_task(board.run())
        box = BridgeOperatorBox(BY_CONTACT, PORT, VirtualClock(START_AT), board.open)
        async with house_of(box, tmp_path) as house:
            await house.until(600.0)
            assert house.daemon.house.snapshot().mode is Mode.NORMAL
            assert car_w(house) > 10_000.0
            board.contacts = 1
            await house.until(610.0)
            assert 0.0 < car_w(house) <= 4_200.0
            assert house.daemon.house.snapshot().mode is Mode.GRID_LIMITED
            await house.until(1_800.0)
            assert car_w(house) >= 4_000.0
            board.contacts = 0
            await house.until(1_810.0)
            assert car_w(house) > 10_000.0
            await house.until(1_900.0)
            waiting, ordered = periods(house)
        running.cancel()
        assert waiting.state is LimitState.INIT
        assert (ordered.state, ordered.limit_w) == (LimitState.LIMITED, 4_200.0)
        assert abs(ordered.until_at - ordered.started_at - timedelta(minutes=20)) <= timedelta(seconds=2)
        assert ordered.above_s == 0.0

    virtual_time.run(main())


def test_a_bridge_that_is_pulled_out_leaves_the_house_limited_until_it_is_back(
    tmp_path: Path, firmware: Firmware
) -> None:
    async def main() -> None:
        board = Board(firmware, tick_s=0.5)
        board.is_plugged = False
        running = asyncio.create_task(board.run())
        box = BridgeOperatorBox(BY_CONTACT, PORT, VirtualClock(START_AT), board.open)
        async with house_of(box, tmp_path) as house:
            await house.until(900.0)
            assert 0.0 < car_w(house) <= 4_200.0  # nobody has been heard yet
            board.is_plugged = True
            await house.until(910.0)
            assert car_w(house) > 10_000.0
            board.pull_out()
            await house.until(1_045.0)
            assert 0.0 < car_w(house) <= 4_200.0
            await house.until(2.5 * 3_600.0)  # beyond the two hours of the failsafe
            assert car_w(house) <= 4_200.0
            assert house.daemon.house.snapshot().notices[0].text.startswith("Stadtwerke is silent: ")
            board.is_plugged = True
            await house.until(2.5 * 3_600.0 + 10.0)
            assert car_w(house) > 10_000.0
            states = [each.state for each in periods(house)]
        running.cancel()
        assert states == [
            LimitState.INIT,
            LimitState.UNLIMITED_AUTONOMOUS,
            LimitState.FAILSAFE,
            LimitState.UNLIMITED_AUTONOMOUS,
        ]

    virtual_time.run(main())
