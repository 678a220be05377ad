"""Chargers behind one fuse: everybody's smallest current first, then by need before departure."""

from dataclasses import replace

import pytest

from hems.control.estimate import estimate
from hems.control.guard import permit
from hems.control.state import ControlState
from hems.control.want import Want
from hems.domain.command import Authority, ChargeCurrent, Limit
from hems.domain.reading import CarState, Image
from hems.domain.site import Charger, Circuit, CircuitId, DeviceId, Site
from tests.support.houses import CHARGER, home_a
from tests.support.moments import House, now_after

GARAGE = CircuitId("garage")
IDS = tuple(DeviceId(f"charger-{letter}") for letter in "abc")


def garage(count: int, fuse_a: float) -> Site:
    """So many 16 A chargers of three phases behind a fuse of their own; the main fuse has room for all."""
    house = home_a()
    (charger,) = house.chargers
    chargers = tuple(replace(charger, id=each, circuit=GARAGE, switches_phases=False) for each in IDS[:count])
    main = replace(house.circuits[0], fuse_a=63.0)
    return replace(
        house,
        batteries=(),
        chargers=chargers,
        circuits=(main, Circuit(id=GARAGE, fuse_a=fuse_a / 0.95, parent=main.id)),
    )


def image_of(site: Site, *, absent: frozenset[DeviceId] = frozenset()) -> Image:
    mono_s = now_after(1.0).mono_s
    one = replace(site, chargers=(replace(site.chargers[0], id=CHARGER),))
    count = len(site.chargers[0].phases)
    image = House(car=CarState.CONNECTED, phase_count=count).image(one, mono_s)
    reading = image.chargers[CHARGER]
    assert reading.value is not None
    gone = replace(reading, value=replace(reading.value, car=CarState.ABSENT))
    return replace(image, chargers={each.id: gone if each.id in absent else reading for each in site.chargers})


def told_a(
    site: Site, wants: dict[DeviceId, Want], *limits: Limit, absent: frozenset[DeviceId] = frozenset()
) -> list[float]:
    """Offered current of each charger [A]."""
    state = replace(ControlState.start(site), ticked_mono_s=now_after(0.0).mono_s)
    now = now_after(1.0)
    seen = estimate(state, image_of(site, absent=absent), now)
    commands = {each.device_id: each.action for each in permit(state, seen, wants, limits, now).commands}
    found = []
    for charger in site.chargers:
        action = commands[charger.id]
        assert isinstance(action, ChargeCurrent)
        found.append(action.current_a)
    return found


def full(charger_id: DeviceId, *, need_w: float | None = None, urgent: bool = False) -> Want:
    return Want(device_id=charger_id, power_w=11_040.0, need_w=need_w, urgent=urgent)


def wants(*needs_w: float | None) -> dict[DeviceId, Want]:
    return {key: full(key, need_w=need_w) for key, need_w in zip(IDS, needs_w, strict=False)}


@pytest.mark.parametrize(
    ("needs_w", "offered_a"),
    [
        # 20 A: the needier gets 14 A, the other one its 6 A, whichever is first in the site file.
        ((9_000.0, 1_000.0), [14.0, 6.0]),
        ((1_000.0, 9_000.0), [6.0, 14.0]),
        # Both need 8 A: the first one has what the other does not need.
        ((5_520.0, 5_520.0), [12.0, 8.0]),
        # Nobody knows: half each.
        ((None, None), [10.0, 10.0]),
    ],
)
def test_two_cars_share_by_need(needs_w: tuple[float | None, float | None], offered_a: list[float]) -> None:
    assert told_a(garage(2, 20.0), wants(*needs_w)) == pytest.approx(offered_a)


def test_three_cars_behind_20_a_get_their_smallest_current() -> None:
    assert told_a(garage(3, 20.0), wants(9_000.0, 500.0, 500.0)) == pytest.approx([8.0, 6.0, 6.0])


def test_where_not_even_that_fits_the_neediest_charge_and_the_rest_waits() -> None:
    assert told_a(garage(3, 13.0), wants(500.0, 9_000.0, 3_000.0)) == pytest.approx([0.0, 7.0, 6.0])


def test_who_must_charge_comes_before_who_needs_more() -> None:
    hurried = {**wants(9_000.0, None), IDS[1]: full(IDS[1], urgent=True)}
    assert told_a(garage(2, 20.0), hurried) == pytest.approx([6.0, 14.0])


def test_who_is_not_there_or_wants_nothing_keeps_nothing_from_the_others() -> None:
    assert told_a(garage(2, 16.0), wants(None, None), absent=frozenset({IDS[1]})) == pytest.approx([16.0, 0.0])
    waiting = {**wants(None, None), IDS[0]: Want(device_id=IDS[0], power_w=0.0)}
    assert told_a(garage(2, 16.0), waiting) == pytest.approx([0.0, 16.0])


def test_they_share_what_the_grid_operator_leaves_as_well() -> None:
    limit = Limit(authority=Authority.OPERATOR, source="operator", dimmed_power_max_w=9_660.0, dims=frozenset(IDS))
    assert told_a(garage(2, 40.0), wants(9_000.0, 1_000.0), limit) == pytest.approx([8.0, 6.0])


def test_a_car_on_one_phase_is_not_held_back_for_one_on_another() -> None:
    site = garage(2, 16.0)
    first, second = site.chargers

    def on(charger: Charger, index: int) -> Charger:
        return replace(charger, phases=(charger.phases[index],), power_max_w=3_680.0)

    apart = replace(site, chargers=(on(first, 0), on(second, 1)))
    both = {each: Want(device_id=each, power_w=3_680.0) for each in IDS[:2]}
    assert told_a(apart, both) == pytest.approx([16.0, 16.0])
