"""A grid meter that stands still while devices move is not believed; a quiet house is."""

from dataclasses import replace

import pytest

from hems.control.state import ControlState
from hems.control.tick import TickResult, tick
from hems.domain.events import DeviceCameBack, DeviceWentSilent, MeterFrozen, Mode
from hems.domain.reading import CarState
from hems.domain.site import Site
from tests.support.houses import CHARGER, GRID, home_a
from tests.support.moments import House, now_after

SITE = replace(home_a(), batteries=(), pv=())
IDLE = House(load_w=2_000.0, car=CarState.CONNECTED)
CHARGES = replace(IDLE, car=CarState.CHARGING, car_w=11_000.0, offered_a=16.0)


class Watched:
    """A house second by second, with a meter that may stand still."""

    def __init__(self, site: Site = SITE) -> None:
        self.site = site
        self.state = ControlState.start(site)
        self.second = 0
        self.frozen: House | None = None
        self.events: list[MeterFrozen | DeviceCameBack | DeviceWentSilent] = []

    def go_on(self, house: House, seconds: int, *, late: House | None = None) -> TickResult:
        """Tick each second; ``late`` is what the devices say where they lag behind the meter."""
        for _ in range(seconds):
            now = now_after(float(self.second))
            image = (late or house).image(self.site, now.mono_s)
            image = replace(image, grid=(self.frozen or house).image(self.site, now.mono_s).grid)
            result = tick(self.state, image, None, (), now)
            self.state = result.state
            self.events += [
                each for each in result.events if isinstance(each, MeterFrozen | DeviceCameBack | DeviceWentSilent)
            ]
            self.second += 1
        return result

    def freeze(self, house: House) -> None:
        self.frozen = house


def test_a_meter_that_stands_still_while_a_car_starts_is_not_believed() -> None:
    watched = Watched()
    watched.go_on(IDLE, 60)
    watched.freeze(IDLE)
    result = watched.go_on(CHARGES, 6)
    assert result.state.mode is Mode.NORMAL
    result = watched.go_on(CHARGES, 10)
    assert result.state.mode is Mode.SAFE_HOLD
    assert [type(each) for each in watched.events] == [MeterFrozen]
    watched.frozen = None
    result = watched.go_on(CHARGES, 2)
    assert result.state.mode is Mode.NORMAL
    assert [type(each) for each in watched.events] == [MeterFrozen, DeviceCameBack]
    assert watched.events[0].device_id == GRID


def test_it_stays_disbelieved_when_the_devices_come_back_to_where_they_were() -> None:
    watched = Watched()
    watched.go_on(IDLE, 60)
    watched.freeze(IDLE)
    watched.go_on(CHARGES, 20)
    assert watched.go_on(IDLE, 60).state.mode is Mode.SAFE_HOLD


@pytest.mark.parametrize("lag_s", [1, 5, 29])
def test_a_charger_that_tells_its_power_late_freezes_nothing(lag_s: int) -> None:
    """The meter has seen the car for half a minute, and the house is quiet to the watt."""
    watched = Watched()
    watched.go_on(IDLE, 120)
    watched.go_on(CHARGES, lag_s, late=IDLE)
    result = watched.go_on(CHARGES, 120)
    assert result.state.mode is Mode.NORMAL
    assert watched.events == []


def test_a_quiet_night_freezes_nothing() -> None:
    watched = Watched()
    assert watched.go_on(House(load_w=300.0), 600).state.mode is Mode.NORMAL
    assert watched.events == []


def test_a_connection_that_an_inverter_holds_at_nothing_is_not_frozen() -> None:
    watched = Watched(home_a())
    empty = House(load_w=2_000.0, battery_w=-2_000.0)
    watched.go_on(empty, 60)
    assert watched.go_on(replace(empty, load_w=4_000.0, battery_w=-4_000.0), 60).state.mode is Mode.NORMAL


def test_a_charger_that_falls_silent_says_nothing_of_the_meter() -> None:
    watched = Watched()
    watched.go_on(CHARGES, 60)
    watched.freeze(CHARGES)
    result = watched.go_on(replace(CHARGES, without=(CHARGER,)), 60)
    assert result.state.mode is Mode.DEGRADED
