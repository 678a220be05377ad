"""The connection's two balances: what each decision does to them, and what they leave for the next device."""

import math
from dataclasses import replace

import pytest

from hems.control.estimate import estimate
from hems.control.exchange import (
    WIDE_W,
    Ceiling,
    Dimming,
    Exchange,
    exchange,
    export_ceilings,
    filled,
    import_ceilings,
)
from hems.control.state import ControlState
from hems.domain.command import Authority, Limit, LimitRule
from hems.domain.power import PhaseValues
from hems.domain.site import Site
from tests.support.houses import BATTERY, CHARGER, GRID, HEAT_PUMP, PV, home_a, home_b
from tests.support.moments import House, now_after

RESERVE_W = PhaseValues(l1=1_000.0, l2=2_000.0, l3=3_000.0)


def at_most(power_max_w: float) -> Ceiling:
    return Ceiling(authority=Authority.OPERATOR, rule=LimitRule.OPERATOR_IMPORT, power_max_w=power_max_w)


def out_at_most(power_max_w: float) -> Ceiling:
    return Ceiling(authority=Authority.FUSE, rule=LimitRule.CONNECTION_EXPORT, power_max_w=power_max_w)


def dimming(power_max_w: float, drawn_w: float) -> Dimming:
    return Dimming(ceiling=at_most(power_max_w), devices=frozenset({CHARGER}), drawn_w=drawn_w)


def connection(
    *,
    imports: tuple[Ceiling, ...] = (),
    exports: tuple[Ceiling, ...] = (),
    dimmings: tuple[Dimming, ...] = (),
    import_net_w: float = 0.0,
    export_net_w: float = 0.0,
    sun_w: float = 0.0,
) -> Exchange:
    return Exchange(
        imports=imports,
        exports=exports,
        dimmings=dimmings,
        import_net_w=import_net_w,
        export_net_w=export_net_w,
        sun_w=sun_w,
        lent_w={},
    )


@pytest.mark.parametrize(
    "line",
    [
        connection(imports=(at_most(4_000.0),), import_net_w=500.0),
        connection(dimmings=(dimming(4_000.0, 0.0),), import_net_w=500.0),
    ],
)
def test_what_a_battery_lends_is_there_for_others_until_its_turn(line: Exchange):
    """Then it must go on giving it."""
    line.lend(BATTERY, 1_500.0)
    assert line.import_net_w == -1_000.0
    (bound,) = line.called_in(BATTERY)
    assert (bound.authority, bound.rule, bound.range.upper_w) == (
        Authority.OPERATOR,
        LimitRule.OPERATOR_IMPORT,
        -1_500.0,
    )
    assert bound.range.lower_w == -WIDE_W
    assert line.import_net_w == 500.0
    assert line.called_in(BATTERY) == []
    assert line.import_net_w == 500.0


def test_without_an_import_limit_nothing_is_lent():
    line = connection(exports=(out_at_most(0.0),), import_net_w=500.0)
    line.lend(BATTERY, 1_500.0)
    assert (line.import_net_w, line.called_in(BATTERY)) == (500.0, [])


@pytest.mark.parametrize(
    ("told_w", "measured_w", "import_w", "export_w", "drawn_w"),
    [
        # A consumer counts against imports with what it is told, against exports with what it really draws of it.
        (3_000.0, 0.0, 3_000.0, 0.0, 3_000.0),
        (3_000.0, 2_000.0, 3_000.0, 2_000.0, 3_000.0),
        (3_000.0, 4_000.0, 3_000.0, 3_000.0, 3_000.0),
        (0.0, 2_000.0, 0.0, 0.0, 0.0),
        # A discharge counts against exports with what it is told, against imports with what it really gives of it.
        (-2_000.0, 0.0, 0.0, -2_000.0, 0.0),
        (-2_000.0, -500.0, -500.0, -2_000.0, 0.0),
        (-2_000.0, -3_000.0, -2_000.0, -2_000.0, 0.0),
        (-2_000.0, 500.0, 0.0, -2_000.0, 0.0),
        # Told to charge, it still gives: the worst of both.
        (1_000.0, -500.0, 1_000.0, 0.0, 1_000.0),
    ],
)
def test_a_decision_counts_at_its_worst_in_each_balance(
    told_w: float, measured_w: float, import_w: float, export_w: float, drawn_w: float
):
    line = connection(dimmings=(dimming(4_200.0, 100.0),), import_net_w=10.0, export_net_w=20.0)
    line.book(CHARGER, told_w, measured_w)
    assert (line.import_net_w, line.export_net_w) == (10.0 + import_w, 20.0 + export_w)
    assert line.dimmings[0].drawn_w == 100.0 + drawn_w


