"""The problems on which planners are compared, as plain numbers that any planner's adapter can read.

Seeded; prices as a Dutch household has them: purchase at spot x 1.21 plus tax, sale at spot less 1.5 ct, now and then
below zero at noon. Powers in W, energies in Wh, prices in EUR/kWh, one value per slot.

=====  ==============================================================================================================
name   content
=====  ==============================================================================================================
A      battery 10 kWh / 5 kW, PV 6 kWp, load 10 kWh a day; 24 hours of an April day
W      the same on a January day
B      A over 48 quarter-hourly hours from 18:00, PV that can be curtailed, a car that wants 40 kWh by 07:00
M      B and a dishwasher that is to be done by 06:00
=====  ==============================================================================================================
"""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType

SEEDS = (1, 2, 3, 4, 5)

DRIFTS = 5
"""Re-plans per problem: the same slots with fresher forecasts and another measured state of charge."""

TAX_EUR_PER_KWH = 0.13
VAT_RATIO = 1.21
SALE_FEE_EUR_PER_KWH = 0.015

DISHWASHER_W = (1900.0, 2000.0, 400.0, 80.0, 80.0, 1900.0, 900.0, 60.0)
"""A programme of two hours with two heating phases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """Power on the AC side, energy on the DC side, losses each way."""

    stored_wh: float
    floor_wh: float = 500.0
    ceiling_wh: float = 10_000.0
    power_max_w: float = 5000.0
    efficiency_ratio: float = 0.95
    end_value_eur_per_kwh: float
    """Worth of what is stored at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Car:
    """Plugged in from the first slot until ``deadline_slot`` starts; charges at 0 or ``power_min_w..power_max_w``."""

    energy_wh: float
    deadline_slot: int
    power_min_w: float = 1400.0
    power_max_w: float = 11_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Appliance:
    """Runs its profile once, without a break, and is done when ``deadline_slot`` starts."""

    deadline_slot: int
    profile_w: tuple[float, ...] = DISHWASHER_W


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One house and its next hours."""

    name: str
    seed: int
    start_at: datetime
    slot_s: int
    buy_eur_per_kwh: tuple[float, ...]
    sell_eur_per_kwh: tuple[float, ...]
    load_w: tuple[float, ...]
    pv_w: tuple[float, ...]
    pv_curtailable: bool
    connection_max_w: float
    """Import and export each: 3 x 25 A."""
    battery: Battery
    car: Car | None = None
    appliance: Appliance | None = None

    @property
    def count(self) -> int:
        return len(self.load_w)


def problem_a(seed: int) -> Facts:
    return _house("A", seed, datetime(2026, 4, 14, tzinfo=UTC), slot_s=3600, hours=24)


def problem_w(seed: int) -> Facts:
    return _house("W", seed, datetime(2026, 1, 13, tzinfo=UTC), slot_s=3600, hours=24)


def problem_b(seed: int) -> Facts:
    house = _house("B", seed, datetime(2026, 4, 14, 18, tzinfo=UTC), slot_s=900, hours=48)
    return replace(house, pv_curtailable=True, car=Car(energy_wh=40_000.0, deadline_slot=52))


def problem_m(seed: int) -> Facts:
    return replace(problem_b(seed), name="M", appliance=Appliance(deadline_slot=48))


def winter_house(name: str, seed: int, *, hours: int) -> Facts:
    """A January house in quarter hours from 18:00, without car or appliance."""
    return _house(name, seed, datetime(2026, 1, 13, 18, tzinfo=UTC), slot_s=900, hours=hours)


PROBLEMS: Mapping[str, Callable[[int], Facts]] = MappingProxyType(
    {"A": problem_a, "W": problem_w, "B": problem_b, "M": problem_m}
)


def drifted(facts: Facts, number: int) -> Facts:
    """The problem as it looks a minute later: forecasts 2 to 5 % off, the battery by up to 100 Wh."""
    rng = random.Random(f"{facts.name} {facts.seed} {number}")
    load, pv = (1 + rng.choice([-1, 1]) * rng.uniform(0.02, 0.05) for _ in range(2))
    battery = replace(facts.battery, stored_wh=facts.battery.stored_wh + rng.uniform(-100, 100))
    return replace(
        facts,
        load_w=tuple(each * load for each in facts.load_w),
        pv_w=tuple(each * pv for each in facts.pv_w),
        battery=battery,
    )


def _house(name: str, seed: int, start_at: datetime, *, slot_s: int, hours: int) -> Facts:
    rng = random.Random(f"{start_at.date()} {seed}")
    count = hours * 3600 // slot_s
    clock = [(start_at.hour + (slot + 0.5) * slot_s / 3600) for slot in range(count)]
    winter = start_at.month == 1
    # Prices change by the market's quarter hour, or by the hour where the problem has hours.
    spot = [_spot(hour % 24, winter=winter) + rng.gauss(0, 0.008) for hour in clock]
    buy = tuple(each * VAT_RATIO + TAX_EUR_PER_KWH for each in spot)
    cloud = [rng.uniform(0.45, 1.0) for _ in range(hours + 24)]
    return Facts(
        name=name,
        seed=seed,
        start_at=start_at,
        slot_s=slot_s,
        buy_eur_per_kwh=buy,
        sell_eur_per_kwh=tuple(each - SALE_FEE_EUR_PER_KWH for each in spot),
        load_w=tuple(_load_w(hour % 24, rng) for hour in clock),
        pv_w=tuple(_sun_w(hour % 24, winter=winter) * cloud[int(hour)] for hour in clock),
        pv_curtailable=False,
        connection_max_w=3 * 25 * 230.0,
        battery=Battery(stored_wh=rng.uniform(1000, 9000), end_value_eur_per_kwh=round(sum(buy) / len(buy) / 2, 4)),
    )


def _bump(hour: float, at: float, width_h: float) -> float:
    return math.exp(-(((hour - at + 12) % 24 - 12) ** 2) / (2 * width_h**2))


def _spot(hour: float, *, winter: bool) -> float:
    """Two peaks; at noon the sun presses the price, in April below zero."""
    noon = 0.03 if winter else 0.10
    return 0.085 + 0.05 * _bump(hour, 8, 1.5) + 0.09 * _bump(hour, 19, 2) - noon * _bump(hour, 13, 2.2)


def _load_w(hour: float, rng: random.Random) -> float:
    """About 10 kWh a day: a base, breakfast and an evening, and chance."""
    return 150 + 220 * rng.random() + 900 * rng.random() * (_bump(hour, 8, 1) + 1.3 * _bump(hour, 19, 2))


def _sun_w(hour: float, *, winter: bool) -> float:
    """6 kWp under a clear sky."""
    peak_w, rise, fall = (1500.0, 8.5, 16.5) if winter else (4800.0, 5.5, 19.5)
    return peak_w * math.sin((hour - rise) / (fall - rise) * math.pi) if rise < hour < fall else 0.0
