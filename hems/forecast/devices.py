"""What devices turn out to be, learned from their own quarter hours: charger, battery, rooms, hot water.

Everything is a pure function of stored series. A series that is too short, too full of gaps, or that shows too
little change gives None: nothing is known then, which is not zero. Doubts are those of about 95 %.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import mean, stdev
from zoneinfo import ZoneInfo

from hems.domain.heat import TANK_ROOM_C, cop_ratio, tank_capacity_wh_per_k
from hems.domain.learned import Measured
from hems.domain.site import HeatPump
from hems.domain.time import SLOT_S, time_of_day_s
from hems.forecast.series import weighted_quantiles

SLOT_H = SLOT_S / 3600
Series = Sequence[float | None]
"""A value for each quarter hour; None: not measured."""

FULL_OFFER_RATIO = 0.97
"""An offer of this share of the charger's power counts as all of it: currents are whole amperes."""
DRAWN_LEVEL = 0.9
"""Quantile of what is drawn: the highest slot of a year is a meter's hiccup, and many are the car's taper."""
TAPER_RATIO = 0.5
"""Slots with less than this share of the most are the end of a charge."""
OFFERED_SLOTS_MIN = 12
METER_RATIO = 0.01
"""Meters of chargers and inverters are of class 1 at best: no power or energy is known better."""

SWING_MIN_PCT = 20.0
"""A shorter swing says little where levels are told in whole percents: 1 in 20 is 5 %."""
SWING_MIN_W = 100.0
"""Mean power of a slot below which its direction within the slot is not sure."""
SWINGS_MIN = 5
"""Of each direction."""
TRUSTED_PCT = (5.0, 95.0)
"""Near full and near empty a battery corrects its own count: levels jump there."""

WINDOW_SLOTS = 8
"""Two hours: a room of 60 h cools by 0.5 K in them, ten times what a thermometer of 0.1 K is off."""
NIGHT_H = (22.0, 6.0)
"""Local hours without sun on any window, but for weeks around midsummer in the far north."""
WINDOWS_MIN = 40
TANK_RISES_K = 0.3
"""In a slot in which the tank gets warmer the heat went there: 0.3 K of 200 l are 2 minutes of 2 kW, and what two
readings of a thermometer of 0.1 K differ by at most where nothing happens."""
RUNS_W = 50.0
"""Electrical power above which a heat pump makes heat, and not only listens."""