def test_only_dimmed_devices_count_in_a_dimming():
    line = connection(dimmings=(dimming(4_200.0, 100.0),))
    line.book(BATTERY, 1_000.0, 0.0)
    line.reserve(BATTERY, 500.0)
    assert line.dimmings[0].drawn_w == 100.0


def test_a_reserve_counts_as_drawn_until_it_is_taken_back():
    line = connection(dimmings=(dimming(4_200.0, 100.0),), import_net_w=10.0, export_net_w=20.0)
    line.reserve(CHARGER, 500.0)
    assert (line.import_net_w, line.export_net_w, line.dimmings[0].drawn_w) == (510.0, 20.0, 600.0)
    line.reserve(CHARGER, -500.0)
    assert (line.import_net_w, line.export_net_w, line.dimmings[0].drawn_w) == (10.0, 20.0, 100.0)


@pytest.mark.parametrize(
    ("made_w", "limit_w", "import_w", "export_w"),
    [
        (3_000.0, 3_000.0, 0.0, 0.0),
        # What is held back has to be bought, and does not flow out.
        (3_000.0, 1_000.0, 2_000.0, 2_000.0),
        # What it may make more may flow out; nobody counts on it.
        (3_000.0, 5_000.0, 0.0, -2_000.0),
    ],
)
def test_a_plant_counts_with_less_of_it_and_more_of_it(made_w: float, limit_w: float, import_w: float, export_w: float):
    line = connection(import_net_w=10.0, export_net_w=20.0)
    line.book_production(made_w, limit_w)
    assert (line.import_net_w, line.export_net_w) == (10.0 + import_w, 20.0 + export_w)


@pytest.mark.parametrize(
    ("line", "measured_w", "left_w"),
    [
        (connection(import_net_w=1_500.0), 0.0, 2_500.0),
        (connection(import_net_w=-1_500.0), 0.0, 5_500.0),
        (connection(import_net_w=5_000.0), 0.0, 0.0),
        # 1 kW more flows out than may: so much sun will be held back, and is not there for anybody,
        (connection(import_net_w=1_500.0, export_net_w=-1_000.0, sun_w=3_000.0), 0.0, 1_500.0),
        # but for who draws it already,
        (connection(import_net_w=1_500.0, export_net_w=-1_000.0, sun_w=3_000.0), 400.0, 1_900.0),
        (connection(import_net_w=1_500.0, export_net_w=-1_000.0, sun_w=3_000.0), 2_000.0, 2_500.0),
        (connection(import_net_w=1_500.0, export_net_w=-1_000.0, sun_w=3_000.0), -400.0, 1_500.0),
        # where the limit has room for all of it:
        (connection(import_net_w=3_000.0, export_net_w=-1_000.0, sun_w=3_000.0), 400.0, 400.0),
        (connection(import_net_w=3_200.0, export_net_w=-1_000.0, sun_w=300.0), 400.0, 500.0),
        # no more than there is of sun that can be held back,
        (connection(import_net_w=1_500.0, export_net_w=-1_000.0, sun_w=300.0), 0.0, 2_200.0),
        # and none while nothing flows out.
        (connection(import_net_w=1_500.0, export_net_w=400.0, sun_w=3_000.0), 0.0, 2_500.0),
    ],
)
def test_an_import_limit_leaves_what_is_bought_for_nobody_else(line: Exchange, measured_w: float, left_w: float):
    """4 kW may be bought, nothing fed in."""
    line.imports, line.exports = (at_most(4_000.0),), (out_at_most(0.0),)
    (bound,) = line.import_bounds(BATTERY, measured_w)
    assert (bound.authority, bound.rule) == (Authority.OPERATOR, LimitRule.OPERATOR_IMPORT)
    assert (bound.range.lower_w, bound.range.upper_w) == (-WIDE_W, left_w)


def test_the_tightest_export_limit_says_what_sun_is_held_back():
    exports = (out_at_most(0.0), out_at_most(600.0))
    line = connection(imports=(at_most(4_000.0),), exports=exports, export_net_w=-1_000.0, sun_w=3_000.0)
    (bound,) = line.import_bounds(BATTERY, 0.0)
    assert bound.range.upper_w == 3_000.0


