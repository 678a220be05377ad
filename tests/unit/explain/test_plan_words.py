"""A plan's reasons and its changes in sentences: short, true to the numbers, and made of the household's words."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from hems.domain.change import DeviceChange, Input, InputChange, PlanChange
from hems.domain.plan import Decider
from hems.domain.site import DeviceId
from hems.explain.blocks import blocks_of, why_of
from hems.explain.changes import change_sentence, change_view
from hems.solving.plan import solve
from tests.support.houses import BATTERY, CHARGER, home_a
from tests.support.problems import START_AT, battery, car, flat_problem

SITE = home_a()
DEVICES = {each.id: each for each in SITE.devices}
FORBIDDEN = ("optimiser", "setpoint", "soc", "milp", "curtail", "dual", "marginal")


@pytest.mark.parametrize("decider", Decider)
@pytest.mark.parametrize("device_id", [BATTERY, CHARGER, DeviceId("pv")])
@pytest.mark.parametrize("power_w", [-5000.0, 0.0, 5000.0])
def test_every_reason_is_a_short_sentence_in_plain_words(decider: Decider, device_id: DeviceId, power_w: float) -> None:
    text = why_of(DEVICES[device_id], power_w, decider, alternative=0.123, price=0.345, value=0.28)
    assert 5 < len(text) <= 140
    assert text[0].isupper()
    assert text.endswith(".")
    assert not any(word in text.lower().split() for word in FORBIDDEN)


def test_what_nobody_would_pay_is_no_price_of_another_time() -> None:
    """An alternative at 10 EUR is the price of a wish that would be missed."""
    told = [
        why_of(DEVICES[CHARGER], 5000.0, Decider.PRICE, alternative=each, price=0.3, value=None) for each in (0.03, 10)
    ]
    assert "another time would cost 3 ct more per kWh" in told[0]
    assert "another" not in told[1]


def test_blocks_follow_each_other_and_tell_the_price_of_waiting() -> None:
    """20 ct for an hour, then 10 ct: the car waits, charging at once would cost 10 ct more per kWh."""
    problem = flat_problem(
        8,
        import_price_eur_per_kwh=(0.20,) * 4 + (0.10,) * 4,
        load_power_w=(300.0,) * 8,
        cars=(car(device_id=CHARGER),),
        batteries=(battery(device_id=BATTERY, discharge_power_max_w=0.0, terminal_value_eur_per_kwh=0.05),),
    )
    plan = solve(problem).plan
    blocks = blocks_of(plan, SITE, START_AT + timedelta(minutes=5))
    waits, charges, *_ = [each for each in blocks if each.device_id == CHARGER]
    assert (waits.start_at, waits.end_at) == (START_AT, START_AT + timedelta(hours=1))
    assert waits.what == "Not charging"
    assert waits.why == "Waiting for cheaper power; now it would cost 10 ct more per kWh."
    assert charges.start_at == waits.end_at
    assert charges.what.startswith("Charging, ")
    own = [each for each in blocks if each.device_id == BATTERY]
    assert own[-1].end_at == problem.grid.end_at
    assert all(before.end_at == after.start_at for before, after in pairwise(own))
    assert all(each.value_eur_per_kwh is not None for each in own)


def test_a_plan_by_rules_has_no_blocks() -> None:
    plan = replace(solve(flat_problem(8, cars=(car(device_id=CHARGER),))).plan, explanation=None)
    assert blocks_of(plan, SITE, START_AT) == ()


def _change(changed: Input = Input.PRICES_PUBLISHED, *, confirmed: bool = True) -> PlanChange:
    cause = InputChange(changed=changed, device_id=None, energy_wh=-1200.0, effect_eur=-0.42, weight_eur=0.5)
    return PlanChange(
        at=START_AT,
        before_at=START_AT - timedelta(minutes=15),
        devices=(
            DeviceChange(
                device_id=CHARGER,
                moved_wh=9000.0,
                energy_wh=0.0,
                start_before_at=START_AT + timedelta(hours=4),
                start_after_at=START_AT + timedelta(hours=7),
                soon=False,
            ),
        ),
        inputs=(cause,),
        cause=cause,
        confirmed=confirmed,
    )


def test_a_change_says_when_who_and_because_of_what() -> None:
    assert change_sentence(_change(), SITE) == (
        "Changed at 07:00: Driveway now charges at 14:00 instead of 11:00, because new prices were published "
        "(about 0.42 EUR less)."
    )


def test_a_cause_that_was_not_confirmed_is_only_likely() -> None:
    assert "probably because" in change_sentence(_change(confirmed=False), SITE)


def test_without_a_notable_cause_none_is_claimed() -> None:
    assert change_sentence(replace(_change(), cause=None, inputs=()), SITE).endswith("after several small changes.")


@pytest.mark.parametrize("changed", Input)
@pytest.mark.parametrize("name", ["Driveway", "The charger at the far end of the garage beside the garden shed"])
def test_every_cause_fits_into_a_sentence(changed: Input, name: str) -> None:
    site = replace(SITE, chargers=tuple(replace(each, name=name) for each in SITE.chargers))
    change = _change(changed)
    cause = replace(change.inputs[0], device_id=CHARGER)
    view = change_view(replace(change, cause=cause, inputs=(cause,)), site)
    assert len(view.text) <= 140
    assert view.text.startswith("Changed at 07:00: ")
    assert len(view.inputs) == 1
