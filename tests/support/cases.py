"""Any house at any moment, for property tests of the guard: readings, memory, wants and limits drawn at random.

A case says by construction which devices have a usable reading, so that a test need not ask the code it tests. Each
case is made from one seed: drawing every number by hypothesis took 10 ms a case, this takes a tenth, and ten times more
houses find more than smaller counterexamples would.
"""

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from hypothesis import strategies as st

from hems.control.state import ControlState, HourHigh, SwitchMemory
from hems.control.want import Want
from hems.domain.command import Authority, Limit
from hems.domain.power import ALL_PHASES, Phase, PhaseValues
from hems.domain.reading import (
    BatteryValues,
    CarState,
    ChargerValues,
    GridValues,
    HeatPumpValues,
    Image,
    PvValues,
    Quality,
    Reading,
)
from hems.domain.site import (
    MAIN,
    Battery,
    Charger,
    Circuit,
    CircuitId,
    DeviceId,
    GridConnection,
    GridMeter,
    HeatPump,
    PvPlane,
    PvPlant,
    Site,
)
from hems.domain.time import Now
from tests.support.houses import home_a

NOW_MONO_S = 1_000_000.0
START_AT = datetime(2026, 1, 15, tzinfo=UTC)
T = TypeVar("T")
ABSURD = (float("nan"), float("inf"), float("-inf"), 2.0**64, -9e6, 2.7e23)


@dataclass(frozen=True, kw_only=True)
class Case:
    """Everything that a tick's guard is given, and which readings may be used."""

    site: Site
    state: ControlState
    image: Image
    wants: dict[DeviceId, Want]
    limits: tuple[Limit, ...]
    now: Now
    answering: frozenset[DeviceId]
    """Devices, the meter among them, with a usable reading."""

    @property
    def sees_grid(self) -> bool:
        return self.site.meter.id in self.answering


seeds = st.integers(0, 2**32 - 1)
cases: st.SearchStrategy[Case] = seeds.map(lambda seed: random_case(random.Random(seed)))
limits: st.SearchStrategy[Limit] = seeds.map(lambda seed: random_limit(random.Random(seed)))


def now_after(seconds: float) -> Now:
    return Now(at=START_AT + timedelta(seconds=seconds), mono_s=NOW_MONO_S + seconds, wall_trusted=True)


def random_site(chance: random.Random) -> Site:
    """One or three phases, up to three circuits below the main fuse, up to two devices of each kind."""
    phase_count = chance.choice((1, 3))
    circuits = [Circuit(id=MAIN, fuse_a=chance.choice((16.0, 20.0, 25.0, 35.0, 63.0)), parent=None)]
    for number in range(chance.randint(0, 3)):
        parent = chance.choice(circuits).id
        fuse_a = chance.choice((6.0, 10.0, 16.0, 20.0, 32.0))
        circuits.append(Circuit(id=CircuitId(f"c{number}"), fuse_a=fuse_a, parent=parent))
    limits_w = (None, None, None, 0.0, 800.0, 5_000.0, 12_000.0)
    wirings: list[tuple[Phase, ...]] = [ALL_PHASES[:1]]
    if phase_count == 3:
        wirings = [
            ALL_PHASES,
            (Phase.L2, Phase.L3, Phase.L1),
            (Phase.L3,),
            (Phase.L2,),
            (Phase.L1,),
            (Phase.L1, Phase.L3),
        ]

    def place(kind: str, number: int) -> dict[str, Any]:
        return {
            "id": DeviceId(f"{kind}{number}"),
            "name": kind,
            "phases": chance.choice(wirings),
            "circuit": chance.choice(circuits).id,
        }

    counts = (0, 1, 1, 2)
    return replace(
        home_a(),
        connection=GridConnection(
            phase_count=phase_count,
            import_power_max_w=chance.choice(limits_w),
            export_power_max_w=chance.choice(limits_w),
        ),
        circuits=tuple(circuits),
        meter=GridMeter(id=DeviceId("grid"), name="Grid", period_s=chance.choice((1.0, 10.0))),
        pv=tuple(_plant(chance, place("pv", n)) for n in range(chance.choice(counts))),
        batteries=tuple(_battery(chance, place("battery", n)) for n in range(chance.choice(counts))),
        chargers=tuple(_charger(chance, place("charger", n)) for n in range(chance.choice(counts))),
        heat_pumps=tuple(_heat_pump(chance, place("pump", n)) for n in range(chance.choice(counts))),
    )


