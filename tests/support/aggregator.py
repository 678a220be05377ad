"""Promises and adversaries: houses that are offered, and what the world may do to them afterwards."""

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from hems.domain.command import BatteryPower
from hems.domain.flex import Direction, HoldBlock
from hems.domain.site import Battery, DeviceId
from hems.domain.time import SlotGrid
from hems.flexibility.hold import HoldBattery, HoldInput, split_w
from hems.sim.battery import SimBattery

NOON_AT = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
STEP_S = 60


def battery(name: str = "battery", **changes: float) -> Battery:
    usual = Battery(
        id=DeviceId(name),
        name=name,
        capacity_wh=10_000.0,
        charge_power_max_w=5_000.0,
        discharge_power_max_w=5_000.0,
        charge_efficiency_ratio=0.95,
        discharge_efficiency_ratio=0.95,
        soc_min_pct=5.0,
        soc_max_pct=100.0,
        reserve_soc_pct=10.0,
    )
    return replace(usual, **changes)  # type: ignore[arg-type]


def random_hold(dice: random.Random) -> HoldInput:
    """A house whose promise is worth trying: a band around a residual that changes, one battery or two."""
    count = 12
    middle_w = [dice.uniform(-4_000, 4_000)]
    while len(middle_w) < count:
        middle_w.append(middle_w[-1] + dice.uniform(-800, 800))
    width_w = [dice.uniform(0, 1_200) for _ in range(count)]
    batteries = []
    for number in range(dice.choice((1, 1, 2))):
        device = battery(
            f"battery {number}",
            capacity_wh=dice.uniform(4_000, 15_000),
            charge_power_max_w=dice.uniform(2_000, 6_000),
            discharge_power_max_w=dice.uniform(2_000, 6_000),
            charge_efficiency_ratio=dice.uniform(0.8, 0.99),
            discharge_efficiency_ratio=dice.uniform(0.8, 0.99),
            soc_min_pct=dice.choice((0.0, 5.0, 10.0)),
            soc_max_pct=dice.choice((90.0, 95.0, 100.0)),
            reserve_soc_pct=dice.choice((0.0, 10.0, 25.0)),
        )
        stored_wh = device.capacity_wh * dice.uniform(0.05, 0.98)
        unasked_w = dice.choice((None, 0.0, 1_500.0))
        batteries.append(
            HoldBattery(
                battery=device,
                stored_wh=stored_wh,
                unasked_low_w=None if unasked_w is None else -unasked_w,
                unasked_high_w=unasked_w,
            )
        )
    return HoldInput(
        now_at=NOON_AT + timedelta(seconds=STEP_S * dice.randrange(15)),
        grid=SlotGrid(start_at=NOON_AT, count=count),
        residual_low_w=tuple(middle - width for middle, width in zip(middle_w, width_w, strict=True)),
        residual_high_w=tuple(middle + width for middle, width in zip(middle_w, width_w, strict=True)),
        batteries=tuple(batteries),
        import_max_w=dice.choice((None, 6_000.0)),
        export_max_w=dice.choice((None, 4_000.0)),
        valid_s=dice.choice((0, 300, 1_200)),
    )


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One future of a house that was asked for something: how far it was off, and what it did to its batteries."""

    error_w: float
    """Largest distance between the asked and the delivered power [W]."""
    below_reserve_wh: float
    """How far a setpoint emptied a battery below its reserve."""


def attempt(hold: HoldInput, blocks: tuple[HoldBlock, ...], dice: random.Random) -> Attempt:
    """Pick a duration, a start, a member and a residual at random, the mean ones often, and live through it."""
    duration_s = dice.choice(sorted({block.duration_s for block in blocks}))
    bounds = {block.direction: block.power_w for block in blocks if block.duration_s == duration_s}
    asked = _series(dice, bounds[Direction.DOWN], bounds[Direction.UP])
    residual = dice.choice(("low", "high", "bang", "any", "against"))
    start_s = dice.choice((0, hold.valid_s, STEP_S * dice.randrange(hold.valid_s // STEP_S + 1)))
    houses = [SimBattery(each.battery, stored_wh=each.stored_wh, lag_s=0) for each in hold.batteries]
    _live_unasked(hold, houses, start_s, dice)
    offset_s = int((hold.now_at - hold.grid.start_at).total_seconds())
    worst_w, below_wh = 0.0, 0.0
    reserves_wh = [min(house.stored_wh, house.battery.reserve_wh) for house in houses]
    for second in range(start_s, start_s + duration_s, STEP_S):
        slot = (offset_s + second) // hold.grid.slot_s
        low_w, high_w = hold.residual_low_w[slot], hold.residual_high_w[slot]
        asked_w = next(asked)
        choice = dice.choice(("low", "high")) if residual == "bang" else residual
        if choice == "against":  # most battery power: it is emptied while it discharges, filled while it charges
            choice = "low" if asked_w > (low_w + high_w) / 2 else "high"
        residual_w = {"low": low_w, "high": high_w}.get(choice, dice.uniform(low_w, high_w))
        delivered_w = residual_w
        for house, power_w in zip(
            houses, split_w(asked_w - residual_w, [each.battery for each in hold.batteries]), strict=True
        ):
            house.apply(BatteryPower(power_w=power_w))
            house.advance(STEP_S)
            delivered_w += house.power_w
        worst_w = max(worst_w, abs(delivered_w - asked_w))
        below_wh = max(
            below_wh, *(reserve_wh - house.stored_wh for house, reserve_wh in zip(houses, reserves_wh, strict=True))
        )
    return Attempt(error_w=worst_w, below_reserve_wh=below_wh)


def _series(dice: random.Random, low_w: float, high_w: float):
    kind = dice.choice(("up", "down", "constant", "bang", "any", "cycling"))
    constant_w = dice.uniform(low_w, high_w)
    period = dice.randrange(1, 60)
    step = 0
    while True:
        cycling_w = low_w if (step // period) % 2 else high_w
        values = {"up": high_w, "down": low_w, "constant": constant_w, "cycling": cycling_w}
        values |= {"bang": dice.choice((low_w, high_w)), "any": dice.uniform(low_w, high_w)}
        yield values[kind]
        step += 1


def _live_unasked(hold: HoldInput, houses: list[SimBattery], seconds: int, dice: random.Random) -> None:
    """What the house does on its own before a setpoint begins: anything that it said it might."""
    kind = dice.choice(("lowest", "highest", "any"))
    for each, house in zip(hold.batteries, houses, strict=True):
        low_w = -each.battery.discharge_power_max_w if each.unasked_low_w is None else each.unasked_low_w
        high_w = each.battery.charge_power_max_w if each.unasked_high_w is None else each.unasked_high_w
        for _ in range(0, seconds, STEP_S):
            power_w = {"lowest": low_w, "highest": high_w}.get(kind, dice.uniform(low_w, high_w))
            house.apply(BatteryPower(power_w=power_w))
            house.advance(STEP_S)