def test_without_an_export_limit_no_sun_is_held_back():
    line = connection(imports=(at_most(4_000.0),), export_net_w=-1_000.0, sun_w=3_000.0)
    (bound,) = line.import_bounds(BATTERY, 0.0)
    assert bound.range.upper_w == 4_000.0


@pytest.mark.parametrize(
    ("drawn_w", "import_net_w", "dimmed_w", "other_w"),
    [
        # Their sum may come up to the limit, or the whole import may: what allows more.
        (1_000.0, 5_000.0, 3_200.0, None),
        (1_000.0, 0.0, 4_200.0, None),
        (4_200.0, 5_000.0, 0.0, None),
        # Beyond the limit they live on sun and battery; others take what is left of the whole import.
        (4_300.0, 1_000.0, 3_200.0, 3_200.0),
        (4_300.0, 6_000.0, 0.0, 0.0),
    ],
)
def test_dimmed_devices_keep_to_their_sum_or_to_the_import(
    drawn_w: float, import_net_w: float, dimmed_w: float, other_w: float | None
):
    line = connection(dimmings=(dimming(4_200.0, drawn_w),), import_net_w=import_net_w)
    (bound,) = line.import_bounds(CHARGER, 0.0)
    assert (bound.range.lower_w, bound.range.upper_w) == (-WIDE_W, dimmed_w)
    others = [(each.range.lower_w, each.range.upper_w) for each in line.import_bounds(BATTERY, 0.0)]
    assert others == ([] if other_w is None else [(-WIDE_W, other_w)])


@pytest.mark.parametrize(("export_net_w", "left_w"), [(-400.0, 600.0), (-1_500.0, 0.0), (300.0, 1_300.0)])
def test_a_battery_may_feed_in_what_an_export_limit_leaves(export_net_w: float, left_w: float):
    line = connection(exports=(out_at_most(1_000.0),), export_net_w=export_net_w)
    assert line.exports_w() == [left_w]
    (bound,) = line.export_bounds()
    assert (bound.range.lower_w, bound.range.upper_w) == (-left_w, WIDE_W)
    assert (bound.authority, bound.rule) == (Authority.FUSE, LimitRule.CONNECTION_EXPORT)


@pytest.mark.parametrize(
    ("made_w", "slack_w", "share_ratio", "filled_w"),
    [
        # Of what is free a share, of what is too much all.
        (3_000.0, 2_000.0, 0.25, 3_500.0),
        (3_000.0, 0.5, 0.5, 3_000.25),
        (3_000.0, 0.0, 0.25, 3_000.0),
        (3_000.0, -2_000.0, 0.25, 1_000.0),
        (3_000.0, -4_000.0, 0.25, 0.0),
    ],
)
def test_a_plant_fills_its_share(made_w: float, slack_w: float, share_ratio: float, filled_w: float):
    assert filled(made_w, slack_w, share_ratio) == filled_w
    line = connection(exports=(out_at_most(5_000.0),), export_net_w=slack_w - 5_000.0)
    (bound,) = line.production_bounds(made_w, share_ratio)
    assert (bound.range.lower_w, bound.range.upper_w) == (-filled_w, 0.0)


@pytest.mark.parametrize(
    ("line", "least_w"),
    [
        (connection(import_net_w=9_000.0), 0.0),
        (connection(imports=(at_most(4_000.0),), import_net_w=3_000.0), 1_500.0),
        (connection(imports=(at_most(4_000.0),), import_net_w=9_000.0), 2_500.0),
        (connection(imports=(at_most(4_000.0),), import_net_w=0.0), 0.0),
        # The tighter of two limits.
        (connection(imports=(at_most(4_000.0), at_most(5_000.0)), import_net_w=3_000.0), 1_500.0),
        # A dimming only where the devices draw more than it allows them of the grid.
        (connection(dimmings=(dimming(4_200.0, 4_201.0),), import_net_w=3_000.0), 1_300.0),
        (connection(dimmings=(dimming(4_200.0, 4_200.0),), import_net_w=3_000.0), 0.0),
    ],
)
def test_no_wish_holds_back_the_sun_that_keeps_an_import_limit(line: Exchange, least_w: float):
    """2.5 kW are made."""
    assert line.least_production_w(2_500.0) == least_w