def _plant(chance: random.Random, place: dict[str, Any]) -> PvPlant:
    peak_w = chance.choice((800.0, 4_000.0, 9_000.0))
    planes = (PvPlane(peak_w=peak_w, tilt_deg=30.0, azimuth_deg=180.0),)
    return PvPlant(planes=planes, curtailable=(chance.random() < 0.5), **place)


def _battery(chance: random.Random, place: dict[str, Any]) -> Battery:
    power_w = chance.choice((1_500.0, 5_000.0, 10_000.0))
    return Battery(
        capacity_wh=chance.choice((2_000.0, 10_000.0)),
        charge_power_max_w=power_w,
        discharge_power_max_w=power_w * chance.choice((0.5, 1.0)),
        charge_efficiency_ratio=chance.choice((0.9, 0.97)),
        discharge_efficiency_ratio=chance.choice((0.9, 0.97)),
        soc_min_pct=chance.choice((0.0, 10.0)),
        soc_max_pct=chance.choice((90.0, 100.0)),
        reserve_soc_pct=10.0,
        **place,
    )


def _charger(chance: random.Random, place: dict[str, Any]) -> Charger:
    current_max_a = chance.choice((10.0, 16.0, 32.0))
    nameplate_w = current_max_a * 230.0 * len(place["phases"])
    return Charger(
        current_min_a=chance.choice((6.0, 6.25, 8.0)),
        current_max_a=current_max_a,
        power_max_w=nameplate_w * chance.choice((1.0, 0.67)),
        switches_phases=(chance.random() < 0.5),
        **place,
    )


def _heat_pump(chance: random.Random, place: dict[str, Any]) -> HeatPump:
    return HeatPump(
        power_min_w=700.0,
        power_max_w=chance.choice((700.0, 2_500.0, 6_000.0)),
        min_run_s=900.0,
        min_rest_s=600.0,
        cop_at_7c_ratio=3.5,
        **place,
    )


def random_case(chance: random.Random) -> Case:
    """A house, what it remembers, what is read, wanted and limited."""
    site = random_site(chance)
    answering: set[DeviceId] = set()

    def reading(device_id: DeviceId, value: Any, absurd: Any, max_age_s: float = 30.0) -> Reading[Any] | None:
        fault = chance.choice(("none",) * 8 + ("missing", "stale", "bad", "absurd"))
        if fault == "missing":
            return None
        if fault == "stale":
            return Reading(value=value, mono_s=NOW_MONO_S - max_age_s - 0.5)
        if fault == "bad":
            return Reading(value=value, mono_s=NOW_MONO_S, quality=chance.choice(tuple(Quality)[2:]))
        if fault == "absurd":
            return Reading(value=absurd, mono_s=NOW_MONO_S)
        answering.add(device_id)
        return Reading(value=value, mono_s=NOW_MONO_S - chance.random() * max_age_s)

    def all_of(devices: Any, values_of: Any, absurd_field: tuple[str, ...]) -> dict[DeviceId, Reading[Any]]:
        found = {}
        for device in devices:
            values = values_of(chance, device)
            absurd = replace(values, **{chance.choice(absurd_field): chance.choice(ABSURD)})
            if (got := reading(device.id, values, absurd)) is not None:
                found[device.id] = got
        return found

    grid_values = _grid_values(chance, site)
    absurd_grid = replace(grid_values, power_w=chance.choice(ABSURD))
    image = Image(
        grid=reading(site.meter.id, grid_values, absurd_grid, site.meter.max_age_s),
        pv=all_of(site.pv, _pv_values, ("power_w",)),
        batteries=all_of(site.batteries, _battery_values, ("power_w",)),
        chargers=all_of(site.chargers, _charger_values, ("power_w",)),
        heat_pumps=all_of(site.heat_pumps, _heat_pump_values, ("power_w",)),
    )
    return Case(
        site=site,
        state=_memory(chance, site),
        image=image,
        wants={device.id: _want(chance, device.id) for device in site.controllables if chance.randint(0, 9) > 0},
        limits=tuple(random_limit(chance) for _ in range(chance.choice((0, 0, 1, 1, 2)))),
        now=now_after(0.0),
        answering=frozenset(answering),
    )


def _grid_values(chance: random.Random, site: Site) -> GridValues:
    on = {phase.lower(): chance.uniform(-6_000.0, 6_000.0) for phase in site.connection.phases}
    mean = PhaseValues(**on)
    high = PhaseValues(**{name: value + chance.choice((0.0, 0.0, 2_000.0)) for name, value in on.items()})
    tells = chance.choice((True, True, True, False))
    return GridValues(
        power_w=mean.total, phase_power_w=mean if tells else None, phase_power_high_w=high if tells else None
    )


