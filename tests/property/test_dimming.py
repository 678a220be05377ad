"""What a grid operator's limit on some devices leaves them, for any house: section 14a EnWG, by value."""

import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from hems.control.estimate import estimate
from hems.control.guard import permit
from hems.domain.command import Authority, Command, Limit, LimitRule
from hems.domain.section_14a import dimmed
from hems.domain.site import DeviceId, PvPlant
from tests.support.cases import Case, random_case
from tests.support.guard_sums import (
    disobeying_w,
    limit_of,
    measured_w,
    nameplate_of,
    production_w,
    pv_ids,
    reserve_on,
    residual_w,
    total_w,
)

EPS_W = 0.01
FUSES = (LimitRule.MAIN_FUSE, LimitRule.CIRCUIT_FUSE)
any_case = settings(max_examples=4 * settings().max_examples, deadline=None)


def dimmed_case(seed: int) -> Case:
    """A case under one more limit: on some of its consumers, or on those that the law names."""
    case, chance = random_case(random.Random(seed)), random.Random(seed + 1)
    consumers = [each for each in case.site.controllables if not isinstance(each, PvPlant)]
    by_law = dimmed(consumers)
    chosen = by_law if by_law and chance.random() < 0.5 else [each for each in consumers if chance.random() < 0.6]
    limit = Limit(
        authority=Authority.OPERATOR,
        source="operator",
        dimmed_power_max_w=chance.choice((0.0, 1_500.0, 4_200.0, 7_560.0, float("nan"))),
        dims=frozenset(each.id for each in chosen),
    )
    return replace(case, limits=(*case.limits, limit))


dimmed_cases = st.integers(0, 2**32 - 1).map(dimmed_case)


def guarded(case: Case) -> dict[DeviceId, Command]:
    seen = estimate(case.state, case.image, case.now)
    return {each.device_id: each for each in permit(case.state, seen, case.wants, case.limits, case.now).commands}


def drawn_w(case: Case, commands: dict[DeviceId, Command], device_id: DeviceId) -> float:
    """At worst: a silent device its nameplate [W]."""
    if device_id not in case.answering:
        return nameplate_of(case, device_id)
    return max(disobeying_w(case, device_id), total_w(case, device_id, commands[device_id].action), 0.0)


def net_import_w(case: Case, commands: dict[DeviceId, Command]) -> float:
    """At worst: what a battery is told to give counts, because it is measured to give it; sun as it is [W]."""
    told_w = sum(total_w(case, key, each.action) for key, each in commands.items() if key not in pv_ids(case))
    if not case.sees_grid:
        silent_w = sum(nameplate_of(case, each.id) for each in case.site.controllables if each.id not in case.answering)
        return sum(reserve_on(case, phase) for phase in case.site.connection.phases) + silent_w + told_w
    made_w = sum(
        min(-measured_w(case, key), production_w(case, key, limit_of(commands[key])))
        for key in pv_ids(case) & case.answering
    )
    return residual_w(case) - made_w + told_w


@any_case
@given(case=dimmed_cases)
def test_dimmed_devices_cause_no_more_import_than_the_limit(case: Case) -> None:
    """Of the import they cause what they draw, at most: so one of both keeps to the limit, or who listens rests."""
    commands = guarded(case)
    limit = case.limits[-1]
    assert limit.dimmed_power_max_w is not None
    max_w = limit.dimmed_power_max_w if limit.dimmed_power_max_w > 0 else 0.0
    if any(each.rule in FUSES for key in pv_ids(case) for each in commands[key].limited_by):
        return  # What a plant loses to its own fuse is seen at the next tick.
    caused_w = min(sum(drawn_w(case, commands, each) for each in limit.dims), net_import_w(case, commands))
    listening = [each for each in limit.dims if disobeying_w(case, each) == 0]
    rests = all(total_w(case, each, commands[each].action) <= 0 for each in listening)
    assert caused_w <= max_w + EPS_W or rests
