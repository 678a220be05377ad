"""When the heat pump runs, as tables of cycles. Home B: 0.7 to 2.5 kW, room 20 to 22 degrees, tank 45 to 58."""

from dataclasses import replace
from datetime import timedelta

import pytest

from hems.domain import reasons
from hems.domain.events import DeviceDoesNotFollow, Event
from hems.domain.plan import Plan
from hems.domain.reasons import Reason
from hems.domain.site import Site
from hems.domain.time import SlotGrid
from tests.support.houses import BATTERY, HEAT_PUMP, home_b
from tests.support.moments import START_AT, Cycles, House, once, plan_of, power_of, reason_of, rules_of

MILD = House(load_w=300.0, room_c=21.0, tank_c=50.0)


@pytest.mark.parametrize(
    ("house", "plan", "power_w", "why"),
    [
        # Planned as it is.
        (MILD, plan_of(heat_w=(1_500.0,) * 8), 1_500.0, reasons.HeatsAsPlanned(import_price_eur_per_kwh=0.3)),
        # A mean below the smallest power: runs at the smallest from the start of the slot.
        (MILD, plan_of(heat_w=(350.0,) * 8), 700.0, reasons.HeatsAsPlanned(import_price_eur_per_kwh=0.3)),
        # Nothing now; the next planned heat is in the fourth slot.
        (
            MILD,
            plan_of(heat_w=(0.0, 0.0, 0.0, 900.0, 0.0, 0.0, 0.0, 0.0)),
            0.0,
            reasons.RestsAsPlanned(next_at=START_AT + timedelta(minutes=45)),
        ),
        (MILD, plan_of(heat_w=(0.0,) * 8), 0.0, reasons.RestsAsPlanned(next_at=None)),
        # Comfort before cost: room or tank too cold.
        (replace(MILD, room_c=19.9), plan_of(heat_w=(0.0,) * 8), 2_500.0, reasons.HeatsForComfort()),
        (replace(MILD, tank_c=44.0), plan_of(heat_w=(0.0,) * 8), 2_500.0, reasons.HeatsForComfort()),
        # Only where both are warm is there nothing to heat.
        (replace(MILD, room_c=22.0, tank_c=58.0), plan_of(heat_w=(1_500.0,) * 8), 0.0, reasons.RestsWarmEnough()),
        (
            replace(MILD, room_c=22.5),
            plan_of(heat_w=(1_500.0,) * 8),
            1_500.0,
            reasons.HeatsAsPlanned(import_price_eur_per_kwh=0.3),
        ),
        # Where nobody knows how warm it is the pump's own thermostat does, with a plan and without.
        (replace(MILD, room_c=None), plan_of(heat_w=(1_500.0,) * 8), None, reasons.HeatsByItself()),
        (replace(MILD, tank_c=None), None, None, reasons.HeatsByItself()),
        # No plan: by thermostat.
        (MILD, None, 0.0, reasons.RunsByThermostat(running=False)),
        (replace(MILD, room_c=19.9), None, 2_500.0, reasons.RunsByThermostat(running=True)),
        # The plan has no slot for the pump: by thermostat, too.
        (MILD, plan_of(), 0.0, reasons.RunsByThermostat(running=False)),
    ],
)
def test_heat_comes_as_planned_and_comfort_before_cost(
    house: House, plan: Plan | None, power_w: float | None, why: Reason
) -> None:
    result = once(home_b(), house, plan)
    assert power_of(result, HEAT_PUMP) == (None if power_w is None else pytest.approx(power_w))
    assert reason_of(result, HEAT_PUMP) == why


def test_a_small_mean_is_run_at_the_smallest_power_until_its_energy_is_in() -> None:
    """350 W for a quarter hour are 87.5 Wh; 700 W give them in 450 s. The minimum run of 900 s outlasts the want."""
    cycles, plan = Cycles(home_b()), plan_of(heat_w=(350.0,) * 8)
    wanted = []
    for minute in range(15):
        running_w = 700.0 if minute else 0.0
        result = cycles.tick(minute * 60.0, replace(MILD, pump_w=running_w), plan)
        wanted.append(isinstance(reason_of(result, HEAT_PUMP), reasons.HeatsAsPlanned))
        assert power_of(result, HEAT_PUMP) == 700.0
    # Counted from the first tick: 7 minutes give 81.7 Wh, 8 give 93.3.
    assert wanted == [True] * 8 + [False] * 7


def test_a_new_slot_counts_its_own_heat() -> None:
    cycles, plan = Cycles(home_b()), plan_of(heat_w=(350.0,) * 8)
    for at_s in (0.0, 899.0):
        cycles.tick(at_s, replace(MILD, pump_w=700.0), plan)
    assert cycles.state.heat_slots[HEAT_PUMP].energy_wh == pytest.approx(700 * 899 / 3_600)
    cycles.tick(900.0, replace(MILD, pump_w=700.0), plan)
    assert cycles.state.heat_slots[HEAT_PUMP].energy_wh == 0.0


