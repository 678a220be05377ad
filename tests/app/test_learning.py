"""What is learned is asked about, planned with only where agreed, undone at any time, and kept across restarts."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from hems.app.learning import Learning, planned_site
from hems.app.posing import pose
from hems.app.recorder import level_series, offered_series, power_series, tank_series
from hems.control.estimate import estimate
from hems.control.state import ControlState
from hems.domain.errors import BadInputError, OperatingError
from hems.domain.heat import expected_draw_w
from hems.domain.learned import Consent, Fact, LearnedFact
from hems.domain.problem import PlanningProblem
from hems.domain.reading import CarState
from hems.domain.site import Site
from hems.domain.time import SLOT_S
from hems.runtime.clock import SystemClock
from hems.runtime.files import SystemFiles
from hems.sim import virtual_time
from hems.store.history import SlotValue
from hems.store.house_store import HouseStore
from tests.support.houses import BATTERY, CHARGER, HEAT_PUMP, home_a, home_b
from tests.support.living import BALLAST_BYTES, direct, living
from tests.support.moments import START_AT, House, now_after
from tests.support.simulated import START_AT as BEGAN_AT
from tests.support.simulated import flat_data
from tests.unit.app.test_posing import outlook, task

SITE = home_a()
POWER_KEY = f"{CHARGER}.charging_power_w"
CAPACITY_KEY = f"{BATTERY}.capacity_wh"
DAY = 96


@pytest.fixture
def store(tmp_path: Path) -> Iterator[HouseStore]:
    store = HouseStore(tmp_path, SystemFiles(tmp_path), SystemClock(), ballast_bytes=BALLAST_BYTES)
    yield store
    store.close()


def lived(store: HouseStore, *, days: int = 30, capacity_wh: float = 8_000.0) -> None:
    """Quarter hours of a battery that holds less than its file says, and of a car that takes less than is offered."""
    dice = random.Random(1)
    level, rows = 30.0, []
    for slot in range(days * DAY):
        start_at = START_AT - timedelta(days=days) + timedelta(seconds=SLOT_S * slot)
        hour = slot % DAY / 4
        sunny = 9 <= hour < 15
        power_w = dice.uniform(800, 1_300) if sunny else -dice.uniform(500, 800) if hour >= 15 else 0.0
        change_pct = 100 * (power_w * 0.95 if sunny else power_w / 0.95) / 4 / capacity_wh
        if not 6 <= level + change_pct <= 94:
            power_w = change_pct = 0.0
        level += change_pct
        charges = 18 <= hour < 20
        values = {
            power_series(BATTERY): power_w,
            level_series(BATTERY): level,
            power_series(CHARGER): 7_400.0 + dice.gauss(0, 10) if charges else 0.0,
            offered_series(CHARGER): 11_040.0 if charges else 0.0,
        }
        rows += [SlotValue(series=name, start_at=start_at, value=value) for name, value in values.items()]
    store.history.put_slots(rows)


def learning_of(store: HouseStore, site: Site = SITE, changes: list[str] | None = None) -> Learning:
    return Learning(
        site,
        shelf=store.documents("learned", kind=LearnedFact),
        history=store.history,
        offload=direct,
        clock=SystemClock(),
        changed=lambda: None if changes is None else changes.append("plan"),
    )


def posed(learning: Learning) -> PlanningProblem:
    state, now = ControlState.start(SITE), now_after(0)
    house = House(car=CarState.CONNECTED, stored_wh=4_000.0)
    seen = estimate(state, house.image(SITE, now.mono_s), now)
    return pose(*learning.as_planned(state, seen), outlook(cars=(task(),)), (), now)


def consents(learning: Learning) -> dict[str, Consent]:
    return {each.key: each.consent for each in learning.views().facts}


async def test_what_was_measured_is_suggested_and_changes_no_plan_until_somebody_agrees(store: HouseStore) -> None:
    lived(store)
    learning = learning_of(store)
    before = posed(learning)
    await learning.learn(START_AT)
    assert consents(learning) == {
        CAPACITY_KEY: Consent.SUGGESTED,
        POWER_KEY: Consent.SUGGESTED,
        f"{BATTERY}.round_trip_ratio": Consent.OBSERVING,
    }
    assert posed(learning) == before


async def test_agreed_to_it_is_planned_with_and_undone_it_is_not(store: HouseStore) -> None:
    lived(store)
    changes: list[str] = []
    learning = learning_of(store, changes=changes)
    await learning.learn(START_AT)
    before = posed(learning)
    assert (await learning.decide(POWER_KEY, use=True, by="owner")).consent is Consent.IN_USE
    assert (await learning.decide(CAPACITY_KEY, use=True, by="owner")).consent is Consent.IN_USE
    after = posed(learning)
    assert max(mode.power_max_w for mode in before.cars[0].modes) == pytest.approx(8_280.0)  # what the fuse leaves
    assert max(mode.power_max_w for mode in after.cars[0].modes) == pytest.approx(7_400.0, rel=0.02)
    assert after.batteries[0].ceiling_wh == pytest.approx(8_000.0, rel=0.02)
    # 40 % full is 40 % full.
    assert after.batteries[0].stored_wh == pytest.approx(0.4 * 8_000.0, rel=0.02)
    same = replace(after, cars=before.cars, batteries=before.batteries)
    assert same == before
    assert (await learning.decide(POWER_KEY, use=False, by="owner")).consent is Consent.DECLINED
    await learning.decide(CAPACITY_KEY, use=False, by="owner")
    assert posed(learning) == before
    assert changes == ["plan"] * 4


async def test_the_word_of_the_household_survives_a_restart_and_the_next_measurement(store: HouseStore) -> None:
    lived(store)
    learning = learning_of(store)
    await learning.learn(START_AT)
    await learning.decide(POWER_KEY, use=True, by="owner")
    await learning.decide(CAPACITY_KEY, use=False, by="owner")
    again = learning_of(store)
    assert max(mode.power_max_w for mode in posed(again).cars[0].modes) == pytest.approx(7_400.0, rel=0.02)
    await again.learn(START_AT + timedelta(hours=6))
    assert consents(again)[POWER_KEY] is Consent.IN_USE
    assert consents(again)[CAPACITY_KEY] is Consent.DECLINED


async def test_a_house_that_has_just_moved_in_has_learned_nothing(store: HouseStore) -> None:
    learning = learning_of(store)
    await learning.learn(START_AT)
    assert learning.views().facts == ()
    with pytest.raises(BadInputError, match="nothing was learned"):
        await learning.decide(POWER_KEY, use=True, by="owner")


async def test_a_word_that_the_disk_does_not_take_changes_nothing(
    store: HouseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    lived(store)
    learning = learning_of(store)
    await learning.learn(START_AT)
    before = posed(learning)

    def sync_content(_self: SystemFiles, _path: str) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(SystemFiles, "sync_content", sync_content)
    with pytest.raises(OperatingError, match="nothing was changed"):
        await learning.decide(POWER_KEY, use=True, by="owner")
    assert consents(learning)[POWER_KEY] is Consent.SUGGESTED
    assert posed(learning) == before


def test_rooms_and_hot_water_are_planned_with_as_agreed() -> None:
    site = home_b()
    wanted = {Fact.LOSS_W_PER_K: 190.0, Fact.TIME_CONSTANT_H: 45.0, Fact.DRAW_WH_PER_DAY: 4_200.0}
    facts = tuple(
        LearnedFact(
            device_id=HEAT_PUMP, fact=fact, told=1.0, value=value, doubt=1.0, count=99,
            since_at=START_AT, learned_at=START_AT, used=value,
        )
        for fact, value in wanted.items()
    )  # fmt: skip
    (pump,) = planned_site(site, facts).heat_pumps
    assert pump.room is not None
    assert pump.tank is not None
    found = (pump.room.loss_w_per_k, pump.room.time_constant_h, pump.tank.draw_wh_per_day)
    assert found == tuple(wanted.values())
    assert planned_site(site, ()) is site


def test_a_running_house_keeps_what_is_to_be_learned_from(tmp_path: Path) -> None:
    site = home_b()

    async def main() -> None:
        data = flat_data(site, days=2, load_w=500.0)
        async with living(site, data, tmp_path, start_at=BEGAN_AT, step_s=60) as house:
            await house.until(2 * 3_600.0)
            history = house.daemon.parts.store.history
            for name in ("room_c", "tank_c", "power_w"):
                values = history.slots(f"{HEAT_PUMP}.{name}", BEGAN_AT, BEGAN_AT + timedelta(hours=1))
                assert None not in values
            assert history.slots("sky.outdoor_c", BEGAN_AT, BEGAN_AT + timedelta(hours=1)) == [7.0] * 4
            assert history.slots(f"{CHARGER}.offered_w", BEGAN_AT, BEGAN_AT + timedelta(hours=1)) == [0.0] * 4
            assert house.daemon.house.learned().facts == ()

    virtual_time.run(main())


LATE = {20: 2_400.0, 21: 1_600.0}
"""Heat tapped by local hour, by people who shower in the evening [Wh]."""


def bathed(store: HouseStore, site: Site, *, days: int = 14) -> None:
    """A tank that nothing heats while anybody looks: at 03:00 UTC of each day it is unknown, and then full again."""
    (pump,) = site.heat_pumps
    assert pump.tank is not None
    capacity_wh_per_k, level_c, rows = pump.tank.volume_l * 1.163, 58.0, []
    for slot in range(days * DAY):
        start_at = BEGAN_AT - timedelta(days=days) + timedelta(seconds=SLOT_S * slot)
        drawn_wh = LATE.get(start_at.astimezone(site.zone).hour, 0.0) / 4
        level_c -= (drawn_wh + pump.tank.loss_w_per_k * (level_c - 18.0) / 4) / capacity_wh_per_k
        rows.append(SlotValue(series=power_series(pump.id), start_at=start_at, value=0.0))
        if slot % DAY == 12:
            level_c = 58.0
        else:
            rows.append(SlotValue(series=tank_series(pump.id), start_at=start_at, value=level_c))
    store.history.put_slots(rows)


async def test_the_hours_of_hot_water_are_asked_about_and_planned_with(store: HouseStore) -> None:
    """The amount is that of the site file; only the hours are others."""
    (pump,) = home_b().heat_pumps
    assert pump.tank is not None
    pump = replace(pump, room=None, tank=replace(pump.tank, draw_wh_per_day=4_000.0))
    site = replace(home_b(), heat_pumps=(pump,))
    bathed(store, site)
    learning = learning_of(store, site)
    await learning.learn(BEGAN_AT)

    (asked,) = learning.views().facts
    decided = [await learning.decide(asked.key, use=use, by="owner") for use in (False, True)]
    await learning.learn(BEGAN_AT)

    assert asked.consent is Consent.SUGGESTED
    assert asked.sentence == (
        "Your hot water takes 4.0 kWh of heat a day, most of it from 20:00 to 22:00. Plan with that?"
    )
    assert [each.consent for each in decided] == [Consent.DECLINED, Consent.IN_USE]
    assert learning.views().facts[0].consent is Consent.IN_USE
    again = learning_of(store, site)
    (tank,) = (each.tank for each in again.planned().heat_pumps)
    assert tank is not None
    draws_w = [expected_draw_w(tank, hour + 0.5) for hour in range(24)]
    assert draws_w == pytest.approx([LATE.get(hour, 0.0) for hour in range(24)], abs=40)
