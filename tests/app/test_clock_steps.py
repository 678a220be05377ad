"""The wall clock jumps by days and decades: the guard does not notice, and the rest finds its way."""

import logging
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hems.control.estimate import estimate
from hems.control.guard import permit
from hems.sim import virtual_time
from tests.property.test_dimming import dimmed_case
from tests.support.houses import CHARGER, home_b
from tests.support.living import living
from tests.support.simulated import START_AT, flat_data, stay

SITE = home_b()
DATA = flat_data(SITE, days=2, load_w=900.0, pv_w=1_500.0, sessions=(stay(0.05, 20.0, 30.0),))
YEAR_S = 365.25 * 86_400


@given(seed=st.integers(0, 2**32 - 1), years=st.floats(-50.0, 50.0), trusted=st.booleans())
def test_the_guard_permits_the_same_whatever_the_wall_clock_says(seed: int, years: float, trusted: bool) -> None:
    case = dimmed_case(seed)
    later = replace(case.now, at=case.now.at + timedelta(days=365.25 * years), wall_trusted=trusted)
    permitted = [
        permit(case.state, estimate(case.state, case.image, now), case.wants, case.limits, now)
        for now in (case.now, later)
    ]
    assert permitted[0] == permitted[1]


@pytest.mark.parametrize(
    ("step_s", "trusted"),
    [
        (-3 * 86_400.0, True),
        (-3_600.0, False),
        (3_600.0, True),
        (180 * 86_400.0, False),
        (20 * YEAR_S, True),
        (20 * YEAR_S, False),
    ],
)
def test_a_house_goes_on_over_a_step(
    step_s: float, trusted: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with living(SITE, DATA, tmp_path, start_at=START_AT) as house:
            await house.until(300.0)
            before = house.daemon.house.live()
            house.clock.trusted = trusted
            house.clock.step_wall(step_s)
            await house.until(360.0)
            after = house.daemon.house.live()
            assert after.seq - before.seq >= 55
            assert after.result.state.mode is before.result.state.mode
            told = [each for each in house.driver.applied if each.device_id == CHARGER]
            assert house.clock.monotonic_s() - told[-1].lease.granted_mono_s <= 5.0
            await house.until(1_300.0)
            snapshot = house.daemon.house.snapshot()
            assert snapshot.clock_trusted is trusted
            assert not trusted or snapshot.plan is not None
            house.clock.step_wall(-step_s)
            house.clock.trusted = True
            await house.until(2_300.0)
            assert house.daemon.house.snapshot().plan is not None
            assert house.daemon.house.snapshot().notices == ()

    with caplog.at_level(logging.ERROR):
        virtual_time.run(main())
    assert [each.getMessage() for each in caplog.records] == []
