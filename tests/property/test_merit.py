"""Merit order against brute force: no other powers of the same storages are worth more at these prices."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hems.control.merit import Cleared, Storage, Trade, clear
from hems.domain.power import PowerRange
from hems.domain.site import DeviceId

STEP_W = 500
"""Loads and power limits are multiples of this, and what is paid is linear between them: so is an optimum."""
prices = st.integers(-20, 50).map(lambda cents: cents / 100)


@st.composite
def continuous_storages(draw: st.DrawFn) -> list[Storage]:
    found = []
    for number in range(draw(st.integers(1, 3))):
        bid, ask = sorted((draw(prices), draw(prices)))
        found.append(
            Storage(
                device_id=DeviceId(f"s{number}"),
                charge_power_min_w=0.0,
                charge_power_max_w=float(STEP_W * draw(st.integers(0, 4))),
                discharge_power_max_w=float(STEP_W * draw(st.integers(0, 4))),
                bid_eur_per_kwh=bid,
                ask_eur_per_kwh=ask,
                planned_power_w=float(STEP_W * draw(st.integers(-4, 4))),
            )
        )
    return found


def gain_eur_per_h(
    net_w: float, storages: list[Storage], power_w: tuple[float, ...], buy_at: float, sell_at: float
) -> float:
    """Worth of what goes in, less worth of what comes out, less the grid's bill, for one hour at these powers."""
    worth = 0.0
    for storage, each_w in zip(storages, power_w, strict=True):
        worth += each_w / 1000 * (storage.bid_eur_per_kwh if each_w > 0 else storage.ask_eur_per_kwh)
    grid_kw = (net_w + sum(power_w)) / 1000
    return worth - grid_kw * (buy_at if grid_kw > 0 else sell_at)


@settings(max_examples=300, deadline=None)
@given(
    net=st.integers(-8, 8), storages=continuous_storages(), buy_at=prices.filter(lambda each: each >= 0), sell_at=prices
)
def test_no_other_powers_are_worth_more(net: int, storages: list[Storage], buy_at: float, sell_at: float) -> None:
    """Storages trade with the house and the grid, not with each other: no bid above another's ask. Below a sale price
    of zero a discharge into the grid is forbidden, for the rivals too."""
    assume(sell_at <= buy_at)
    assume(all(a.bid_eur_per_kwh <= b.ask_eur_per_kwh for a, b in itertools.permutations(storages, 2)))
    net_w = float(net * STEP_W)
    cleared = clear(net_w, storages, import_price_eur_per_kwh=buy_at, export_price_eur_per_kwh=sell_at)
    chosen_w = tuple(cleared[each.device_id].power_w for each in storages)
    best = max(
        gain_eur_per_h(net_w, storages, power_w, buy_at, sell_at)
        for power_w in itertools.product(
            *(range(-int(each.discharge_power_max_w), int(each.charge_power_max_w) + 1, STEP_W) for each in storages)
        )
        if sell_at > 0 or sum(power_w) + net_w >= 0 or min(power_w) >= 0
    )
    # Within the tie band the plan's power is taken: at most 0.15 ct on each kWh that all storages together can move.
    band_eur = 0.0015 * sum(max(each.charge_power_max_w, each.discharge_power_max_w) for each in storages) / 1000
    assert gain_eur_per_h(net_w, storages, chosen_w, buy_at, sell_at) >= best - band_eur - 1e-9


@settings(max_examples=300, deadline=None)
@given(net=st.integers(-8, 8), storages=continuous_storages(), buy_at=prices, sell_at=prices)
def test_powers_are_inside_each_storages_limits(
    net: int, storages: list[Storage], buy_at: float, sell_at: float
) -> None:
    cleared = clear(float(net * STEP_W), storages, import_price_eur_per_kwh=buy_at, export_price_eur_per_kwh=sell_at)
    for storage in storages:
        power_w = cleared[storage.device_id].power_w
        assert -storage.discharge_power_max_w <= power_w <= storage.charge_power_max_w


@settings(max_examples=300, deadline=None)
@given(
    net=st.integers(-8, 8),
    storages=continuous_storages(),
    buy_at=prices,
    sell_at=prices.filter(lambda each: each < 0),
)
def test_nothing_is_discharged_into_the_grid_when_selling_costs_money(
    net: int, storages: list[Storage], buy_at: float, sell_at: float
) -> None:
    net_w = float(net * STEP_W)
    cleared = clear(net_w, storages, import_price_eur_per_kwh=buy_at, export_price_eur_per_kwh=sell_at)
    given_w = -sum(min(each.power_w, 0.0) for each in cleared.values())
    taken_w = sum(max(each.power_w, 0.0) for each in cleared.values())
    assert given_w <= max(0.0, net_w + taken_w)


