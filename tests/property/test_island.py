"""Promises of the guard for any house that its batteries feed, summed anew."""

import random
from dataclasses import dataclass, replace

from hypothesis import given, settings

from hems.control.estimate import estimate
from hems.control.guard import permit
from hems.control.island import Claim
from hems.domain.command import BatteryReleased, ChargeCurrent, Command, HeatPumpPower, ProductionLimit
from hems.domain.events import Mode
from hems.domain.power import Phase
from hems.domain.reading import Reading
from hems.domain.site import Backup, BackupLoad, DeviceId
from tests.support.cases import Case, random_case, seeds

any_case = settings(max_examples=4 * settings().max_examples, deadline=None)


@dataclass(frozen=True, kw_only=True)
class Island:
    """A case without a grid; ``feeding``: batteries that answer and say so."""

    case: Case
    feeding: frozenset[DeviceId]


def random_island(chance: random.Random) -> Island:
    """Any case with batteries that feed it. Some say nothing: then it was an island in the tick before."""
    case = random_case(chance)
    while not case.site.batteries:
        case = random_case(chance)
    answering = [each.id for each in case.site.batteries if each.id in case.answering]
    feeding = frozenset(each for each in answering if chance.random() < 0.8)
    batteries = dict(case.image.batteries)
    for device_id in answering:
        reading = batteries[device_id]
        assert reading.value is not None
        batteries[device_id] = Reading(
            value=replace(reading.value, islanded=True if device_id in feeding else None), mono_s=reading.mono_s
        )
    loads = [*(each.id for each in case.site.chargers), *(each.id for each in case.site.heat_pumps)]
    chance.shuffle(loads)
    wanted = tuple(BackupLoad(device_id=each, soc_min_pct=20.0) for each in loads if chance.random() < 0.7)
    site = replace(case.site, backup=Backup(power_max_w=chance.choice((None, 2_000.0, 6_000.0)), loads=wanted))
    claim = Claim(since_mono_s=case.now.mono_s - chance.uniform(0.0, 3_600.0))
    state = replace(case.state, site=site, mode=Mode.ISLANDED, island_claim=claim)
    image = replace(case.image, grid=None, batteries=batteries)
    return Island(case=replace(case, site=site, state=state, image=image), feeding=feeding)


islands = seeds.map(lambda seed: random_island(random.Random(seed)))


def guarded(island: Island) -> dict[DeviceId, Command]:
    case = island.case
    seen = estimate(case.state, case.image, case.now)
    assert seen.is_island
    return {each.device_id: each for each in permit(case.state, seen, case.wants, case.limits, case.now).commands}


def told_on_w(case: Case, command: Command, phase: Phase) -> float:
    """Most that a load draws on a phase under its command [W]."""
    match command.action:
        case ChargeCurrent(current_a=current_a, phase_count=count):
            charger = next(each for each in case.site.chargers if each.id == command.device_id)
            power_w = min(current_a * 230.0 * count, charger.power_max_w)
            return power_w / count if phase in charger.phases[:count] else 0.0
        case HeatPumpPower(power_w=power_w):
            pump = next(each for each in case.site.heat_pumps if each.id == command.device_id)
            told_w = pump.power_max_w if power_w is None else power_w
            return told_w / len(pump.phases) if phase in pump.phases else 0.0
        case _:
            return 0.0


def given_on_w(island: Island, phase: Phase) -> float:
    """What the inverters may give on a phase: nameplate and management, within what the household entered [W]."""
    site = island.case.site
    on_phase_w = total_w = 0.0
    for battery in site.batteries:
        if battery.id not in island.feeding:
            continue
        values = island.case.image.batteries[battery.id].value
        assert values is not None
        said_w = values.discharge_power_max_w
        most_w = (
            battery.discharge_power_max_w if said_w is None else max(0.0, min(said_w, battery.discharge_power_max_w))
        )
        total_w += most_w
        on_phase_w += most_w / len(battery.phases) if phase in battery.phases else 0.0
    entered_w = site.backup.power_max_w
    return on_phase_w * (1.0 if entered_w is None or total_w <= entered_w else entered_w / total_w)


@any_case
@given(island=islands)
def test_inverters_are_left_alone_and_what_is_told_to_loads_fits_what_they_give(island: Island) -> None:
    commands = guarded(island)
    case = island.case
    assert all(commands[each.id].action == BatteryReleased() for each in case.site.batteries)
    assert all(commands[each.id].action == ProductionLimit(production_power_max_w=None) for each in case.site.pv)
    loads = {each.id for each in case.site.chargers} | {each.id for each in case.site.heat_pumps}
    answering = sorted(loads & case.answering)
    for phase in case.site.connection.phases:
        drawn_w = sum(told_on_w(case, commands[device_id], phase) for device_id in answering)
        assert drawn_w <= max(0.0, given_on_w(island, phase)) * 0.95 + 0.01, phase
        assert drawn_w <= case.site.circuits[0].fuse_a * 230.0 * 0.95 + 0.01, phase


@any_case
@given(island=islands)
def test_no_limit_of_contract_or_operator_counts_where_nothing_flows(island: Island) -> None:
    case = island.case
    unlimited = replace(
        case,
        limits=(),
        site=replace(case.site, connection=replace(case.site.connection, import_power_max_w=None)),
    )
    unlimited = replace(unlimited, state=replace(case.state, site=unlimited.site))
    before, after = guarded(island), guarded(replace(island, case=unlimited))
    assert {key: each.action for key, each in before.items()} == {key: each.action for key, each in after.items()}