HOUR_SLOTS_MIN = 28
"""Quarter hours of each local hour that must have been seen: a week of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedBattery:
    """``capacity_wh`` DC side between 0 and 100 %; ``round_trip_ratio`` AC out per AC in, 0..1."""

    capacity_wh: Measured
    round_trip_ratio: Measured


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedRoom:
    """As :class:`hems.domain.site.RoomModel` has them."""

    loss_w_per_k: Measured
    time_constant_h: Measured


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedDraws:
    """Hot water. ``shares`` says how the heat of a mean day spreads over its 24 local hours, adding up to 1."""

    draw_wh_per_day: Measured
    shares: tuple[float, ...]


def charging_power(drawn_w: Series, offered_w: Series, *, full_w: float, start_at: datetime) -> Measured | None:
    """What a car draws when it is offered everything, so what a plan can count on [W].

    Args:
        drawn_w: mean power of each quarter hour.
        offered_w: mean of what the charger offered in it, by current, phases and nameplate.
        full_w: most that it can offer on as many phases as are to be learned of, > 0.
        start_at: of the first slot.

    Returns:
        ``count`` is quarter hours. The doubt is the larger of the meter's and the spread of the upper draws: cars of
        several kinds at one charger give a doubt as wide as they differ.
    """
    offered = [
        (slot, drawn)
        for slot, (drawn, offer) in enumerate(zip(drawn_w, offered_w, strict=True))
        if drawn is not None and offer is not None and FULL_OFFER_RATIO * full_w <= offer <= full_w / FULL_OFFER_RATIO
    ]
    most_w = max((drawn for _, drawn in offered), default=0.0)
    kept = [(slot, drawn) for slot, drawn in offered if drawn > max(TAPER_RATIO * most_w, RUNS_W)]
    if len(kept) < OFFERED_SLOTS_MIN:
        return None
    low_w, value_w, high_w = weighted_quantiles(((drawn, 1.0) for _, drawn in kept), (0.75, DRAWN_LEVEL, 0.98))
    return Measured(
        value=value_w,
        doubt=max(METER_RATIO * value_w, high_w - low_w),
        count=len(kept),
        since_at=_at(start_at, kept[0][0]),
    )


@dataclass(frozen=True, slots=True)
class _Swing:
    first: int
    energy_wh: float
    """Signed, AC side."""
    change_pct: float

    @property
    def pct_per_wh(self) -> float:
        return self.change_pct / self.energy_wh


def battery_model(power_w: Series, level_pct: Series, *, start_at: datetime) -> LearnedBattery | None:
    """Capacity and losses from long swings in one direction.

    Charging, a level rises by ``eta_c / C`` per Wh; discharging it falls by ``1 / (eta_d C)``. Their ratio is the
    round trip; the capacity needs one split of it more, which no AC meter shows: the same loss both ways is taken.

    Args:
        power_w: mean AC power of each quarter hour, charging positive.
        level_pct: state of charge at its end.
        start_at: of the first slot.

    Returns:
        ``count`` is swings. None with fewer than five of either direction, or where they contradict physics: more
        out than in.
    """
    swings = [each for each in _swings(power_w, level_pct) if abs(each.change_pct) >= SWING_MIN_PCT]
    rises = [each for each in swings if each.energy_wh > 0 and each.change_pct > 0]
    falls = [each for each in swings if each.energy_wh < 0 and each.change_pct < 0]
    if min(len(rises), len(falls)) < SWINGS_MIN:
        return None
    up, up_doubt = _mean_of([each.pct_per_wh for each in rises])
    down, down_doubt = _mean_of([each.pct_per_wh for each in falls])
    round_trip = up / down
    relative = math.hypot(up_doubt / up, down_doubt / down, METER_RATIO)
    if round_trip > 1 + relative:
        return None
    capacity_wh = 100 / math.sqrt(up * down)
    count, since_at = len(rises) + len(falls), _at(start_at, min(each.first for each in (*rises, *falls)))
    return LearnedBattery(
        capacity_wh=Measured(value=capacity_wh, doubt=capacity_wh * relative, count=count, since_at=since_at),
        round_trip_ratio=Measured(
            value=min(round_trip, 1.0), doubt=round_trip * relative, count=count, since_at=since_at
        ),
    )


def _swings(power_w: Series, level_pct: Series) -> Iterator[_Swing]:
    """Longest stretches of slots with power in one direction, between two trusted levels."""
    first: int | None = None
    energy_wh = 0.0
    for slot in range(1, len(power_w) + 1):
        power = power_w[slot] if slot < len(power_w) else None
        goes_on = power is not None and abs(power) >= SWING_MIN_W and power * energy_wh >= 0
        goes_on = goes_on and _trusted(level_pct[slot]) is not None
        if first is not None and not goes_on:
            before, after = _trusted(level_pct[first - 1]), _trusted(level_pct[slot - 1])
            if before is not None and after is not None and energy_wh != 0:
                yield _Swing(first, energy_wh, after - before)
            first, energy_wh = None, 0.0
        # The slot that turns around begins the next swing.
        if slot < len(power_w) and power is not None and abs(power) >= SWING_MIN_W:
            if first is None and _trusted(level_pct[slot - 1]) is not None and _trusted(level_pct[slot]) is not None:
                first = slot
            if first is not None:
                energy_wh += power * SLOT_H


def _trusted(level_pct: float | None) -> float | None:
    low, high = TRUSTED_PCT
    return level_pct if level_pct is not None and low <= level_pct <= high else None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatHistory:
    """What was measured of a heat pump, one value for each quarter hour."""

    power_w: Series
    """Mean electrical power [W]."""
    room_c: Series
    """At the end of the slot [degrees C]."""
    outdoor_c: Series
    """Mean temperature outside [degrees C]."""
    tank_c: Series
    """At the end of the slot; all None where there is no tank [degrees C]."""
    start_at: datetime
    """Of the first slot."""
    zone: ZoneInfo


def room_model(pump: HeatPump, seen: HeatHistory) -> LearnedRoom | None:
    """Heat loss and time constant from the nights: ``dT = heat / C - (T - outdoor) / tau``, by least squares.

    The heat is the pump's, by its nameplate; people and machines are not in it, so that the loss is the one that the
    pump has to make good. Windows in which the tank got warmer are left out: the heat went there.

    Args:
        pump: whose rooms.
        seen: at night there is no sun.

    Returns:
        ``count`` is windows of two hours. None with fewer than 40, or where the nights are too much alike to tell
        heat from loss.
    """
    rows: list[tuple[float, float, float]] = []
    since: int | None = None
    for first in range(1, len(seen.power_w) - WINDOW_SLOTS + 1, WINDOW_SLOTS):
        slots = range(first, first + WINDOW_SLOTS)
        if not all(_is_night(_at(seen.start_at, each), seen.zone) for each in (slots[0], slots[-1])):
            continue
        row = _room_row(pump, slots, seen)
        if row is not None:
            rows.append(row)
            since = first if since is None else since
    fit = _least_squares(rows) if len(rows) >= WINDOWS_MIN else None
    if since is None or fit is None or fit.a <= 0 or fit.b <= 0:
        return None
    loss, tau_h = fit.b / fit.a, 1 / fit.b
    loss_variance = fit.var_a / fit.a**2 + fit.var_b / fit.b**2 - 2 * fit.covariance / (fit.a * fit.b)
    relative = (2 * math.sqrt(max(0.0, loss_variance)), 2 * math.sqrt(fit.var_b) / fit.b)
    if max(relative) > 0.5:  # worse than what an installer guesses from the year it was built
        return None

    def measured(value: float, ratio: float) -> Measured:
        doubt = value * max(ratio, METER_RATIO)
        return Measured(value=value, doubt=doubt, count=len(rows), since_at=_at(seen.start_at, since))

    return LearnedRoom(loss_w_per_k=measured(loss, relative[0]), time_constant_h=measured(tau_h, relative[1]))


def _is_night(at: datetime, zone: ZoneInfo) -> bool:
    hour = time_of_day_s(at, zone) / 3600
    return hour >= NIGHT_H[0] or hour < NIGHT_H[1]


def _room_row(pump: HeatPump, slots: range, seen: HeatHistory) -> tuple[float, float, float] | None:
    """Heat [Wh], minus the difference to outside [K h], and change [K] of a window; None where one is not known."""
    heat_wh = difference_kh = 0.0
    for slot in slots:
        before_c, after_c = seen.room_c[slot - 1], seen.room_c[slot]
        outside_c, power = seen.outdoor_c[slot], seen.power_w[slot]
        if before_c is None or after_c is None or outside_c is None or power is None:
            return None
        tank_before_c, tank_after_c = seen.tank_c[slot - 1], seen.tank_c[slot]
        if pump.tank is not None and (
            tank_before_c is None or tank_after_c is None or tank_after_c - tank_before_c > TANK_RISES_K
        ):
            return None
        heat_wh += (power * cop_ratio(pump, outside_c) if power >= RUNS_W else 0.0) * SLOT_H
        difference_kh += ((before_c + after_c) / 2 - outside_c) * SLOT_H
    first_c, last_c = seen.room_c[slots[0] - 1], seen.room_c[slots[-1]]
    assert first_c is not None
    assert last_c is not None
    return heat_wh, -difference_kh, last_c - first_c


@dataclass(frozen=True, slots=True)
class _Fit:
    """``y = a u + b v`` with variances of both."""

    a: float
    b: float
    var_a: float
    var_b: float
    covariance: float


def _least_squares(rows: Sequence[tuple[float, float, float]]) -> _Fit | None:
    """Through the origin; None where both columns say the same."""
    uu, uv, vv = (sum(u * u for u, _, _ in rows), sum(u * v for u, v, _ in rows), sum(v * v for _, v, _ in rows))
    uy, vy = sum(u * y for u, _, y in rows), sum(v * y for _, v, y in rows)
    determinant = uu * vv - uv * uv
    if determinant <= 1e-4 * uu * vv:  # a correlation of 0.99995
        return None
    a, b = (vv * uy - uv * vy) / determinant, (uu * vy - uv * uy) / determinant
    noise = sum((y - a * u - b * v) ** 2 for u, v, y in rows) / (len(rows) - 2)
    return _Fit(a, b, noise * vv / determinant, noise * uu / determinant, -noise * uv / determinant)


def hot_water(pump: HeatPump, seen: HeatHistory) -> LearnedDraws | None:
    """Heat tapped a day and its pattern, from the balance of the tank.

    All heat of a pump that warms no rooms goes to the tank, by its nameplate. With rooms, a slot in which it ran
    says nothing: how the heat was shared is not measured. It counts as that hour of the other days did, and so does a
    slot that is not known.

    Args:
        pump: with a tank, whose volume and loss are the site file's.
        seen: where it is unknown how warm it was around the tank, 18 degrees C.

    Returns:
        ``count`` is quarter hours. None where there is no tank, or an hour of the day was seen for less than a week.
    """
    tank = pump.tank
    if tank is None:
        return None
    by_hour: list[list[float]] = [[] for _ in range(24)]
    slots = []
    for slot in range(1, len(seen.power_w)):
        before_c, after_c, around_c = seen.tank_c[slot - 1], seen.tank_c[slot], seen.room_c[slot]
        heat_w = _tank_heat_w(pump, seen.power_w[slot], seen.outdoor_c[slot])
        if heat_w is None or before_c is None or after_c is None:
            continue
        lost_w = tank.loss_w_per_k * ((before_c + after_c) / 2 - (TANK_ROOM_C if around_c is None else around_c))
        drawn_wh = tank_capacity_wh_per_k(tank) * (before_c - after_c) + (heat_w - lost_w) * SLOT_H
        by_hour[_at(seen.start_at, slot).astimezone(seen.zone).hour].append(drawn_wh)
        slots.append(slot)
    hourly_wh = [4 * mean(each) if len(each) >= HOUR_SLOTS_MIN else math.nan for each in by_hour]
    total_wh = sum(hourly_wh)
    if not total_wh > 0:
        return None
    doubt_wh = 2 * 4 * math.sqrt(sum(stdev(each) ** 2 / len(each) for each in by_hour))
    positive = [max(0.0, each) for each in hourly_wh]
    return LearnedDraws(
        draw_wh_per_day=Measured(
            value=total_wh,
            doubt=max(doubt_wh, METER_RATIO * total_wh),
            count=len(slots),
            since_at=_at(seen.start_at, slots[0]),
        ),
        shares=tuple(each / sum(positive) for each in positive),
    )


def _tank_heat_w(pump: HeatPump, power_w: float | None, outdoor_c: float | None) -> float | None:
    """Heat into the tank in a slot; None where nobody can say."""
    if power_w is None or power_w < RUNS_W:
        return None if power_w is None else 0.0
    if pump.room is not None or outdoor_c is None:
        return None
    return power_w * cop_ratio(pump, outdoor_c)


def _mean_of(values: Sequence[float]) -> tuple[float, float]:
    """Mean of the middle half, and twice its standard error by all of them: one wrong swing moves neither much."""
    ordered = sorted(values)
    cut = len(ordered) // 4
    return mean(ordered[cut : len(ordered) - cut]), 2 * stdev(ordered) / math.sqrt(len(ordered))


def _at(start_at: datetime, slot: int) -> datetime:
    return start_at + timedelta(seconds=SLOT_S * slot)
