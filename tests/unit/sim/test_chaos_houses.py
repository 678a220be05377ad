"""The houses in which things go wrong: what they are made of, and how busy they are."""

from datetime import timedelta

import numpy as np
import pytest

from hems.domain.time import unix_s
from hems.sim.chaos.application import at_an_hour
from hems.sim.chaos.busy import BusyHousehold, owners_wishes
from hems.sim.chaos.houses import KINDS, draw_house
from hems.sim.chaos.script import AROUND_THE_TICK, dice_of, draw_script
from hems.sim.household import CAP_OF_FUSE_RATIO, Household


def test_kinds_take_turns_and_each_is_what_it_is_called() -> None:
    houses = [draw_house(seed, days=1) for seed in range(4)]
    assert [each.kind for each in houses] == [name for name, _ in KINDS]
    three, garage, one, slow = (each.site for each in houses)
    assert (three.connection.phase_count, three.circuits[0].fuse_a) == (3, 25.0)
    assert [each.circuit for each in garage.chargers] == [garage.circuits[1].id] * 2
    assert garage.heat_pumps
    assert one.connection.phase_count == 1
    assert all(len(device.phases) == 1 for device in one.controllables)
    assert slow.meter.period_s == 10.0


def test_the_same_seed_draws_the_same_house_and_another_one_another() -> None:
    first, again, other = draw_house(4, days=2), draw_house(4, days=2), draw_house(8, days=2)
    assert (first.site, first.more_sessions, first.stored_ratio) == (
        again.site,
        again.more_sessions,
        again.stored_ratio,
    )
    assert np.array_equal(first.data.load_w, again.data.load_w)
    assert not np.array_equal(first.data.load_w, other.data.load_w)


@pytest.mark.parametrize("seed", range(4))
def test_somebody_cooks_at_each_edge_of_a_fault_and_the_house_alone_blows_no_fuse(seed: int) -> None:
    house = draw_house(seed, days=1)
    script = draw_script(dice_of(seed, "x"), house.site, from_s=60, until_s=80_000, count=16, world=AROUND_THE_TICK)
    start_s = round(unix_s(house.start_at))
    calm = Household(site=house.site, data=house.data, seed=seed).seconds(start_s, 86_400)
    busy = BusyHousehold(house, seed, script).seconds(start_s, 86_400)
    cap_w = CAP_OF_FUSE_RATIO * house.site.circuits[0].fuse_a * 230.0
    assert (busy >= calm).all()
    assert busy.max() <= max(cap_w, calm.max()) + 1e-6
    for each in script:
        near = slice(max(each.start_s - 5, 0), each.start_s + 70)
        assert (busy[near] > calm[near] + 1.0).any() or calm[near].max() > 0.8 * cap_w


def test_the_owner_asks_eight_times_a_day_for_at_most_two_hours() -> None:
    house = draw_house(1, days=2)
    wishes = owners_wishes(house, 1, until_s=2 * 86_400)
    assert len(wishes) == 16
    assert {each.device_id for each in wishes} == {each.id for each in house.site.chargers}
    assert all(timedelta(minutes=30) <= each.until_at - each.asked_at < timedelta(hours=2) for each in wishes)


def test_in_an_hour_of_the_application_a_car_comes_to_each_charger() -> None:
    house = at_an_hour(draw_house(1, days=1), 1)
    first, second = house.data.sessions, house.more_sessions[house.site.chargers[1].id]
    for (stay,) in (first, second):
        assert house.start_at < stay.plugin_at < house.start_at + timedelta(minutes=15)
        assert stay.plugout_at - stay.plugin_at >= timedelta(minutes=20)
