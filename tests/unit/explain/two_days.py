"""Two days of a house with everything, told minute by minute: what was measured, commanded, priced and decided."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache

import numpy as np

from hems.domain.command import Command
from hems.domain.decision import DecisionEpisode
from hems.domain.reading import Image
from hems.domain.site import MAIN, Circuit, CircuitId, DeviceId, GridConnection, Site
from hems.runtime.planner import WorkerPlanner
from hems.runtime.worker_process import spawn
from hems.sim.data import HouseData
from hems.sim.faults import Fault
from tests.simulation.closed_loop import loop_of, two_weeks
from tests.support.houses import BATTERY, CHARGER, home_b
from tests.support.simulated import START_AT

GARAGE = CircuitId("garage")
FROM_AT = START_AT + timedelta(days=12, hours=5)
MINUTES = 2 * 24 * 60


def tight_house() -> Site:
    """Home B behind 25 A, its charger behind 10 A in the garage, feeding in at most 3 kW."""
    site = home_b()
    charger = replace(site.chargers[0], circuit=GARAGE)
    return replace(
        site,
        connection=GridConnection(phase_count=3, export_power_max_w=3_000.0),
        circuits=(Circuit(id=MAIN, fuse_a=25.0, parent=None), Circuit(id=GARAGE, fuse_a=10.0, parent=MAIN)),
        chargers=(charger,),
    )


def data_of(site: Site) -> HouseData:
    """Two synthetic weeks in which buying earns money on the second noon."""
    data = two_weeks(site, days=17, temp_c=4.0)
    hour = np.arange(data.grid.count) / 4
    dip = np.where(np.abs(hour - (13 * 24 + 12)) < 2.5, -0.22, 0.0)
    return replace(
        data,
        import_eur_per_kwh=data.import_eur_per_kwh + dip * 1.21,
        export_eur_per_kwh=data.export_eur_per_kwh + dip,
        spot_eur_per_kwh=None,
    )


@dataclass(frozen=True, kw_only=True)
class Minute:
    """One tick: what was known and what was told."""

    power_w: dict[DeviceId, float | None]
    """Measured at this tick, of the minute that ended; None where nothing usable came."""
    stored_wh: float
    import_eur_per_kwh: float
    export_eur_per_kwh: float
    car_here: bool
    car_missing_wh: float | None
    departure_at: datetime | None
    room_c: float
    tank_c: float
    unseen_a: tuple[float, float, float] | None
    """Highest second per phase of what nothing meters, since the tick before; None where the meter is silent."""
    unseen_w: float | None
    """Its mean."""
    commands: dict[DeviceId, Command]


@dataclass(frozen=True, kw_only=True)
class Told:
    """The whole record, and the truth beside it."""

    site: Site
    episodes: tuple[DecisionEpisode, ...]
    minutes: dict[datetime, Minute]
    end_at: datetime

    def of(self, device_id: DeviceId) -> list[DecisionEpisode]:
        return [each for each in self.episodes if each.device_id == device_id]


@cache
def two_days(strategy: str) -> Told:
    """Run it once. The battery does not answer for an hour, the grid meter not for twenty minutes."""
    site = tight_house()
    data = data_of(site)
    with WorkerPlanner(spawn) as planner:
        loop, house = loop_of(strategy, data, start_at=FROM_AT, site=site, planner=planner)
        closed: list[DecisionEpisode] = []
        minutes: dict[datetime, Minute] = {}
        for minute in range(MINUTES):
            if minute in (600, 660):
                house.disturb(BATTERY, Fault.SILENT if minute == 600 else None)
            if minute in (900, 920):
                house.disturb(site.meter.id, Fault.SILENT if minute == 900 else None)
            at = house.at
            slot = data.slot_index(at)
            stay = house.chargers[CHARGER].stay
            pump = house.heat_pumps[site.heat_pumps[0].id].values()
            stored_wh = house.batteries[BATTERY].stored_wh
            done_wh = house.chargers[CHARGER].values().session_energy_wh
            episodes, _ = loop.run(house.elapsed_s + 60)
            closed += episodes
            power_w = _measured(house.images[at], site, minute * 60.0)
            unseen = _unseen(house.images[at], site, power_w)
            minutes[at] = Minute(
                power_w=power_w,
                stored_wh=stored_wh,
                import_eur_per_kwh=float(data.import_eur_per_kwh[slot]),
                export_eur_per_kwh=float(data.export_eur_per_kwh[slot]),
                car_here=stay is not None,
                car_missing_wh=None if stay is None else stay.energy_wh - done_wh,
                departure_at=None if stay is None else FROM_AT + timedelta(seconds=stay.end_s),
                room_c=pump.room_c or 0.0,
                tank_c=pump.tank_c or 0.0,
                unseen_a=None if unseen is None else unseen[0],
                unseen_w=None if unseen is None else unseen[1],
                commands={each.device_id: each for each in house.commands[at]},
            )
        closed += loop.close_record()
        assert loop.checkers.violation_count == 0
    return Told(site=site, episodes=tuple(closed), minutes=minutes, end_at=house.at)


def _measured(image: Image, site: Site, mono_s: float) -> dict[DeviceId, float | None]:
    power_w: dict[DeviceId, float | None] = {}
    for device_id in [each.id for each in site.devices]:
        groups = (image.pv, image.batteries, image.chargers, image.heat_pumps)
        reading = image.grid if device_id == site.meter.id else next(g[device_id] for g in groups if device_id in g)
        fresh = reading is not None and reading.value is not None and mono_s - reading.mono_s <= 30
        power_w[device_id] = reading.value.power_w if fresh and reading is not None and reading.value else None
    return power_w


def _unseen(
    image: Image, site: Site, power_w: dict[DeviceId, float | None]
) -> tuple[tuple[float, float, float], float] | None:
    """Highest current per phase [A], and mean power [W], of all that has no meter of its own."""
    grid = image.grid.value if image.grid is not None and power_w[site.meter.id] is not None else None
    if grid is None or grid.phase_power_high_w is None:
        return None
    high = grid.phase_power_high_w
    own_w = {"L1": 0.0, "L2": 0.0, "L3": 0.0}
    for device in site.controllables:
        charger = image.chargers.get(device.id)
        count = len(device.phases) if charger is None or charger.value is None else charger.value.phase_count
        for phase in device.phases[:count]:
            own_w[phase] += (power_w[device.id] or 0.0) / count
    highs_a = ((high.l1 - own_w["L1"]) / 230, (high.l2 - own_w["L2"]) / 230, (high.l3 - own_w["L3"]) / 230)
    return highs_a, grid.power_w - sum(own_w.values())
