"""What the house promises is what it can keep, and what it has agreed to outlives everything but its end."""

import asyncio
import shutil
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hems.app.commitments import Progress
from hems.domain.errors import OperatingError
from hems.domain.flex import CommitmentState, Envelope, Refusal, RefusalCode, Setpoint, TelemetryMinute
from hems.domain.site import CarHabit
from hems.sim import virtual_time
from tests.support.houses import BATTERY, CHARGER, GRID, HEAT_PUMP, home_a, home_b
from tests.support.living import Living, flat_market, living
from tests.support.simulated import START_AT, flat_data, stay

SITE = home_a()
DATA = flat_data(SITE, days=4, load_w=600.0, pv_w=1_500.0, sessions=(stay(0.3, 10.0, 8.0),))
PROMISED_S = 610.0
"""By then there is a plan and an envelope, and the car is there."""
AGAIN_AT = START_AT + timedelta(minutes=15)
"""Simulated houses start on a quarter hour."""


def virtual(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    virtual_time.run(work())


def asked_in(
    house: Living, part_ratio: float, *, event_id: str = "e", revision: int = 0, minutes: int = 15
) -> Setpoint:
    """A setpoint of a quarter of an hour: 0 is the lowest power that is offered, 1 the highest."""
    envelope = offered(house)
    bounds_w = envelope.bounds_w(minutes * 60)
    assert bounds_w is not None, envelope.null_reason
    power_w = bounds_w[0] + part_ratio * (bounds_w[1] - bounds_w[0])
    return Setpoint(
        event_id=event_id,
        envelope_id=envelope.envelope_id,
        revision=revision,
        start_at=house.daemon.house.live().now.at,
        step_s=60,
        power_w=(round(power_w, 1),) * minutes,
    )


def offered(house: Living) -> Envelope:
    envelope = house.daemon.house.envelope()
    assert envelope is not None
    return envelope


async def agreed(house: Living, part_ratio: float = 0.5, **others: Any) -> Setpoint:
    setpoint = asked_in(house, part_ratio, **others)
    assert await house.daemon.house.flex.offer(setpoint) is None
    return setpoint


async def refused(house: Living, setpoint: Setpoint) -> RefusalCode:
    refusal = await house.daemon.house.flex.offer(setpoint)
    assert isinstance(refusal, Refusal)
    return refusal.code


def followed(house: Living) -> str | None:
    setpoint = house.daemon.house.live().asked.setpoint
    return None if setpoint is None else setpoint.event_id


def steps_of(house: Living) -> list[Progress]:
    found: list[Progress] = []
    house.daemon.house.on_progress = found.extend
    return found


def test_a_second_setpoint_is_refused_while_one_is_kept(tmp_path: Path) -> None:
    async def main() -> None:
        async with living(SITE, DATA, tmp_path, start_at=START_AT) as house:
            await house.until(PROMISED_S)
            second = asked_in(house, 1.0, event_id="second")
            await agreed(house, 0.0, event_id="first")
            assert await refused(house, second) is RefusalCode.STALE
            assert offered(house).hold_blocks == ()
            assert offered(house).null_reason == "a setpoint is being followed"
            await house.until(PROMISED_S + 60)
            assert followed(house) == "first"
            await house.until(PROMISED_S + 17 * 60)
            assert offered(house).hold_blocks != ()

    virtual(main)


def test_nothing_more_is_offered_while_the_disk_takes_its_time(tmp_path: Path) -> None:
    async def main() -> None:
        async with living(SITE, DATA, tmp_path, start_at=START_AT) as house:
            await house.until(PROMISED_S)
            wished = asked_in(house, 0.5)

            async def slow_disk(work: Callable[[], Any]) -> Any:
                await house.clock.sleep_until(house.clock.monotonic_s() + 330.0)  # an envelope is made anew every 300 s
                return work()

            house.daemon.house.flex._commitments._offload = slow_disk
            first = asyncio.ensure_future(agreed(house, event_id="first"))
            await house.until(PROMISED_S + 320)
            assert offered(house).hold_blocks == ()
            second = replace(wished, event_id="second", envelope_id=offered(house).envelope_id)
            assert await refused(house, second) is not None
            await first
            await house.until(PROMISED_S + 340)
            assert followed(house) == "first"

    virtual(main)


@pytest.mark.parametrize("clean", [True, False], ids=["a stop", "a kill"])
def test_what_was_cancelled_stays_cancelled_after(clean: bool, tmp_path: Path) -> None:
    async def main() -> None:
        killed = tmp_path / "killed"
        async with living(SITE, DATA, tmp_path / "house", start_at=START_AT) as house:
            await house.until(PROMISED_S)
            setpoint = await agreed(house, minutes=60)
            await house.until(PROMISED_S + 5)
            assert followed(house) == "e"
            assert await house.daemon.house.flex.cancel("e")
            shutil.copytree(tmp_path / "house", killed)
            await house.until(PROMISED_S + 7)
            assert followed(house) is None
            assert not await house.daemon.house.flex.cancel("e")
            assert await refused(house, setpoint) is RefusalCode.STALE
            await agreed(house, revision=1, minutes=60)
            assert await house.daemon.house.flex.cancel("e")
        folder = tmp_path / "house" if clean else killed
        async with living(SITE, DATA, folder, start_at=AGAIN_AT) as house:
            steps = steps_of(house)
            await house.until(120.0)
            assert followed(house) is None
            assert [each.commitment.state for each in steps] == [CommitmentState.ABORTED]
            assert steps[0].report is not None

    virtual(main)


def test_a_cancel_that_cannot_be_stored_takes_effect_and_is_not_acknowledged(tmp_path: Path) -> None:
    async def main() -> None:
        async with living(SITE, DATA, tmp_path, start_at=START_AT) as house:
            await house.until(PROMISED_S)
            await agreed(house)
            with without_disk(house), pytest.raises(OperatingError):
                await house.daemon.house.flex.cancel("e")
            await house.until(PROMISED_S + 2)
            assert followed(house) is None

    virtual(main)


def test_what_was_refused_for_want_of_a_disk_is_not_followed_after_a_restart(tmp_path: Path) -> None:
    async def main() -> None:
        async with living(SITE, DATA, tmp_path, start_at=START_AT) as house:
            await house.until(PROMISED_S)
            with without_disk(house):
                assert await refused(house, asked_in(house, 0.5, event_id="lost")) is RefusalCode.DEVICE_FAULT
            await house.until(PROMISED_S + 2)
            await agreed(house, event_id="kept", minutes=60)
        async with living(SITE, DATA, tmp_path, start_at=AGAIN_AT) as house:
            await house.until(5.0)
            assert followed(house) == "kept"

    virtual(main)


class without_disk:  # noqa: N801 - reads as a statement
    """The commitments' file takes nothing while inside."""

    def __init__(self, house: Living) -> None:
        self._files: Any = house.daemon.parts.store._files

    def __enter__(self) -> None:
        self._before = self._files.sync_content

        def fail(path: str) -> None:
            raise OSError(28, "No space left on device", path)

        self._files.sync_content = fail

    def __exit__(self, *_: object) -> None:
        self._files.sync_content = self._before


def test_a_restart_keeps_cars_to_the_promise_and_the_report_whole(tmp_path: Path) -> None:
    async def main() -> None:
        async with living(SITE, DATA, tmp_path, start_at=START_AT) as house:
            await house.until(PROMISED_S)
            await agreed(house, 0.2)
            await house.until(900.0)
            before = house.daemon.house.live().asked.car_power_max_w
            assert before
        async with living(SITE, DATA, tmp_path, start_at=AGAIN_AT) as house:
            steps = steps_of(house)
            await house.until(5.0)
            assert house.daemon.house.live().asked.car_power_max_w == before
            await house.until(900.0)
        report = steps[-1].report
        assert report is not None
        assert all(each is not None for each in report.baseline_w)
        assert all(each is not None for each in report.measured_w)

    virtual(main)


def test_every_minute_of_an_event_says_what_was_asked(tmp_path: Path) -> None:
    async def main() -> None:
        minutes = []
        async with living(SITE, DATA, tmp_path, start_at=START_AT) as house:
            await house.until(660.0)
            record = house.daemon.recorder.minute

            def both(minute: TelemetryMinute) -> None:
                minutes.append(minute)
                record(minute)

            house.daemon.recorder.minute = both  # type: ignore[method-assign]
            setpoint = await agreed(house, minutes=5)
            await house.until(660.0 + 7 * 60)
        asked_w = [each.setpoint_w for each in minutes if setpoint.start_at <= each.start_at < setpoint.end_at]
        assert len(asked_w) >= 4
        assert set(asked_w) == {setpoint.power_w[0]}

    virtual(main)


def test_what_the_household_has_asked_for_is_not_promised_to_somebody_else(tmp_path: Path) -> None:
    async def main() -> None:
        async with living(SITE, DATA, tmp_path, start_at=START_AT) as house:
            await house.until(3_600.0)
            until_at = house.daemon.house.live().now.at + timedelta(hours=3)
            before = offered(house)
            await house.daemon.house.charge_now(device_id=CHARGER, until_at=until_at, by="owner")
            await house.until(3_602.0)
            assert offered(house).envelope_id != before.envelope_id
            # 11 kW and what the house may use besides are more than the battery can make up for.
            assert before.bounds_w(900) is not None
            assert offered(house).bounds_w(900) is None

    virtual(main)


@pytest.mark.parametrize("lost", [GRID, BATTERY])
def test_nothing_is_promised_with_what_does_not_answer(lost: Any, tmp_path: Path) -> None:
    async def main() -> None:
        async with living(SITE, DATA, tmp_path, start_at=START_AT) as house:
            await house.until(PROMISED_S)
            before = asked_in(house, 0.5)
            house.driver.lost = {lost}
            await house.until(PROMISED_S + 90)
            assert offered(house).hold_blocks == ()
            assert offered(house).null_reason is not None
            assert await refused(house, before) is RefusalCode.STALE
            house.driver.lost = set()
            await house.until(PROMISED_S + 110)
            assert offered(house).hold_blocks != ()

    virtual(main)


def test_a_charger_that_does_not_answer_may_draw_all_that_it_can(tmp_path: Path) -> None:
    async def main() -> None:
        async with living(SITE, DATA, tmp_path, start_at=START_AT) as house:
            await house.until(PROMISED_S)
            assert offered(house).bounds_w(900) is not None
            house.driver.lost = {CHARGER}
            await house.until(PROMISED_S + 60)
            assert offered(house).bounds_w(900) is None

    virtual(main)


def test_another_car_at_the_charger_of_a_full_one_waits_for_the_end_of_an_event(tmp_path: Path) -> None:
    charger = replace(SITE.chargers[0], habit=CarHabit(departure_s=7 * 3600, energy_wh=3_000.0))
    site = replace(SITE, chargers=(charger,))
    data = flat_data(site, days=2, load_w=600.0, pv_w=1_500.0, sessions=(stay(0.02, 1.0, 0.5), stay(1.05, 6.0, 20.0)))

    async def main() -> None:
        async with living(site, data, tmp_path, start_at=START_AT) as house:
            await house.until(3_500.0)
            await agreed(house, 0.5, minutes=30)
            house.daemon.planner.wake()
            await house.until(4_500.0)
            values = house.daemon.house.live().result.estimate.chargers[CHARGER]
            assert values.power_w == 0.0
            assert followed(house) == "e"

    virtual(main)


def test_a_heat_pump_that_cannot_be_planned_is_in_plan_and_promise_all_the_same(tmp_path: Path) -> None:
    site = home_b()
    data = flat_data(site, days=4, load_w=600.0, pv_w=0.0)

    async def main() -> None:
        async with living(site, data, tmp_path, start_at=START_AT, market=_without_weather(), step_s=10) as house:
            await house.until(24 * 3_600.0)
            planned = house.daemon.house._planned
            assert planned is not None
            assert planned.problem.heat == ()
            drawn_w = planned.outlook.heat[HEAT_PUMP].mean_w
            assert sum(drawn_w) / len(drawn_w) > 200.0
            load_w = planned.outlook.load.mean_w
            assert planned.problem.load_power_w[4] == pytest.approx(load_w[4] + drawn_w[4], abs=0.1)

    virtual(main)


def _without_weather() -> Any:
    return replace(flat_market(START_AT), outdoor=lambda: None)


def test_with_a_plan_of_hours_ago_nothing_is_promised_and_the_page_shows_what_is_expected_now(tmp_path: Path) -> None:
    async def main() -> None:
        async with living(SITE, DATA, tmp_path, start_at=START_AT) as house:
            await house.until(PROMISED_S)
            house.planner.broken = True
            await house.until(4 * 3_600.0)
            assert offered(house).hold_blocks == ()
            planned = house.daemon.house._planned
            assert planned is not None
            view = house.daemon.house.plan_view()
            assert view.load_power_w[view.past_count] == pytest.approx(planned.problem.load_power_w[0], abs=0.1)

    virtual(main)
