"""The houses in which things go wrong, each drawn from a seed: what hangs on which fuse, and how its days are."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from hems.domain.power import ALL_PHASES, Phase
from hems.domain.site import (
    MAIN,
    Backup,
    BackupLoad,
    Battery,
    CarHabit,
    Charger,
    Circuit,
    CircuitId,
    DeviceId,
    GridConnection,
    GridMeter,
    HeatPump,
    PvPlane,
    PvPlant,
    RoomModel,
    Site,
    TankModel,
)
from hems.domain.tariff import PriceFormula, Tariff
from hems.domain.time import SlotGrid
from hems.sim.chaos.script import dice_of
from hems.sim.data import HouseData, Session
from hems.sim.series import FloatArray

START_AT = datetime(2024, 3, 4, tzinfo=UTC)
"""Of the data."""
BEFORE_DAYS, AFTER_DAYS = 15, 3
"""Of the data, before and after a run: a house knows its last weeks, and its plans look two days ahead."""
GARAGE = CircuitId("garage")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChaosHouse:
    """A house and what happens in it."""

    kind: str
    site: Site
    data: HouseData
    more_sessions: dict[DeviceId, tuple[Session, ...]]
    """Cars at the chargers beside the first."""
    start_at: datetime
    stored_ratio: float


def draw_house(seed: int, *, days: int) -> ChaosHouse:
    """House and days of a seed; kinds take turns."""
    dice = dice_of(seed, "house")
    kind, build = KINDS[seed % len(KINDS)]
    site = build(dice)
    all_days = BEFORE_DAYS + days + AFTER_DAYS
    data = _days(site, seed, days=all_days)
    more = {each.id: tuple(_cars(dice_of(seed, each.id), all_days)) for each in site.chargers[1:]}
    return ChaosHouse(
        kind=kind,
        site=site,
        data=data,
        more_sessions=more,
        start_at=START_AT + timedelta(days=BEFORE_DAYS),
        stored_ratio=dice.uniform(0.1, 1.0),
    )


def _three_phase(dice: random.Random) -> Site:
    """3 x 25 A: PV, battery, a charger that changes its phases."""
    return replace(_empty("three-phase", fuse_a=25.0), pv=(_pv(dice),), batteries=(_battery(dice),),
                   chargers=(_charger("driveway", switches=True),), backup=_backup("driveway"))  # fmt: skip


def _heat_pump_and_garage(dice: random.Random) -> Site:
    """3 x 25 A: heat pump, and two chargers behind the 20 A of the garage."""
    site = _empty("heat pump and garage", fuse_a=25.0)
    return replace(
        site,
        circuits=(*site.circuits, Circuit(id=GARAGE, fuse_a=20.0, parent=MAIN)),
        pv=(_pv(dice),),
        batteries=(_battery(dice),),
        chargers=(_charger("left", switches=False, circuit=GARAGE), _charger("right", switches=True, circuit=GARAGE)),
        heat_pumps=(_heat_pump(),),
        backup=_backup("heat_pump", "right"),
    )


def _one_phase(dice: random.Random) -> Site:
    """1 x 32 A: everything on the same phase."""
    one = (Phase.L1,)
    site = _empty("one-phase", fuse_a=32.0, phase_count=1)
    battery = replace(_battery(dice), phases=one, charge_power_max_w=3_000.0, discharge_power_max_w=3_000.0)
    return replace(
        site,
        connection=GridConnection(phase_count=1, export_power_max_w=5_000.0),
        pv=(replace(_pv(dice), phases=one),),
        batteries=(battery,),
        chargers=(replace(_charger("driveway", switches=False), phases=one, current_max_a=32.0, power_max_w=7_360.0),),
    )


def _slow_meter(dice: random.Random) -> Site:
    """3 x 25 A with a meter that speaks every ten seconds; heat pump, battery, car."""
    site = _empty("slow meter", fuse_a=25.0)
    return replace(
        site,
        meter=replace(site.meter, period_s=10.0),
        pv=(_pv(dice),),
        batteries=(_battery(dice),),
        chargers=(_charger("driveway", switches=True),),
        heat_pumps=(_heat_pump(),),
    )


KINDS: tuple[tuple[str, Callable[[random.Random], Site]], ...] = (
    ("three-phase", _three_phase),
    ("heat pump and garage", _heat_pump_and_garage),
    ("one-phase", _one_phase),
    ("slow meter", _slow_meter),
)


def _empty(name: str, *, fuse_a: float, phase_count: int = 3) -> Site:
    return Site(
        name=name,
        timezone="Europe/Amsterdam",
        currency="EUR",
        connection=GridConnection(phase_count=phase_count),
        circuits=(Circuit(id=MAIN, fuse_a=fuse_a, parent=None),),
        meter=GridMeter(id=DeviceId("grid"), name="Grid", period_s=1.0),
        tariff=Tariff(
            import_formula=PriceFormula(factor_ratio=1.21, add_eur_per_kwh=0.15),
            export_formula=PriceFormula(factor_ratio=1.0, add_eur_per_kwh=-0.015),
            area="NL",
            fallback_import_eur_per_kwh=0.30,
        ),
    )


def _backup(*names: str) -> Backup:
    """What runs while the grid has failed, what matters most first."""
    return Backup(loads=tuple(BackupLoad(device_id=DeviceId(each), soc_min_pct=40.0) for each in names))


def _pv(dice: random.Random) -> PvPlant:
    plane = PvPlane(peak_w=1_000.0 * dice.randrange(3, 10), tilt_deg=35.0, azimuth_deg=180.0)
    return PvPlant(id=DeviceId("pv"), name="Roof", planes=(plane,), curtailable=dice.random() < 0.7)


def _battery(dice: random.Random) -> Battery:
    return Battery(
        id=DeviceId("battery"),
        name="Battery",
        capacity_wh=1_000.0 * dice.randrange(5, 16),
        charge_power_max_w=5_000.0,
        discharge_power_max_w=5_000.0,
        charge_efficiency_ratio=0.95,
        discharge_efficiency_ratio=0.95,
        soc_min_pct=10.0,
        soc_max_pct=dice.choice((90.0, 100.0)),
        reserve_soc_pct=10.0,
    )


def _charger(name: str, *, switches: bool, circuit: CircuitId = MAIN) -> Charger:
    return Charger(
        id=DeviceId(name),
        name=name.capitalize(),
        current_min_a=6.0,
        current_max_a=16.0,
        power_max_w=11_040.0,
        switches_phases=switches,
        phases=ALL_PHASES,
        circuit=circuit,
        habit=CarHabit(departure_s=7 * 3600, energy_wh=9_000.0),
    )


def _heat_pump() -> HeatPump:
    return HeatPump(
        id=DeviceId("heat_pump"),
        name="Heat pump",
        power_min_w=700.0,
        power_max_w=2_500.0,
        min_run_s=900.0,
        min_rest_s=600.0,
        cop_at_7c_ratio=3.8,
        room=RoomModel(comfort_min_c=20.0, comfort_max_c=22.0, loss_w_per_k=150.0, time_constant_h=60.0),
        tank=TankModel(
            volume_l=200.0,
            temperature_min_c=45.0,
            temperature_max_c=58.0,
            loss_w_per_k=1.5,
            draw_wh_per_day=6_000.0,
        ),
    )


def _days(site: Site, seed: int, *, days: int) -> HouseData:
    """Evenings with load, clouds before a sun, prices that fall below zero at noon, a car on most evenings."""
    rng = np.random.default_rng([seed, 7])
    grid = SlotGrid(start_at=START_AT, count=days * 96)
    hour = (np.arange(grid.count) / 4 + 1) % 24  # local winter time
    evening = np.exp(-(((hour - 19) / 2) ** 2))
    # Up to 8 kW in the evening on three phases of 25 A: fuses that are never near their rating prove nothing.
    busy_w: FloatArray = 300 + 4_500 * evening * rng.uniform(0.2, 1.5, grid.count) + rng.uniform(0, 1_500, grid.count)
    load_w = busy_w if site.connection.phase_count == 3 else 0.4 * busy_w
    cloud = np.repeat(rng.uniform(0.1, 1.0, grid.count // 2 + 1), 2)[: grid.count]
    up = (hour > 6.5) & (hour < 17.5)
    peak_w = sum(plant.peak_w for plant in site.pv)
    pv_w: FloatArray = 0.9 * peak_w * cloud * np.maximum(0.0, np.sin((hour - 6.5) / 11 * np.pi)) * up
    spot: FloatArray = (
        0.08 + 0.05 * evening - 0.14 * np.exp(-(((hour - 13) / 2) ** 2)) + rng.normal(0, 0.01, grid.count)
    )
    tariff = site.tariff
    return HouseData(
        timezone=site.timezone,
        grid=grid,
        load_w=load_w,
        pv_w=pv_w,
        heat_pump_w=np.zeros(grid.count),
        measured_load_w=load_w,
        measured_pv_w=pv_w,
        spot_eur_per_kwh=spot,
        import_eur_per_kwh=spot * tariff.import_formula.factor_ratio + tariff.import_formula.add_eur_per_kwh,
        export_eur_per_kwh=spot * tariff.export_formula.factor_ratio + tariff.export_formula.add_eur_per_kwh,
        temp_c=5.0 + 4 * np.sin((hour - 9) / 12 * np.pi) + rng.normal(0, 0.5, grid.count),
        sessions=tuple(_cars(dice_of(seed, "cars"), days)),
    )


def _cars(dice: random.Random, days: int) -> Iterator[Session]:
    """A night at home, and on some days a stop at noon."""
    for day in range(days - 1):
        at = START_AT + timedelta(days=day)
        if dice.random() < 0.5:
            noon_at = at + timedelta(hours=10, minutes=dice.randrange(40))
            yield Session(plugin_at=noon_at, plugout_at=noon_at + timedelta(hours=3), energy_wh=dice.uniform(4e3, 2e4))
        evening_at = at + timedelta(hours=16, minutes=dice.randrange(120))
        morning_at = at + timedelta(days=1, hours=5, minutes=dice.randrange(120))
        yield Session(plugin_at=evening_at, plugout_at=morning_at, energy_wh=dice.uniform(4e3, 4e4))
