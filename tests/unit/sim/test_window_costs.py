"""Any window of days is priced from the ends of the days of one run."""

from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.closed_loop import captured, peak_cost_eur
from benchmarks.runs import Result, Run
from hems.sim.days import DayEnd, deliverable_wh
from hems.sim.report import end_correction_eur, figures
from tests.simulation.closed_loop import loop_of, two_weeks
from tests.support.simulated import START_AT

DATA = two_weeks()
RUN = Run(site=Path("home_a.yaml"), data=Path("home_a_2024"), start="2024-03-30", days=4, strategy="rules")


def result_of(days: list[DayEnd], prices: tuple[float, ...], cost_eur: float = 0.0) -> Result:
    found = {"cost_eur": cost_eur, "days": [each.figures() for each in days]}
    return Result(run=RUN, figures=found, import_eur_per_kwh=prices, took_s=1.0)


def day(cost_eur: float, *, stored_wh: float = 0.0, pending_wh: float = 0.0, peak_w: float = 0.0) -> DayEnd:
    return DayEnd(
        energy_cost_eur=cost_eur,
        import_wh=0.0,
        export_wh=0.0,
        unmet_car_wh=0.0,
        deliverable_wh=stored_wh,
        pending_car_wh=pending_wh,
        peak_import_w=peak_w,
    )


def test_a_window_values_what_is_stored_and_awaited_at_both_ends():
    days = [day(1.0, stored_wh=4_000), day(3.0), day(6.0, stored_wh=1_000, pending_wh=2_000)]
    result = result_of(days, (9.9, 0.2, 0.4), cost_eur=7.5)
    assert result.cost_eur(1, 3) == pytest.approx(5.0 + (2.0 + 3.0) * 0.3)
    assert result.cost_eur() == 7.5
    with pytest.raises(ValueError, match="before the first day"):
        result.cost_eur(0, 2)


def test_a_window_of_a_run_costs_what_a_run_of_these_days_would_report():
    """Goal: one pass gives all windows. Method: the same loop priced by the report from a moment on at which a car
    waits; what the car waits for then is the only thing that the report does not know."""
    loop, house = loop_of("rules", DATA, start_at=START_AT, step_s=900)
    loop.run(18 * 3600)
    loop.note_day()
    stored_wh, spent_eur = deliverable_wh(house), house.totals.cost_eur
    loop.run(3 * 86_400)
    loop.note_day()
    price = float(DATA.import_eur_per_kwh[72 : 3 * 96].mean())
    expected = house.totals.cost_eur - spent_eur
    expected += end_correction_eur(house, stored_at_start_wh=stored_wh, mean_import_eur_per_kwh=price)
    pending_wh = loop.days[0].pending_car_wh
    result = result_of(loop.days, (0.0, price))
    assert pending_wh > 0, "a car should be waiting at the start"
    assert result.cost_eur(1, 2) == pytest.approx(expected - pending_wh / 1000 * price, abs=1e-3)


def test_each_day_has_its_own_peak_and_the_run_the_highest():
    loop, house = loop_of("rules", DATA, start_at=START_AT, step_s=900)
    for end in (1, 2, 3):
        loop.run(end * 86_400)
        loop.note_day()
    peaks_w = [each["peak_import_w"] for each in figures(loop, end_eur=0.0)["days"]]
    assert len(set(peaks_w)) == 3
    assert max(peaks_w) == pytest.approx(house.totals.peak_import_w, abs=0.1)


def test_peaks_are_paid_by_month_and_for_the_days_that_were_run():
    days = [day(0, peak_w=5_000), day(0, peak_w=9_000), day(0, peak_w=1_000), day(0, peak_w=2_000)]
    march, april = 2 / 31 * 9.0, 2 / 30 * 2.5  # 30 and 31 March; 2.5 kW is the least
    assert peak_cost_eur(result_of(days, (0.3,) * 4)) == pytest.approx((march + april) * 4.20)


def test_captured_value_needs_something_to_capture():
    assert captured(100.0, 94.0, 90.0) == pytest.approx(0.6)
    assert captured(100.0, 101.0, 90.0) == pytest.approx(-0.1)
    assert captured(100.0, 99.0, 96.0) is None
    assert captured(1.0, 2.0, 3.0) is None


def test_days_survive_a_checkpoint():
    loop, _ = loop_of("rules", DATA, start_at=START_AT, step_s=900)
    loop.run(86_400)
    loop.note_day()
    again, _ = loop_of("rules", DATA, start_at=START_AT, step_s=900)
    again.restore(loop.snapshot())
    for each in (loop, again):
        each.run(int(timedelta(days=2).total_seconds()))
        each.note_day()
    assert again.days == loop.days
    assert len(again.days) == 2