def test_the_thermostat_goes_on_to_the_upper_end_of_its_hysteresis() -> None:
    """Starts below 20 degrees, stops at 20.3 when the tank is at 50 (45 + 5) or above."""
    cycles = Cycles(home_b())
    rows = [(20.1, 0.0), (19.9, 2_500.0), (20.2, 2_500.0), (20.3, 0.0), (20.1, 0.0)]
    for turn, (room_c, power_w) in enumerate(rows):
        result = cycles.tick(turn * 1_000.0, replace(MILD, room_c=room_c))
        assert (room_c, power_of(result, HEAT_PUMP)) == (room_c, power_w)


def test_the_battery_covers_what_the_pump_draws_and_not_what_it_is_told() -> None:
    """The pump is told 1.5 kW and still stands: the battery covers the 300 W of the house."""
    result = once(home_b(), MILD, plan_of(heat_w=(1_500.0,) * 8))
    assert power_of(result, BATTERY) == pytest.approx(-300.0)


def test_its_own_thermostat_needs_room_for_all_that_the_pump_can_draw() -> None:
    """2.5 kW on three phases: 833 W each. Behind 16 A, with 2.9 kW of load on L1, 500 W are left there: it rests."""
    house = home_b()
    small = replace(house, circuits=(replace(house.circuits[0], fuse_a=16.0),))
    blind = replace(MILD, room_c=None, load_phase_w=(2_900.0, 100.0, 100.0))
    roomy = Cycles(small)
    roomy.tick(0.0, replace(blind, load_phase_w=(100.0, 100.0, 100.0)))
    assert power_of(roomy.tick(1.0, replace(blind, load_phase_w=(100.0, 100.0, 100.0))), HEAT_PUMP) is None
    tight = Cycles(small)
    tight.tick(0.0, blind)
    assert power_of(tight.tick(1.0, blind), HEAT_PUMP) == 0.0
    assert rules_of(tight.tick(2.0, blind), HEAT_PUMP) == ["main_fuse"]


def sg_ready(rest_max_s: float | None = 7_200.0) -> Site:
    """Two contacts: all that the pump can, or nothing, and that for two hours at most."""
    house = home_b()
    return replace(house, heat_pumps=(replace(house.heat_pumps[0], power_min_w=2_500.0, rest_max_s=rest_max_s),))


LATER = SlotGrid(start_at=START_AT + timedelta(hours=1), count=8)
"""Two hours, of which the first lies in the rest of the two hours before: the plan changes, the rest goes on."""
RESTS_LATER = replace(plan_of(heat_w=(0.0,) * 8), grid=LATER)


def test_nobody_holds_an_sg_ready_pump_at_rest_for_more_than_two_hours() -> None:
    """It helps itself then, whatever it is told; it is let go until it has run for its minimum of 900 s."""
    cycles = Cycles(sg_ready())
    told: dict[float, float | None] = {}
    why: dict[float, Reason] = {}
    events: list[Event] = []
    for at_s in [0.0, *(7_140.0 + second for second in range(2_000))]:
        # It does not start at once; when it does, it takes less than all that it can.
        runs = 7_800.0 <= at_s < 8_703.0
        result = cycles.tick(at_s, replace(MILD, pump_w=2_100.0 if runs else 15.0), RESTS_LATER)
        told[at_s], why[at_s] = power_of(result, HEAT_PUMP), reason_of(result, HEAT_PUMP)
        events += result.events
    changes = {at_s: power_w for at_s, power_w in told.items() if power_w != told.get(at_s - 1.0, power_w)}
    assert (told[0.0], changes) == (0.0, {7_200.0: None, 8_701.0: 0.0})
    assert why[7_200.0] == why[8_700.0] == reasons.RestedLongEnough(rest_max_s=7_200.0)
    assert why[8_701.0] == reasons.RestsAsPlanned(next_at=None)
    assert HEAT_PUMP not in [each.device_id for each in events if isinstance(each, DeviceDoesNotFollow)]


def test_a_warm_pump_that_was_let_go_rests_again_after_ten_minutes() -> None:
    """Until it has run could be hours, with its nameplate kept free of the fuse beside a car that has to leave."""
    cycles = Cycles(sg_ready())
    told = {}
    for at_s in (0.0, *(7_190.0 + second for second in range(800))):
        told[at_s] = power_of(cycles.tick(at_s, replace(MILD, pump_w=15.0), RESTS_LATER), HEAT_PUMP)
    changes = {at_s: power_w for at_s, power_w in told.items() if power_w != told.get(at_s - 1.0, power_w)}
    assert changes == {7_200.0: None, 7_801.0: 0.0}


