"""Two synthetic weeks, a house that remembers what it was told and what it said, and loops around them."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from hems.domain.command import Command
from hems.domain.reading import Image
from hems.domain.site import DeviceId, Site
from hems.domain.time import Now
from hems.ports import Planner
from hems.sim.data import HouseData, Session
from hems.sim.foresight import FORESIGHT
from hems.sim.house import SimHouse
from hems.sim.loop import ClosedLoop
from hems.sim.outlook import Outlooks, outlooks_for
from hems.sim.series import FloatArray
from tests.support.houses import home_a
from tests.support.simulated import START_AT, flat_data

SITE = home_a()
SEED = 11


def two_weeks(site: Site = SITE, *, days: int = 17, seed: int = SEED, temp_c: float = 6.0) -> HouseData:
    """Load with evenings, clouds before a sun, prices that fall below zero at noon, a car on most evenings."""
    rng = np.random.default_rng(seed)
    data = flat_data(site, days=days)
    count = data.grid.count
    hour = (np.arange(count) / 4 + 1) % 24  # local winter time
    evening = np.exp(-(((hour - 19) / 2) ** 2))
    load_w: FloatArray = 250 + 900 * evening * rng.uniform(0.3, 1.7, count) + rng.uniform(0, 300, count)
    cloud = np.repeat(rng.uniform(0.2, 1.0, count // 8 + 1), 8)[:count]
    pv_w: FloatArray = (
        5_500 * cloud * np.maximum(0.0, np.sin((hour - 6.5) / 11 * np.pi)) * ((hour > 6.5) & (hour < 17.5))
    )
    spot: FloatArray = 0.08 + 0.05 * evening - 0.14 * np.exp(-(((hour - 13) / 2) ** 2)) + rng.normal(0, 0.01, count)
    tariff = site.tariff
    return replace(
        data,
        load_w=load_w,
        measured_load_w=load_w,
        pv_w=pv_w,
        measured_pv_w=pv_w,
        spot_eur_per_kwh=spot,
        import_eur_per_kwh=spot * tariff.import_formula.factor_ratio + tariff.import_formula.add_eur_per_kwh,
        export_eur_per_kwh=spot * tariff.export_formula.factor_ratio + tariff.export_formula.add_eur_per_kwh,
        temp_c=temp_c + 4 * np.sin((hour - 9) / 12 * np.pi) + rng.normal(0, 0.5, count),
        sessions=tuple(_sessions(days, rng)),
    )


def _sessions(days: int, rng: np.random.Generator) -> Iterable[Session]:
    """Evenings from about 17:40 to 06:40 UTC the next day, and on every third day a stop at noon."""
    for day in range(days - 1):
        at = START_AT + timedelta(days=day)
        if day % 3 == 0:
            noon_at = at + timedelta(hours=10, minutes=int(rng.integers(0, 40)))
            yield Session(plugin_at=noon_at, plugout_at=noon_at + timedelta(hours=3), energy_wh=6_000.0)
        plugin_at = at + timedelta(hours=17, minutes=int(rng.integers(20, 60)))
        plugout_at = at + timedelta(days=1, hours=6, minutes=int(rng.integers(20, 60)))
        yield Session(plugin_at=plugin_at, plugout_at=plugout_at, energy_wh=float(rng.uniform(4_000, 25_000)))


class RecordingHouse(SimHouse):
    """The simulated house, with its images and commands kept by time."""

    def __init__(self, site: Site, data: HouseData, **options: Any) -> None:
        super().__init__(site, data, **options)
        self.images: dict[datetime, Image] = {}
        self.commands: dict[datetime, tuple[Command, ...]] = {}

    def image(self, now: Now) -> Image:
        self.images[self.at] = image = super().image(now)
        return image

    def apply(self, commands: Iterable[Command], mono_s: float) -> None:
        told = tuple(commands)
        self.commands[self.at] = told
        super().apply(told, mono_s)

    def powers_w(self) -> tuple[tuple[DeviceId, float], ...]:
        """Power of each device in the last stretch, to the bit."""
        return tuple((device_id, device.power_w) for device_id, device in self.devices.items())


def loop_of(
    strategy: str,
    data: HouseData,
    *,
    start_at: datetime,
    site: Site = SITE,
    planner: Planner | None = None,
    outlooks: Outlooks | None = None,
    step_s: int = 60,
) -> tuple[ClosedLoop, RecordingHouse]:
    """A loop as ``hems simulate`` makes it, with a house that remembers; ``outlooks`` replaces the strategy's own."""
    house = RecordingHouse(site, data, seed=SEED, start_at=start_at, unmanaged=strategy == "unmanaged")
    own = outlooks or outlooks_for(FORESIGHT.get(strategy), site, data, seed=SEED, departures="told")
    loop = ClosedLoop(
        site,
        house,
        outlooks=own,
        planner=planner if own is not None else None,
        managed=strategy != "unmanaged",
        step_s=step_s,
        stopwatch=time.perf_counter,
    )
    return loop, house


def minutes(loop: ClosedLoop, count: int) -> Sequence[int]:
    """Ends of the next minutes, in seconds of the run."""
    return range(loop.house.elapsed_s + 60, loop.house.elapsed_s + 60 * count + 1, 60)
