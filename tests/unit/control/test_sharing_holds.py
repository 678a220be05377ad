"""Who claims what, in which order, and what is held back for those who come later."""

from dataclasses import replace
from typing import Any

import pytest

from hems.control.estimate import Estimate, estimate
from hems.control.exchange import Ceiling, Dimming, Exchange
from hems.control.headroom import Headroom
from hems.control.sharing import Claim, claims, hold_for_others, in_order
from hems.control.state import ControlState
from hems.control.want import Want
from hems.domain.command import Authority, LimitRule
from hems.domain.power import ALL_PHASES, PhaseValues
from hems.domain.reading import CarState, ChargerValues
from hems.domain.site import MAIN, DeviceId, Site
from tests.support.houses import home_a
from tests.support.moments import House, now_after

A, B, C, D = (DeviceId(letter) for letter in "abcd")
LEAST_W = 3 * 6.0 * 230.0


def with_chargers(*ids: DeviceId) -> Site:
    (charger,) = home_a().chargers
    return replace(home_a(), chargers=tuple(replace(charger, id=each) for each in ids))


def seen_at(site: Site, **changes: Any) -> Estimate:
    seen = estimate(ControlState.start(site), House().image(site, now_after(0.0).mono_s), now_after(0.0))
    values = {each.id: car() for each in site.chargers}
    return replace(seen, **{"chargers": values, **changes})


def car(*, state: CarState = CarState.CONNECTED, phase_count: int = 3) -> ChargerValues:
    return ChargerValues(car=state, power_w=0.0, session_energy_wh=0.0, offered_current_a=0.0, phase_count=phase_count)


def full(device_id: DeviceId, **more: Any) -> Want:
    return Want(**{"device_id": device_id, "power_w": 11_040.0, **more})


def test_who_is_not_there_silent_or_does_not_follow_claims_nothing_and_keeps_nobody_from_it():
    site = with_chargers(A, B, C, D)
    wants = {each: full(each) for each in (A, B, D)}
    seen = seen_at(site, chargers={A: car(state=CarState.ABSENT), B: car(), C: car(), D: car()}, disobeying_w={B: 1.0})
    assert [each.charger.id for each in claims(site.chargers, seen, wants)] == [D]
    silent = seen_at(site, chargers={B: car(), D: car()})
    assert [each.charger.id for each in claims(site.chargers, silent, wants)] == [B, D]


@pytest.mark.parametrize(
    ("power_w", "wanted_w"), [(1_379.0, None), (1_380.0, 1_380.0), (5_000.0, 5_000.0), (20_000.0, 11_040.0)]
)
def test_a_claim_is_what_the_charger_can_give_and_the_car_can_take(power_w: float, wanted_w: float | None):
    site = with_chargers(A)
    found = claims(site.chargers, seen_at(site), {A: full(A, power_w=power_w)})
    assert [each.wanted_w for each in found] == ([] if wanted_w is None else [wanted_w])


@pytest.mark.parametrize(("reported", "counted"), [(1, 1), (3, 3), (2, 3)])
def test_a_claim_is_on_the_phases_in_use_or_on_all(reported: int, counted: int):
    site = with_chargers(A)
    (claim,) = claims(site.chargers, seen_at(site, chargers={A: car(phase_count=reported)}), {A: full(A)})
    assert claim.phases == ALL_PHASES[:counted]
    assert claim.least_w == pytest.approx(counted * 6.0 * 230.0)


def test_the_hurried_come_first_then_the_neediest_then_the_order_of_the_site():
    site = with_chargers(A, B, C, D)
    wants = {
        A: full(A),
        B: full(B, need_w=0.5),
        C: full(C, need_w=3_000.0),
        D: full(D, need_w=10.0, urgent=True),
    }
    claimed = claims(site.chargers, seen_at(site), wants)
    assert [each.charger.id for each in claimed] == [D, C, B, A]
    assert [each.need_w for each in claimed] == [10.0, 3_000.0, 0.5, None]
    alike = claims(site.chargers, seen_at(site), {each: full(each) for each in (A, B, C, D)})
    assert [each.charger.id for each in alike] == [A, B, C, D]


def test_who_claims_nothing_comes_last():
    site = with_chargers(A, B, C)
    claimed = claims(site.chargers, seen_at(site), {C: full(C)})
    assert [each.id for each in in_order(site.chargers, claimed)] == [C, A, B]