def _pv_values(chance: random.Random, device: PvPlant) -> PvValues:
    return PvValues(power_w=-chance.random() * device.peak_w)


def _battery_values(chance: random.Random, device: Battery) -> BatteryValues:
    said_w = (None, None, 0.0, 1_000.0, 65_000.0)
    power_w = chance.uniform(-device.discharge_power_max_w, device.charge_power_max_w)
    inside_wh = chance.uniform(0.0, device.capacity_wh)
    near_wh = device.capacity_wh * chance.uniform(0.0, 0.1)
    ends_wh = (device.floor_wh, device.floor_wh + near_wh, device.ceiling_wh - near_wh, device.ceiling_wh)
    stored_wh = chance.choice((None, inside_wh, inside_wh, inside_wh, *ends_wh))
    return BatteryValues(
        power_w=power_w,
        stored_wh=stored_wh,
        charge_power_max_w=chance.choice(said_w),
        discharge_power_max_w=chance.choice(said_w),
    )


def _charger_values(chance: random.Random, device: Charger) -> ChargerValues:
    return ChargerValues(
        car=chance.choice((CarState.CHARGING, CarState.CHARGING, *CarState)),
        power_w=chance.random() * device.power_max_w,
        session_energy_wh=1_000.0,
        offered_current_a=chance.choice((0.0, device.current_max_a)),
        phase_count=chance.randint(1, len(device.phases)),
    )


def _heat_pump_values(chance: random.Random, device: HeatPump) -> HeatPumpValues:
    return HeatPumpValues(power_w=chance.random() * device.power_max_w, room_c=20.0)


def _want(chance: random.Random, device_id: DeviceId) -> Want:
    power_w = chance.choice(
        (
            None,
            *(chance.uniform(-20_000.0, 20_000.0) for _ in range(4)),
            30_000.0,
            -30_000.0,
            1_445.0,
            chance.choice(ABSURD),
        )
    )
    return Want(device_id=device_id, power_w=power_w, urgent=(chance.random() < 0.5))


def random_limit(chance: random.Random) -> Limit:
    """A limit from outside, now and then one that is no magnitude."""
    powers_w = (None, None, None, 0.0, 1_500.0, 4_200.0, 10_000.0, chance.choice((-500.0, float("nan"))))
    return Limit(
        authority=chance.choice((Authority.OPERATOR, Authority.SETPOINT)),
        source="outside",
        import_power_max_w=chance.choice(powers_w),
        export_power_max_w=chance.choice(powers_w),
    )


def _memory(chance: random.Random, site: Site) -> ControlState:
    agos_s = (None, 0.0, 30.0, 200.0, 700.0, 5_000.0)

    def since(ago: float | None) -> float | None:
        return None if ago is None else NOW_MONO_S - ago

    switches = {
        device.id: SwitchMemory(
            running=(chance.random() < 0.5),
            switched_mono_s=since(chance.choice(agos_s)),
            phase_count=chance.choice((None, *(device.phase_counts if isinstance(device, Charger) else ()))),
            phases_switched_mono_s=since(chance.choice(agos_s)),
        )
        for device in site.controllables
        if isinstance(device, Charger | HeatPump) and (chance.random() < 0.5)
    }
    hour = int(NOW_MONO_S // 3600)
    highs = tuple(
        HourHigh(
            hour=hour - ago,
            high_w=PhaseValues(
                **{phase.lower(): chance.uniform(-1_000.0, 4_000.0) for phase in site.connection.phases}
            ),
        )
        for ago in chance.choice(((), (1,), (5, 2), (23, 1, 0)))
    )
    gap_s = chance.choice((None, 1.0, 1.0, 60.0, 900.0, 30_000.0))
    consumers = [each.id for each in site.controllables if not isinstance(each, PvPlant)]
    disobeying = {each for each in consumers if chance.random() < 0.15}
    return ControlState(
        site=site,
        switches=switches,
        residual_highs=highs,
        told_power_w={each: 500.0 if each in disobeying else 99_000.0 for each in consumers},
        overdrawing_since_mono_s={each: NOW_MONO_S - chance.choice((10.0, 45.0)) for each in disobeying},
        ticked_mono_s=since(gap_s),
    )
