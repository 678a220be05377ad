"""What batteries lend to devices that are served before them."""

from dataclasses import replace

import pytest

from hems.control.estimate import Estimate, estimate
from hems.control.exchange import Ceiling, Exchange
from hems.control.headroom import Headroom
from hems.control.lending import lend
from hems.control.state import ControlState
from hems.domain.command import Authority, LimitRule
from hems.domain.power import ALL_PHASES, Phase, PhaseValues
from hems.domain.reading import BatteryValues
from hems.domain.site import MAIN, DeviceId, Site
from tests.support.houses import BATTERY, CHARGER, home_a
from tests.support.moments import House, now_after

SECOND, THIRD = DeviceId("battery-2"), DeviceId("battery-3")


def with_batteries(*ids: DeviceId) -> Site:
    (battery,) = home_a().batteries
    return replace(home_a(), batteries=tuple(replace(battery, id=each) for each in ids))


def seen_giving(site: Site, **given_w: float) -> Estimate:
    """Half full batteries that give so much; by name, ``battery_2`` for ``battery-2``."""
    seen = estimate(ControlState.start(site), House().image(site, now_after(0.0).mono_s), now_after(0.0))
    values = {
        DeviceId(name.replace("_", "-")): BatteryValues(power_w=-power_w, stored_wh=5_000.0)
        for name, power_w in given_w.items()
    }
    return replace(seen, batteries=values)


def lent_w(
    site: Site,
    seen: Estimate,
    wanted_w: dict[DeviceId, float],
    *,
    export_left_w: float = 20_000.0,
    export_max_w: float | None = None,
) -> dict[DeviceId, float]:
    ceiling = Ceiling(authority=Authority.OPERATOR, rule=LimitRule.OPERATOR_IMPORT, power_max_w=4_200.0)
    out = replace(ceiling, rule=LimitRule.OPERATOR_EXPORT, power_max_w=export_max_w or 0.0)
    line = Exchange(
        imports=(ceiling,),
        exports=() if export_max_w is None else (out,),
        dimmings=(),
        import_net_w=0.0,
        export_net_w=0.0,
        sun_w=0.0,
        lent_w={},
    )
    left_w = {(MAIN, phase): export_left_w / 3 for phase in ALL_PHASES}
    room = Headroom(site=site, reserve_w=PhaseValues(), import_left_w={**left_w}, export_left_w={**left_w})
    room.import_left_w[MAIN, Phase.L1] = 0.0
    lend(site, seen, wanted_w, room, line, 60.0)
    assert line.import_net_w == pytest.approx(-sum(line.lent_w.values()))
    return line.lent_w


@pytest.mark.parametrize(
    ("gives_w", "wanted_w", "export_left_w", "export_max_w", "lends_w"),
    [
        # No more than it is measured to give, is wanted to give on, can,
        (2_000.0, -3_000.0, 20_000.0, None, 2_000.0),
        (3_000.0, -2_000.0, 20_000.0, None, 2_000.0),
        (6_000.0, -6_000.0, 20_000.0, None, 5_000.0),
        # and than fuse and export limit let out.
        (3_000.0, -3_000.0, 1_500.0, None, 1_500.0),
        (3_000.0, -3_000.0, -1_500.0, None, None),
        (3_000.0, -3_000.0, 20_000.0, 800.0, 800.0),
        (0.5, -3_000.0, 20_000.0, None, 0.5),
        (-1_000.0, -3_000.0, 20_000.0, None, None),
        (3_000.0, 1_000.0, 20_000.0, None, None),
        (3_000.0, 0.0, 20_000.0, None, None),
    ],
)
def test_a_battery_lends_what_surely_goes_on(
    gives_w: float, wanted_w: float, export_left_w: float, export_max_w: float | None, lends_w: float | None
):
    site = with_batteries(BATTERY)
    found = lent_w(
        site,
        seen_giving(site, battery=gives_w),
        {BATTERY: wanted_w},
        export_left_w=export_left_w,
        export_max_w=export_max_w,
    )
    assert found == pytest.approx({} if lends_w is None else {BATTERY: lends_w})


def test_nothing_is_lent_that_nobody_wants():
    site = with_batteries(BATTERY)
    assert lent_w(site, seen_giving(site, battery=3_000.0), {}) == {}


def test_nothing_is_lent_while_blind():
    site = with_batteries(BATTERY)
    blind = replace(seen_giving(site, battery=3_000.0), grid=None)
    assert lent_w(site, blind, {BATTERY: -3_000.0}) == {}


def test_who_is_silent_or_does_not_follow_lends_nothing_and_keeps_nobody_else_from_it():
    site = with_batteries(BATTERY, SECOND, THIRD)
    seen = replace(seen_giving(site, battery_2=3_000.0, battery_3=3_000.0), disobeying_w={SECOND: 100.0, CHARGER: 9.0})
    wanted_w = dict.fromkeys((BATTERY, SECOND, THIRD), -3_000.0)
    assert lent_w(site, seen, wanted_w) == {THIRD: 3_000.0}


@pytest.mark.parametrize(
    ("first_wanted_w", "first_gives_w", "expected"),
    [
        # 5 kW may leave: what the first one may take of it is not there for the second, however little it gives now.
        (-3_000.0, 3_000.0, {BATTERY: 3_000.0, SECOND: 2_000.0}),
        (-3_000.0, 1_000.0, {BATTERY: 1_000.0, SECOND: 2_000.0}),
        # Who charges takes nothing of the way out.
        (2_000.0, 0.0, {SECOND: 4_000.0}),
    ],
)
def test_batteries_do_not_lend_the_same_way_out_twice(
    first_wanted_w: float, first_gives_w: float, expected: dict[DeviceId, float]
):
    site = with_batteries(BATTERY, SECOND)
    seen = seen_giving(site, battery=first_gives_w, battery_2=4_000.0)
    found = lent_w(site, seen, {BATTERY: first_wanted_w, SECOND: -4_000.0}, export_left_w=5_000.0)
    assert found == pytest.approx(expected)


def test_three_batteries_take_their_ways_out_one_after_another():
    site = with_batteries(BATTERY, SECOND, THIRD)
    seen = seen_giving(site, battery=1_000.0, battery_2=1_500.0, battery_3=4_000.0)
    wanted_w = {BATTERY: -1_000.0, SECOND: -1_500.0, THIRD: -4_000.0}
    found = lent_w(site, seen, wanted_w, export_left_w=5_000.0)
    assert found == pytest.approx({BATTERY: 1_000.0, SECOND: 1_500.0, THIRD: 2_500.0})