def behind(room_a: float, site: Site, *, dimmed_w: float = 1e6) -> tuple[Headroom, Exchange]:
    """So much current on each phase, and so much for the dimmed chargers."""
    left_w = {(MAIN, phase): room_a * 230.0 for phase in ALL_PHASES}
    room = Headroom(site=site, reserve_w=PhaseValues(), import_left_w={**left_w}, export_left_w={**left_w})
    ceiling = Ceiling(authority=Authority.OPERATOR, rule=LimitRule.OPERATOR_IMPORT, power_max_w=dimmed_w)
    dimming = Dimming(ceiling=ceiling, devices=frozenset({A, B, C, D}), drawn_w=0.0)
    line = Exchange(
        imports=(),
        exports=(),
        dimmings=(dimming,),
        import_net_w=1e7,
        export_net_w=0.0,
        sun_w=0.0,
        lent_w={},
    )
    return room, line


def claim_of(site: Site, device_id: DeviceId, **more: Any) -> Claim:
    charger = next(each for each in site.chargers if each.id == device_id)
    return Claim(
        **{"charger": charger, "phases": ALL_PHASES, "wanted_w": 11_040.0, "need_w": None, "is_urgent": False, **more}
    )


@pytest.mark.parametrize(
    ("room_a", "mine", "later", "held_w"),
    [
        # What the later one needs, at least its smallest current, at most what it wants.
        (60.0, {}, ({"need_w": 7_000.0},), [7_000.0]),
        (60.0, {}, ({"need_w": 500.0},), [LEAST_W]),
        (60.0, {}, ({"need_w": 20_000.0},), [11_040.0]),
        (60.0, {}, ({"need_w": 7_000.0, "wanted_w": 6_000.0},), [6_000.0]),
        # Of unknown needs equal parts of what is left.
        (30.0, {}, ({}, {}), [6_900.0, 6_900.0]),
        (20.0, {}, ({},), [6_900.0]),
        (30.0, {}, ({"need_w": 9_000.0}, {}), [9_000.0, 5_850.0]),
        # Who is in a hurry leaves the others their smallest current, and to who is as hurried what he needs.
        (60.0, {"is_urgent": True}, ({"need_w": 7_000.0},), [LEAST_W]),
        (60.0, {"is_urgent": True}, ({"need_w": 7_000.0, "is_urgent": True},), [7_000.0]),
        # Where that would leave me less than my smallest current: his smallest current.
        (13.0, {}, ({"need_w": 7_000.0},), [LEAST_W]),
        (12.0, {}, ({"need_w": 7_000.0},), [LEAST_W]),
        # Where not even that fits: nothing for him, but for the next one, who is content with another phase.
        (11.9, {}, ({"need_w": 7_000.0},), []),
        (11.9, {"phases": ALL_PHASES[:2]}, ({}, {"phases": ALL_PHASES[2:]}), [1_380.0]),
    ],
)
def test_what_is_held_back(room_a: float, mine: dict[str, Any], later: tuple[dict[str, Any], ...], held_w: list[float]):
    site = with_chargers(A, B, C)
    room, line = behind(room_a, site)
    claimed = [
        claim_of(site, A, **mine),
        *(claim_of(site, key, **each) for key, each in zip((B, C), later, strict=False)),
    ]
    before = dict(room.import_left_w)
    held = hold_for_others(site.chargers[0], claimed, room, line)
    assert [power_w for _, power_w in held.held] == pytest.approx(held_w)
    assert line.dimmings[0].drawn_w == pytest.approx(sum(held_w))
    taken_w = sum(before.values()) - sum(room.import_left_w.values())
    assert taken_w == pytest.approx(sum(held_w))
    held.release()
    assert held.held == []
    assert line.dimmings[0].drawn_w == pytest.approx(0.0)
    assert room.import_left_w == pytest.approx(before)


def test_the_last_one_and_who_claims_nothing_hold_nothing_back():
    site = with_chargers(A, B, C)
    room, line = behind(60.0, site)
    claimed = [claim_of(site, A), claim_of(site, B)]
    assert hold_for_others(site.chargers[1], claimed, room, line).held == []
    assert hold_for_others(site.chargers[2], claimed, room, line).held == []
    assert [each.charger.id for each, _ in hold_for_others(site.chargers[0], claimed, room, line).held] == [B]


@pytest.mark.parametrize(("dimmed_w", "held_w"), [(2 * LEAST_W, [LEAST_W]), (2 * LEAST_W - 1.0, [])])
def test_what_is_held_back_leaves_me_my_smallest_current_of_a_dimming_too(dimmed_w: float, held_w: list[float]):
    site = with_chargers(A, B)
    room, line = behind(60.0, site, dimmed_w=dimmed_w)
    held = hold_for_others(site.chargers[0], [claim_of(site, A), claim_of(site, B)], room, line)
    assert [power_w for _, power_w in held.held] == pytest.approx(held_w)


def test_behind_an_overloaded_fuse_nobody_holds_anything():
    site = with_chargers(A, B)
    room, line = behind(-5.0, site)
    assert hold_for_others(site.chargers[0], [claim_of(site, A), claim_of(site, B)], room, line).held == []
