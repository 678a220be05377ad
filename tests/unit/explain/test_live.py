"""What a card says: short, true of the moment, and what comes next with its time."""

from datetime import timedelta
from typing import Any

import pytest

from hems.domain import reasons
from hems.domain.command import Authority, LimitRule
from hems.domain.events import (
    DeviceCameBack,
    DeviceDoesNotFollow,
    DeviceFollowsAgain,
    DeviceWentSilent,
    FuseExceeded,
    LimitEngaged,
    LimitLifted,
    Mode,
    ModeChanged,
    PlanAdopted,
    PlanRefused,
)
from hems.domain.plan import Purpose
from hems.explain import event_line, headline, is_trouble, next_change, sentence
from tests.support.houses import BATTERY, CHARGER, GRID, HEAT_PUMP, PV, home_b
from tests.support.moments import START_AT, plan_of
from tests.unit.explain.test_words import FORBIDDEN, OPENED_AT, REASONS, SITE, episode, limited, sample


@pytest.mark.parametrize("device_id", [GRID, PV, BATTERY, CHARGER, HEAT_PUMP])
@pytest.mark.parametrize("kind", REASONS, ids=lambda kind: kind.__name__)
def test_every_headline_is_one_short_sentence_without_jargon(kind: type[Any], device_id: str) -> None:
    for limits in ((), (limited(LimitRule.MAIN_FUSE),), (limited(LimitRule.CIRCUIT_FUSE),)):
        text = headline(episode(sample(kind), device_id, limits=limits), 1_200.0, SITE)

        assert len(text) <= 140
        assert text.endswith((".", "…"))
        assert not FORBIDDEN.search(text)
        assert text[0].isupper()


@pytest.mark.parametrize(
    ("device_id", "power_w", "begins"),
    [
        (GRID, 300.0, "Buying from the grid."),
        (GRID, -300.0, "Selling to the grid."),
        (GRID, 20.0, "In balance."),
        (BATTERY, -300.0, "Giving power: "),
        (BATTERY, 300.0, "Charging: "),
        (BATTERY, 0.0, "Resting: "),
        (CHARGER, 0.0, "Not charging: "),
        (HEAT_PUMP, 900.0, "Heating: "),
        (PV, -900.0, "Making power: "),
        (PV, 0.0, "No sun."),
        (PV, None, "Does not answer: "),
    ],
)
def test_the_headline_says_what_is_measured(device_id: str, power_w: float | None, begins: str) -> None:
    assert headline(episode(reasons.ProducesFreely(), device_id), power_w, SITE).startswith(begins)


def test_a_silent_grid_meter_is_told_nothing_and_somebody_should_look() -> None:
    """Nobody tells a meter anything; what it leaves unknown makes the guard careful."""
    silent = (
        headline(episode(reasons.DeviceSilent(), GRID), None, SITE),
        event_line(DeviceWentSilent(at=START_AT, device_id=GRID), SITE),
        sentence(episode(reasons.DeviceSilent(), GRID), SITE),
    )
    for text in silent:
        assert "safe value" not in text
        assert "batteries rest" in text
        assert "cable" in text
        assert len(text) <= 140
    assert "safe value" in headline(episode(reasons.DeviceSilent(), BATTERY), None, SITE)


@pytest.mark.parametrize(
    ("power_w", "says"),
    [
        (2_300.0, "asks the house to take 2.3 kW from the grid until 21:00"),
        (-2_300.0, "asks the house to feed 2.3 kW into the grid until 21:00"),
        (-20.0, "asks the house to exchange nothing with the grid until 21:00"),
    ],
)
def test_a_flex_event_says_what_is_asked(power_w: float, says: str) -> None:
    reason = sample(reasons.FollowsSetpoint, power_w=power_w, until_at=OPENED_AT + timedelta(hours=1))
    assert says in headline(episode(reason), 300.0, SITE)


def test_the_next_change_of_a_battery_has_its_time_and_its_price() -> None:
    site = home_b()
    battery = site.batteries[0]
    plan = plan_of(purpose=Purpose.HOLD)
    (own,) = plan.batteries
    later = (Purpose.HOLD,) * 4 + (Purpose.COVER_LOAD,) * 4
    moved = type(own)(
        device_id=own.device_id, power_w=(0.0,) * 4 + (-800.0,) * 4, stored_wh=own.stored_wh,
        value_eur_per_kwh=own.value_eur_per_kwh, purpose=later,
    )  # fmt: skip
    changed = type(plan)(**{**{name: getattr(plan, name) for name in plan.__slots__}, "batteries": (moved,)})

    ahead = next_change(battery, changed, START_AT, site)

    assert ahead is not None
    # 12:00 UTC is 13:00 in Berlin in winter.
    assert ahead.text == "From 14:00 it covers the house, when buying costs 30 ct"
    assert ahead.at == START_AT + timedelta(hours=1)


@pytest.mark.parametrize(
    ("car_w", "says"),
    [
        ((0.0,) * 4 + (7_000.0,) * 4, "Charges from 14:00, when buying costs 30 ct; ready by 09:00"),
        ((7_000.0,) * 2 + (0.0,) * 6, "Has what it needs at about 13:30; ready by 09:00"),
        ((7_000.0, 0.0, 7_000.0, 0.0, 0.0, 0.0, 0.0, 0.0), "Pauses at about 13:15; ready by 09:00"),
        ((0.0,) * 8, None),
    ],
)
def test_the_next_change_of_a_car(car_w: tuple[float, ...], says: str | None) -> None:
    site = home_b()
    ahead = next_change(site.chargers[0], plan_of(car_value=0.3, car_w=car_w), START_AT, site)

    assert (None if ahead is None else ahead.text) == says


def test_nothing_is_announced_without_a_plan_or_beyond_it() -> None:
    site = home_b()

    assert next_change(site.batteries[0], None, START_AT, site) is None
    assert next_change(site.batteries[0], plan_of(), START_AT + timedelta(days=9), site) is None
    assert next_change(site.meter, plan_of(), START_AT, site) is None


def test_every_event_is_one_line_and_trouble_is_known_as_such() -> None:
    at, site = START_AT, home_b()
    lines = {
        event_line(each, site): is_trouble(each)
        for each in (
            DeviceWentSilent(at=at, device_id=BATTERY),
            DeviceCameBack(at=at, device_id=BATTERY),
            DeviceDoesNotFollow(at=at, device_id=BATTERY, told_w=5_000.0, measured_w=0.0),
            DeviceFollowsAgain(at=at, device_id=BATTERY),
            LimitEngaged(at=at, authority=Authority.OPERATOR, source="grid operator"),
            LimitLifted(at=at, authority=Authority.OPERATOR, source="grid operator"),
            FuseExceeded(at=at, circuit="main", current_a=26.04),
            ModeChanged(at=at, before=Mode.NORMAL, after=Mode.SAFE_HOLD, missing=()),
            ModeChanged(at=at, before=Mode.SAFE_HOLD, after=Mode.NORMAL, missing=()),
            PlanAdopted(at=at, issued_at=at, origin="solver"),
            PlanRefused(at=at, problem="plan worker: gone", instead="rules"),
        )
    }

    assert list(lines.values()) == [True, False, True, False, False, False, True, True, False, False, True]
    assert "Battery was told 5000 W and does 0 W for a minute" in lines
    assert "plan of 13:00 by solver is in force" in lines
    assert all("\n" not in line for line in lines)