@settings(max_examples=200, deadline=None)
@given(
    surplus=st.integers(0, 40),
    bid=prices,
    buy_at=prices.filter(lambda each: each >= 0),
    sell_at=prices,
    planned_w=st.sampled_from((0.0, 3_000.0)),
)
def test_a_car_gets_nothing_or_at_least_its_smallest_power(
    surplus: int, bid: float, buy_at: float, sell_at: float, planned_w: float
) -> None:
    assume(sell_at <= buy_at)
    car = Storage(
        device_id=DeviceId("car"),
        charge_power_min_w=1_380.0,
        charge_power_max_w=11_040.0,
        discharge_power_max_w=0.0,
        bid_eur_per_kwh=bid,
        ask_eur_per_kwh=bid,
        planned_power_w=planned_w,
    )
    surplus_w = surplus * 100.0
    cleared = clear(-surplus_w, [car], import_price_eur_per_kwh=buy_at, export_price_eur_per_kwh=sell_at)
    power_w = cleared[car.device_id].power_w
    assert power_w == 0 or 1_380.0 <= power_w <= 11_040.0
    if sell_at + 0.002 < bid < buy_at - 0.002:
        # Charging on surplus alone, topped up to the smallest power only where that still pays.
        cost = min(surplus_w, 1_380.0) * sell_at + max(1_380.0 - surplus_w, 0.0) * buy_at
        expected_w = max(surplus_w, 1_380.0) if surplus_w >= 1_380.0 or cost < 1_380.0 * bid else 0.0
        assert power_w == expected_w
        assert cleared[car.device_id].trade is (Trade.STORES_SURPLUS if power_w else cleared[car.device_id].trade)


def test_who_finds_nothing_left_is_idle_and_gives_no_reason_of_price() -> None:
    """A battery beside a car that takes the whole surplus said that selling earned more, at a price below zero."""
    battery = Storage(
        device_id=DeviceId("battery"),
        charge_power_min_w=0.0,
        charge_power_max_w=5_000.0,
        discharge_power_max_w=5_000.0,
        bid_eur_per_kwh=0.08,
        ask_eur_per_kwh=0.09,
        planned_power_w=0.0,
    )
    car = replace(battery, device_id=DeviceId("car"), discharge_power_max_w=0.0, bid_eur_per_kwh=0.15)
    cleared = clear(-3_000.0, [battery, car], import_price_eur_per_kwh=0.30, export_price_eur_per_kwh=-0.03)
    assert cleared[DeviceId("car")] == Cleared(power_w=3_000.0, trade=Trade.STORES_SURPLUS)
    assert cleared[DeviceId("battery")] == Cleared(power_w=0.0, trade=Trade.IDLE)


@settings(max_examples=300, deadline=None)
@given(
    net=st.integers(-8, 8),
    storages=continuous_storages(),
    buy_at=prices,
    sell_at=prices,
    able=st.lists(prices.map(abs), min_size=3, max_size=3),
)
def test_a_storage_that_can_do_less_at_present_counts_like_a_smaller_one(
    net: int, storages: list[Storage], buy_at: float, sell_at: float, able: list[float]
) -> None:
    """What it cannot do, the others do: all together move what they would if its nameplate were that small."""
    abilities = [PowerRange(lower_w=-2_000.0 * each, upper_w=1_000.0 * each) for each in able[: len(storages)]]
    limited = [replace(each, able_power=able) for each, able in zip(storages, abilities, strict=False)]
    smaller = [
        replace(
            each,
            charge_power_max_w=min(each.charge_power_max_w, each.able_power.upper_w),
            discharge_power_max_w=min(each.discharge_power_max_w, -each.able_power.lower_w),
        )
        for each in limited
    ]

    def moved_w(given: list[Storage]) -> list[float]:
        cleared = clear(float(net * STEP_W), given, import_price_eur_per_kwh=buy_at, export_price_eur_per_kwh=sell_at)
        return [each.expected_w(cleared[each.device_id].power_w) for each in given]

    assert moved_w(limited) == pytest.approx(moved_w(smaller))
