"""What is heard of a device with a fault, and what it hears."""

from typing import Any

import pytest

from hems.domain.command import BatteryPower, ChargeCurrent
from hems.domain.reading import Image, Quality
from hems.domain.site import DeviceId
from hems.sim.faults import ABSURD_W, Fault
from hems.sim.house import SimHouse
from tests.support.houses import BATTERY, CHARGER, GRID, PV, home_a
from tests.support.simulated import START_AT, flat_data, order, stay


def house() -> SimHouse:
    site = home_a()
    data = flat_data(site, days=1, load_w=900.0, pv_w=300.0, sessions=(stay(0.0, 10.0, 30.0),))
    made = SimHouse(site, data, seed=1, start_at=START_AT)
    _second(made, 2)
    return made


def _second(made: SimHouse, count: int = 1) -> Image:
    image = made.image(made.now)
    for _ in range(count):
        made.apply([order(BATTERY, BatteryPower(power_w=2_000.0), mono_s=made.mono_s)], made.mono_s)
        made.apply([order(CHARGER, ChargeCurrent(current_a=6.0, phase_count=3), mono_s=made.mono_s)], made.mono_s)
        made.advance(1)
        image = made.image(made.now)
    return image


def _said(image: Image, device_id: DeviceId) -> Any:
    if device_id == GRID:
        return image.grid
    return {**image.pv, **image.batteries, **image.chargers}[device_id]


@pytest.mark.parametrize("device_id", [GRID, PV, BATTERY, CHARGER])
def test_each_way_of_saying_something_wrong(device_id: DeviceId) -> None:
    made = house()
    true_w = _said(_second(made), device_id).value.power_w
    assert true_w != 0
    said = {}
    for fault in (Fault.ABSURD, Fault.FLIPPED, Fault.SCALED):
        made.disturb(device_id, fault)
        said[fault] = _said(_second(made), device_id).value.power_w
    assert said[Fault.ABSURD] == ABSURD_W
    assert said[Fault.FLIPPED] == pytest.approx(-true_w, rel=0.05)
    assert said[Fault.SCALED] == pytest.approx(0.1 * true_w, rel=0.05)
    made.disturb(device_id, Fault.ABSENT)
    assert _said(_second(made), device_id).quality is Quality.ABSENT
    made.disturb(device_id, None)
    assert _said(_second(made), device_id).value.power_w == pytest.approx(true_w, rel=0.05)


def test_a_meter_that_is_flipped_is_so_on_each_phase() -> None:
    made = house()
    true = _said(_second(made), GRID).value
    made.disturb(GRID, Fault.FLIPPED)
    flipped = _said(_second(made), GRID).value
    assert flipped.phase_power_high_w.l1 == pytest.approx(-true.phase_power_high_w.l1, rel=0.05)


def test_a_slow_device_speaks_every_twelve_seconds_and_follows_after_five() -> None:
    made = house()
    made.disturb(BATTERY, Fault.SLOW)
    times_s = {_said(_second(made), BATTERY).mono_s for _ in range(30)}
    assert len(times_s) == 3
    made.apply([order(BATTERY, BatteryPower(power_w=-1_000.0), mono_s=made.mono_s)], made.mono_s)
    powers_w = []
    for _ in range(12):
        made.advance(1)
        powers_w.append(made.batteries[BATTERY].power_w)
    first = powers_w.index(-1_000.0)
    assert 5 <= first <= 11  # a command may be on its way already
    assert made.held[BATTERY].action == BatteryPower(power_w=-1_000.0)


def test_a_device_that_refuses_or_is_deaf_goes_on_until_its_lease_ends() -> None:
    for fault in (Fault.DEAF, Fault.REFUSING):
        made = house()
        made.disturb(BATTERY, fault)
        made.apply([order(BATTERY, BatteryPower(power_w=-1_000.0), mono_s=made.mono_s)], made.mono_s)
        made.advance(5)
        assert made.batteries[BATTERY].power_w == 2_000.0
        made.advance(100)
        assert made.batteries[BATTERY].power_w == 0.0


def test_a_charger_that_has_just_started_gives_all_it_has_and_hears_nothing() -> None:
    made = house()
    assert made.chargers[CHARGER].offered_a == 6.0
    before = _said(made.image(made.now), CHARGER)
    made.disturb(CHARGER, Fault.REBOOTED)
    image = _second(made, 40)
    assert made.chargers[CHARGER].offered_a == 16.0
    assert _said(image, CHARGER) == before
    assert CHARGER not in made.held
    made.disturb(CHARGER, None)
    _second(made)
    assert made.chargers[CHARGER].offered_a == 6.0


def test_a_stubborn_device_goes_on_for_ever_and_says_so() -> None:
    made = house()
    made.disturb(BATTERY, Fault.STUBBORN)
    made.disturb(CHARGER, Fault.STUBBORN)
    made.apply([order(BATTERY, BatteryPower(power_w=0.0), mono_s=made.mono_s)], made.mono_s)
    made.advance(300)
    assert made.batteries[BATTERY].power_w == 2_000.0
    assert made.chargers[CHARGER].offered_a == 16.0
    assert _said(made.image(made.now), BATTERY).value.power_w == 2_000.0


def test_who_is_not_there_cannot_be_disturbed() -> None:
    with pytest.raises(ValueError, match="there is no device"):
        house().disturb(DeviceId("dishwasher"), Fault.SILENT)