def seen_at(site: Site, house: House, limits: tuple[Limit, ...] = (), disobeying_w: float | None = None) -> Exchange:
    seen = estimate(ControlState.start(site), house.image(site, now_after(0.0).mono_s), now_after(0.0))
    if disobeying_w is not None:
        seen = replace(seen, disobeying_w={CHARGER: disobeying_w})
    return exchange(site, seen, limits, RESERVE_W)


def test_before_anything_is_decided_there_are_load_and_sun():
    house = House(load_w=500.0, pv_w=3_000.0, battery_w=1_000.0)
    line = seen_at(home_a(), house)
    assert (line.import_net_w, line.export_net_w, line.sun_w) == pytest.approx((-2_500.0, -2_500.0, 3_000.0))
    fixed = replace(home_a(), pv=(replace(home_a().pv[0], curtailable=False),))
    line = seen_at(fixed, house)
    assert (line.import_net_w, line.export_net_w, line.sun_w) == pytest.approx((-2_500.0, -2_500.0, 0.0))
    line = seen_at(home_a(), replace(house, without=(PV,)))
    assert line.sun_w == 0.0


def test_what_disobeys_is_bought_in_any_case():
    line = seen_at(home_a(), House(load_w=500.0), disobeying_w=3_000.0)
    assert (line.import_net_w, line.export_net_w) == pytest.approx((3_500.0, 500.0))


def test_blind_the_load_is_the_reserve_or_nothing_and_the_silent_do_their_worst():
    """6 kW reserve; battery 5 kW, charger 11.04 kW, heat pump 2.5 kW; the roof has 6 kW and can be limited."""
    house = House(load_w=500.0, pv_w=3_000.0)
    line = seen_at(home_b(), replace(house, without=(GRID,)))
    assert (line.import_net_w, line.export_net_w) == (6_000.0, -3_000.0)
    all_silent = replace(house, without=(GRID, PV, BATTERY, CHARGER, HEAT_PUMP))
    line = seen_at(home_b(), all_silent)
    assert line.import_net_w == pytest.approx(6_000.0 + 5_000.0 + 11_040.0 + 2_500.0)
    assert line.export_net_w == -5_000.0
    fixed = replace(home_b(), pv=(replace(home_b().pv[0], curtailable=False),))
    assert seen_at(fixed, all_silent).export_net_w == -5_000.0 - 6_000.0


@pytest.mark.parametrize(("said_w", "kept_w"), [(1.0, 1.0), (0.0, 0.0), (-5.0, 0.0), (math.nan, 0.0)])
def test_a_limit_that_is_no_magnitude_leaves_nothing(said_w: float, kept_w: float):
    said = Limit(
        authority=Authority.SETPOINT,
        source="somebody",
        import_power_max_w=said_w,
        export_power_max_w=said_w,
        dimmed_power_max_w=said_w,
        dims=frozenset({BATTERY}),
    )
    contract = replace(home_a().connection, import_power_max_w=17_000.0, export_power_max_w=None)
    site = replace(home_a(), connection=contract)
    assert import_ceilings(site, (said,)) == (
        Ceiling(authority=Authority.FUSE, rule=LimitRule.CONNECTION_IMPORT, power_max_w=17_000.0),
        Ceiling(authority=Authority.SETPOINT, rule=LimitRule.OPERATOR_IMPORT, power_max_w=kept_w),
    )
    assert export_ceilings(site, (said,)) == (
        Ceiling(authority=Authority.SETPOINT, rule=LimitRule.OPERATOR_EXPORT, power_max_w=kept_w),
    )
    (dimmed,) = seen_at(site, House(), (said,)).dimmings
    assert (dimmed.ceiling.power_max_w, dimmed.devices, dimmed.drawn_w) == (kept_w, frozenset({BATTERY}), 0.0)


def test_silent_and_disobedient_devices_count_in_a_dimming_from_the_start():
    limit = Limit(
        authority=Authority.OPERATOR, source="operator", dimmed_power_max_w=4_200.0, dims=frozenset({CHARGER, BATTERY})
    )
    (dimmed,) = seen_at(home_b(), House(without=(BATTERY, HEAT_PUMP)), (limit,)).dimmings
    assert dimmed.drawn_w == 5_000.0
    (dimmed,) = seen_at(home_b(), House(without=(CHARGER,)), (limit,), disobeying_w=3_000.0).dimmings
    assert dimmed.drawn_w == 3_000.0
