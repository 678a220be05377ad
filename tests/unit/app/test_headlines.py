"""What the card of a car says while the car itself takes nothing, from readings through a tick to the page."""

from dataclasses import replace
from datetime import timedelta

import pytest

from hems.app.outlook import Prices
from hems.app.snapshot import Shown, snapshot_of
from hems.domain.asked import NOTHING_ASKED, Asked
from hems.domain.override import ChargeNow
from hems.domain.plan import Plan
from hems.domain.reading import CarState
from hems.domain.time import SlotGrid
from tests.support.houses import CHARGER, home_a
from tests.support.moments import START_AT, Cycles, House, now_after, plan_of

SUSPENDED = House(load_w=500.0, car=CarState.CONNECTED, offered_a=16.0)
"""SuspendedEV: 16 A are offered, and the car takes none of it."""
REFUSED = "Not charging: power is offered, and the car takes nothing now."
MUST = plan_of(car_value=0.01, car_needs_wh=10_000.0, departure_at=START_AT + timedelta(minutes=65))
OWNERS = Asked(
    overrides=(
        ChargeNow(id="1", device_id=CHARGER, asked_at=START_AT, until_at=START_AT + timedelta(hours=1), by="owner"),
    )
)


def headline_of(house: House, plan: Plan | None, asked: Asked = NOTHING_ASKED) -> str:
    """The headline of the charger at the second tick."""
    cycles, site = Cycles(home_a()), home_a()
    cycles.tick(0.0, house, plan, asked=asked)
    result, now = cycles.tick(1.0, house, plan, asked=asked), now_after(1.0)
    prices = Prices(
        grid=SlotGrid(start_at=START_AT, count=1),
        import_eur_per_kwh=(0.3,),
        export_eur_per_kwh=(0.1,),
        published_count=1,
        fallback=False,
    )
    shown = Shown(
        seq=1,
        now=now,
        image=house.image(site, now.mono_s),
        plan=plan,
        plan_trouble=None,
        priced=prices,
        price_source="test",
        asked=asked,
        aggregator_connected=None,
        simulated=None,
        not_following=frozenset(),
        troubles=(),
    )
    return next(each.headline for each in snapshot_of(site, result, shown).devices if each.id == CHARGER)


@pytest.mark.parametrize(
    ("plan", "asked"),
    [
        (MUST, NOTHING_ASKED),
        (None, NOTHING_ASKED),
        (plan_of(car_value=0.30, buy_at=0.20), NOTHING_ASKED),
        (MUST, OWNERS),
    ],
    ids=["must charge", "no plan", "cheap", "the owner asked"],
)
def test_a_car_that_takes_nothing_of_its_offer_is_the_reason_at_once(plan: Plan | None, asked: Asked) -> None:
    """Why it should charge does not say why it does not."""
    assert headline_of(SUSPENDED, plan, asked) == REFUSED


def test_only_a_car_that_takes_nothing_is_blamed() -> None:
    charging = replace(SUSPENDED, car=CarState.CHARGING, car_w=11_040.0)
    assert headline_of(charging, MUST).startswith("Charging: there is no time left to wait")
    # Nothing is offered yet.
    assert "takes nothing" not in headline_of(replace(SUSPENDED, offered_a=0.0), MUST)
    # It waits for a price: that is why, whatever is still offered.
    assert headline_of(SUSPENDED, plan_of(car_value=0.15)).startswith("Not charging: buying")
