"""Hold blocks by hand: houses small enough to check with a pencil."""

from dataclasses import replace
from datetime import timedelta

import pytest

from hems.domain.flex import Direction
from hems.domain.time import SlotGrid
from hems.flexibility.hold import HoldBattery, HoldInput, envelope, hold_blocks, split_w
from tests.support.aggregator import NOON_AT, battery


def house(
    *,
    stored_wh: float = 5_000.0,
    low_w: float = 300.0,
    high_w: float = 800.0,
    valid_s: int = 0,
    import_max_w: float | None = None,
    export_max_w: float | None = None,
    slots: int = 12,
    **changes: float,
) -> HoldInput:
    return HoldInput(
        now_at=NOON_AT,
        grid=SlotGrid(start_at=NOON_AT, count=slots),
        residual_low_w=(low_w,) * slots,
        residual_high_w=(high_w,) * slots,
        batteries=(HoldBattery(battery=battery("battery", **changes), stored_wh=stored_wh),),
        import_max_w=import_max_w,
        export_max_w=export_max_w,
        valid_s=valid_s,
    )


def bounds(hold: HoldInput) -> dict[int, tuple[float, float]]:
    blocks = hold_blocks(hold)
    powers = {(block.duration_s, block.direction): block.power_w for block in blocks}
    return {duration: (powers[duration, Direction.DOWN], powers[duration, Direction.UP]) for duration, _ in powers}


def test_where_energy_is_plenty_the_converter_limits_what_is_left_of_the_band() -> None:
    # up: 5000 W of charging on the lowest residual; down: 5000 W of discharging under the highest
    assert bounds(house())[900] == (800 - 5_000, 300 + 5_000)


def test_where_energy_is_short_losses_count_in_both_directions() -> None:
    # up to 9000 Wh (90 %): 4000 Wh in 2 h at 95 %; down to 1000 Wh (reserve and taper): 4000 Wh in 2 h at 95 %
    down_w, up_w = bounds(house())[7_200]
    assert up_w == int(300 + 4_000 / 0.95 / 2)
    assert down_w == -int(4_000 * 0.95 / 2 - 800)


def test_the_tapering_ends_are_left_out() -> None:
    assert bounds(house(stored_wh=9_000.0))[900][1] == 300  # from 90 % on it does not promise to charge
    assert bounds(house(stored_wh=1_000.0, reserve_soc_pct=0.0))[900][0] == 800  # 5 % above the floor of 5 %
    assert bounds(house(stored_wh=9_500.0))[900][1] == 300


def test_a_battery_that_is_too_full_may_charge_again_once_it_is_emptied() -> None:
    hold = house(stored_wh=9_100.0)
    high_first = replace(hold, residual_low_w=(2_000.0, 300.0) + (300.0,) * 10, residual_high_w=(2_000.0,) * 12)
    down_w, up_w = bounds(high_first)[1_800]
    # discharging d = 2000 - p for a quarter empties d / 0.95 / 4, charging p - 300 then fills (p - 300) * 0.95 / 4
    assert up_w == max(p for p in range(300, 2_000) if 9_100 - (2_000 - p) / 0.95 / 4 + (p - 300) * 0.95 / 4 <= 9_000)
    assert down_w < up_w


def test_a_battery_that_is_too_empty_may_discharge_again_once_it_is_filled() -> None:
    hold = house(stored_wh=900.0)
    sun_first = replace(hold, residual_low_w=(-2_000.0,) * 12, residual_high_w=(-2_000.0,) + (1_000.0,) * 11)
    down_w, _ = bounds(sun_first)[1_800]
    # charging p + 2000 for a quarter fills (p + 2000) * 0.95 / 4, discharging 1000 - p empties (1000 - p) / 0.95 / 4
    fits = [p for p in range(-2_000, 1_000) if 900 + (p + 2_000) * 0.95 / 4 - (1_000 - p) / 0.95 / 4 >= 1_000]
    assert down_w == min(fits)


def test_the_reserve_of_the_household_is_not_offered() -> None:
    assert bounds(house(reserve_soc_pct=50.0))[900] == (800.0, 5_300.0)


def test_limits_of_the_connection_clip_both_sides() -> None:
    assert bounds(house(import_max_w=3_000.0, export_max_w=2_000.0))[900] == (-2_000.0, 3_000.0)


def test_a_limit_below_what_the_house_may_need_leaves_nothing() -> None:
    empty = envelope_of(house(stored_wh=1_000.0, import_max_w=500.0))
    assert empty.hold_blocks == ()
    assert "500 W at most and at 800 W at least" in (empty.null_reason or "")


def test_what_the_management_allows_now_counts() -> None:
    hold = house()
    limited = replace(hold.batteries[0], charge_power_max_w=1_000.0, discharge_power_max_w=0.0)
    assert bounds(replace(hold, batteries=(limited,)))[900] == (800.0, 1_300.0)


