"""What is wanted of each device while the grid has failed, and why."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from hems.control.backup import in_order, intents
from hems.control.estimate import estimate
from hems.control.intent import Intent
from hems.control.state import ControlState
from hems.control.want import Want
from hems.domain import reasons
from hems.domain.events import Mode
from hems.domain.reading import BatteryValues, CarState
from hems.domain.site import Backup, BackupLoad, Controllable, DeviceId
from tests.support.guarding import NOW, OPEN_B
from tests.support.houses import BATTERY, CHARGER, HEAT_PUMP, PV
from tests.support.moments import House

BOTH = Backup(
    loads=(BackupLoad(device_id=CHARGER, soc_min_pct=60.0), BackupLoad(device_id=HEAT_PUMP, soc_min_pct=30.0))
)
SITE = replace(OPEN_B, backup=BOTH)
CONNECTED = House(car=CarState.CONNECTED)


def wanted(
    stored_wh: float | None = 9_000.0,
    *,
    house: House = CONNECTED,
    mode: Mode = Mode.ISLANDED,
    told_w: Mapping[DeviceId, float] | None = None,
) -> dict[DeviceId, Intent]:
    """Both loads have been running, unless said."""
    state = replace(ControlState.start(SITE), mode=mode, told_power_w=told_w or {CHARGER: 1_380.0, HEAT_PUMP: 2_500.0})
    seen = estimate(state, house.image(SITE, NOW.mono_s), NOW)
    feeding = BatteryValues(power_w=0.0, stored_wh=stored_wh, islanded=True)
    return intents(state, replace(seen, batteries={BATTERY: feeding}))


def runs(device_id: DeviceId, power_w: float | None, soc_min_pct: float) -> Intent:
    want = Want(device_id=device_id, power_w=power_w, urgent=True)
    return Intent(want=want, reason=reasons.RunsInIsland(soc_min_pct=soc_min_pct))


def rests(device_id: DeviceId, soc_min_pct: float | None) -> Intent:
    want = Want(device_id=device_id, power_w=0.0, urgent=True)
    return Intent(want=want, reason=reasons.RestsInIsland(soc_min_pct=soc_min_pct))


def test_loads_run_as_long_as_the_battery_holds_enough() -> None:
    assert (wanted()[CHARGER], wanted()[HEAT_PUMP]) == (runs(CHARGER, 1_380.0, 60.0), runs(HEAT_PUMP, None, 30.0))
    assert wanted(6_000.0)[CHARGER] == runs(CHARGER, 1_380.0, 60.0)
    low = wanted(5_999.0)
    assert (low[CHARGER], low[HEAT_PUMP]) == (rests(CHARGER, 60.0), runs(HEAT_PUMP, None, 30.0))


@pytest.mark.parametrize(
    ("stored_wh", "mode", "told_w", "charging"),
    [
        (6_499.0, Mode.ISLANDED, {CHARGER: 0.0}, False),
        (6_500.0, Mode.ISLANDED, {CHARGER: 0.0}, True),
        (6_499.0, Mode.ISLANDED, {HEAT_PUMP: 9.0}, False),
        (6_000.0, Mode.ISLANDED, {CHARGER: 0.5}, True),
        # The grid has failed just now: nothing rests for the battery's sake yet.
        (6_000.0, Mode.NORMAL, {CHARGER: 0.0}, True),
    ],
)
def test_what_rests_for_the_batterys_sake_starts_again_with_five_percent_more(
    stored_wh: float, mode: Mode, told_w: dict[DeviceId, float], charging: bool
) -> None:
    found = wanted(stored_wh, mode=mode, told_w=told_w)[CHARGER]
    assert found == (runs(CHARGER, 1_380.0, 60.0) if charging else rests(CHARGER, 60.0))


def test_what_nobody_asked_for_rests() -> None:
    site = replace(OPEN_B, backup=Backup())
    state = ControlState.start(site)
    seen = estimate(state, CONNECTED.image(site, NOW.mono_s), NOW)
    found = intents(state, seen)
    assert (found[CHARGER], found[HEAT_PUMP]) == (rests(CHARGER, None), rests(HEAT_PUMP, None))


def test_a_car_that_is_gone_is_offered_nothing() -> None:
    gone = wanted(house=House(car=CarState.ABSENT))[CHARGER]
    assert gone == Intent(want=Want(device_id=CHARGER, power_w=0.0), reason=reasons.NoCar())


def test_what_feeds_the_island_is_left_to_itself_and_the_silent_are_named() -> None:
    found = wanted(house=replace(CONNECTED, without=(PV, HEAT_PUMP)))
    assert found[BATTERY] == Intent(want=Want(device_id=BATTERY, power_w=None), reason=reasons.FeedsIsland())
    for device_id in (PV, HEAT_PUMP):
        want = Want(device_id=device_id, power_w=None)
        assert found[device_id] == Intent(want=want, reason=reasons.DeviceSilent())


def full_of(stored_wh: float | None, *, islanded: bool | None = True) -> BatteryValues:
    return BatteryValues(power_w=0.0, stored_wh=stored_wh, islanded=islanded)


@pytest.mark.parametrize(
    ("first", "second", "charging"),
    [
        # 10 and 20 kWh: 60 % of both are 18 kWh.
        (full_of(10_000.0), full_of(8_000.0), True),
        (full_of(10_000.0), full_of(7_999.0), False),
        (full_of(0.0), full_of(18_000.0), True),
        # One that does not feed the island does not count, one that does not say leaves it open.
        (full_of(6_000.0), full_of(0.0, islanded=False), True),
        (full_of(10_000.0), full_of(None), False),
        (full_of(10_000.0, islanded=None), full_of(20_000.0, islanded=None), False),
    ],
)
def test_batteries_that_feed_the_island_count_together(
    first: BatteryValues, second: BatteryValues, charging: bool
) -> None:
    other = DeviceId("other")
    site = replace(SITE, batteries=(*SITE.batteries, replace(SITE.batteries[0], id=other, capacity_wh=20_000.0)))
    state = replace(ControlState.start(site), told_power_w={CHARGER: 1_380.0})
    seen = estimate(state, CONNECTED.image(site, NOW.mono_s), NOW)
    found = intents(state, replace(seen, batteries={BATTERY: first, other: second}, silent=frozenset()))
    assert found[CHARGER] == (runs(CHARGER, 1_380.0, 60.0) if charging else rests(CHARGER, 60.0))


def test_first_comes_what_feeds_then_loads_as_ranked_then_the_rest() -> None:
    second, third = (replace(SITE.chargers[0], id=DeviceId(name)) for name in ("second", "third"))
    devices: list[Controllable] = [*SITE.heat_pumps, second, third, *SITE.chargers, *SITE.batteries, *SITE.pv]
    site = replace(SITE, chargers=(second, third, *SITE.chargers))
    assert [each.id for each in in_order(site, devices)] == [BATTERY, PV, CHARGER, HEAT_PUMP, "second", "third"]