def test_a_pump_that_was_let_go_is_told_to_run_after_ten_minutes() -> None:
    """Its contacts stay open for as long: told before, it would start later than its minimum run is counted from."""
    cycles = Cycles(sg_ready())
    runs_again = replace(plan_of(heat_w=(0.0, 0.0, 0.0, 0.0, 2_000.0, 2_000.0, 0.0, 0.0)), grid=LATER)
    told: dict[float, float | None] = {}
    for at_s in (0.0, 7_100.0, 7_199.0, 7_200.0, 7_799.0, 7_800.0):
        told[at_s] = power_of(cycles.tick(at_s, replace(MILD, pump_w=15.0), runs_again), HEAT_PUMP)
    assert told == {0.0: 0.0, 7_100.0: 0.0, 7_199.0: 0.0, 7_200.0: 2_500.0, 7_799.0: 2_500.0, 7_800.0: 2_500.0}
    cycles = Cycles(sg_ready())
    for at_s in (0.0, 7_100.0, 7_199.0, 7_200.0):
        cycles.tick(at_s, replace(MILD, pump_w=15.0), RESTS_LATER)
    for at_s in (7_300.0, 7_799.0):
        assert power_of(cycles.tick(at_s, replace(MILD, pump_w=15.0), runs_again), HEAT_PUMP) is None
    assert power_of(cycles.tick(7_800.0, replace(MILD, pump_w=15.0), runs_again), HEAT_PUMP) == 2_500.0


def test_a_pump_that_was_told_to_run_may_rest_for_two_hours_again() -> None:
    cycles = Cycles(sg_ready())
    cycles.tick(0.0, MILD, plan_of(heat_w=(0.0,) * 8))
    cycles.tick(3_600.0, replace(MILD, room_c=19.0))
    cycles.tick(5_000.0, MILD)
    assert power_of(cycles.tick(12_199.0, MILD), HEAT_PUMP) == 0.0
    assert power_of(cycles.tick(12_200.0, MILD), HEAT_PUMP) is None


@pytest.mark.parametrize(
    "lapse",
    [replace(MILD, without=(HEAT_PUMP,)), replace(MILD, room_c=None)],
    ids=["silent", "temperature unknown"],
)
def test_a_pump_that_rested_for_minutes_rests_again_after_half_a_minute_by_itself(lapse: House) -> None:
    """Contacts close for a rest at any time; the two hours still count from the first minute."""
    cycles = Cycles(sg_ready())
    rests = plan_of(heat_w=(0.0,) * 8)
    cycles.tick(0.0, MILD, rests)
    assert power_of(cycles.tick(300.0, MILD, rests), HEAT_PUMP) == 0.0
    for at_s in (301.0, 334.0):
        assert power_of(cycles.tick(at_s, lapse, rests), HEAT_PUMP) is None
    result = cycles.tick(335.0, MILD, rests)
    assert (power_of(result, HEAT_PUMP), reason_of(result, HEAT_PUMP)) == (0.0, reasons.RestsAsPlanned(next_at=None))
    assert power_of(cycles.tick(7_199.0, MILD, rests), HEAT_PUMP) == 0.0
    assert power_of(cycles.tick(7_200.0, MILD), HEAT_PUMP) is None


def test_a_pump_that_was_by_itself_for_half_a_minute_is_told_to_run_after_ten() -> None:
    """Its contacts may have opened with the silence, and stay so for ten minutes: told before, it would not start."""
    cycles = Cycles(sg_ready())
    runs = plan_of(heat_w=(2_500.0,) * 8)
    cycles.tick(0.0, MILD, plan_of(heat_w=(0.0,) * 8))
    for at_s in (301.0, 334.0):
        cycles.tick(at_s, replace(MILD, without=(HEAT_PUMP,)), runs)
    assert power_of(cycles.tick(335.0, MILD, runs), HEAT_PUMP) is None
    assert power_of(cycles.tick(901.0, MILD, runs), HEAT_PUMP) == 2_500.0


def test_a_pump_that_takes_a_power_rests_for_as_long_as_wanted() -> None:
    cycles = Cycles(sg_ready(rest_max_s=None))
    cycles.tick(0.0, MILD)
    assert power_of(cycles.tick(20_000.0, MILD), HEAT_PUMP) == 0.0


def test_the_battery_covers_what_a_pump_draws_by_itself() -> None:
    result = once(home_b(), replace(MILD, room_c=None, pump_w=1_500.0))
    assert power_of(result, BATTERY) == pytest.approx(-1_800.0)