def test_a_promise_that_stands_for_a_while_counts_on_what_the_battery_does_meanwhile() -> None:
    hold = house(valid_s=1_200)
    calm = replace(hold.batteries[0], unasked_low_w=0.0, unasked_high_w=600.0)
    down_w, up_w = bounds(replace(hold, batteries=(calm,)))[7_200]
    assert up_w == int(300 + (4_000 - 600 * 0.95 / 3) / 0.95 / 2)
    assert down_w == bounds(house())[7_200][0]
    anything_down_w, anything_up_w = bounds(hold)[7_200]
    assert (anything_down_w > down_w, anything_up_w < up_w) == (True, True)


def test_a_start_at_any_moment_of_the_validity_meets_the_worst_slots() -> None:
    hold = house(valid_s=1_200, slots=4)
    late_peak = replace(hold, residual_high_w=(800.0, 800.0, 3_000.0, 800.0))
    assert bounds(late_peak)[900][0] == 3_000 - 5_000  # a start in 20 minutes ends in the third slot
    assert bounds(replace(late_peak, valid_s=900))[900][0] == 800 - 5_000  # a start in 15 minutes does not reach it


def test_the_worst_start_may_be_the_one_that_ends_with_a_slot() -> None:
    hold = house(stored_wh=8_500.0, valid_s=1_200, slots=4)
    idle = replace(hold.batteries[0], unasked_low_w=0.0, unasked_high_w=0.0)
    sunny = replace(
        hold, batteries=(idle,), residual_low_w=(0.0, -1_000.0, 2_000.0, 2_000.0), residual_high_w=(2_000.0,) * 4
    )
    up = hold_blocks(sunny, durations_s=(1_200,))[0]
    # from 12:10 to 12:30: five minutes at p, fifteen at p + 1000, together 500 Wh at 95 %
    assert up.power_w == int((500 / 0.95 - 1_000 / 4) * 3)


def test_durations_beyond_the_forecast_are_left_out() -> None:
    assert set(bounds(house(slots=4, valid_s=900))) == {900, 1_800}
    empty = envelope_of(house(slots=1, valid_s=900))
    assert empty.null_reason == "what the house will need is not known for 1800 s"


def test_two_batteries_share_a_total_by_their_nameplates() -> None:
    large, small = battery("large", charge_power_max_w=6_000.0), battery("small", charge_power_max_w=2_000.0)
    assert split_w(4_000.0, (large, small)) == (3_000.0, 1_000.0)
    assert split_w(-4_000.0, (large, small)) == (-2_000.0, -2_000.0)
    hold = replace(
        house(),
        batteries=(HoldBattery(battery=large, stored_wh=5_000.0), HoldBattery(battery=small, stored_wh=5_000.0)),
    )
    assert bounds(hold)[900] == (800 - 10_000, 300 + 8_000)


def test_a_battery_that_is_held_back_holds_back_its_share_of_the_others() -> None:
    pair = (battery("one"), battery("two"))
    slow = HoldBattery(battery=pair[0], stored_wh=5_000.0, charge_power_max_w=1_000.0)
    hold = replace(house(), batteries=(slow, HoldBattery(battery=pair[1], stored_wh=5_000.0)))
    assert bounds(hold)[900][1] == 300 + 2 * 1_000


def test_a_battery_that_can_only_discharge_still_promises() -> None:
    assert bounds(house(charge_power_max_w=0.0))[900] == (800 - 5_000, 300)


def envelope_of(hold: HoldInput, null_reason: str | None = None):
    return envelope(hold, envelope_id="0" * 26, baseline_w=(400.0,) * 4, confidence_ratio=0.95, null_reason=null_reason)


def test_the_envelope_says_from_when_until_when_and_on_which_baseline() -> None:
    made = envelope_of(replace(house(valid_s=1_200), now_at=NOON_AT + timedelta(minutes=7)))
    assert made.start_at == NOON_AT
    assert made.valid_until_at == NOON_AT + timedelta(minutes=27)
    assert made.baseline_w == (400.0,) * 4
    assert made.null_reason is None
    assert made.bounds_w(900) is not None


def test_nothing_is_offered_without_a_battery_or_against_a_wish() -> None:
    assert envelope_of(replace(house(), batteries=())).null_reason == "no battery answers"
    unwilling = envelope_of(house(), "the household opted out")
    assert (unwilling.hold_blocks, unwilling.null_reason) == ((), "the household opted out")


@pytest.mark.parametrize(
    "changes",
    [
        {"residual_low_w": (1.0,)},
        {"residual_low_w": (900.0,) * 12},
        {"residual_high_w": (float("inf"),) * 12},
        {"residual_low_w": (float("nan"),) * 12},
        {"now_at": NOON_AT - timedelta(seconds=1)},
        {"valid_s": -1},
        {"batteries": (HoldBattery(battery=battery(), stored_wh=float("nan")),)},
    ],
)
def test_what_is_no_house_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"residual|slots|unknown"):
        replace(house(), **changes)  # type: ignore[arg-type]
