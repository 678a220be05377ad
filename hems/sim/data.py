"""The measured year of one house, on one grid of 900 s slots.

The simulator needs a truth in every slot, a controller only ever measured what was measured: gaps of load, PV
and outdoor temperature are filled for the true house from the same time of day on neighbouring days, and stay
unknown (nan) in the ``measured_`` series.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from hems.domain.errors import BadInputError
from hems.domain.site import Site
from hems.domain.time import SlotGrid
from hems.sim.series import (
    FloatArray,
    Series,
    filled_from_neighbours,
    find_file,
    parse_number,
    parse_utc,
    read_rows,
    read_series,
    resample,
    slots_within,
)
from hems.sim.tariff import WallClock, household_prices

LOWEST_PRICE = -10_000.0
"""Far below the harmonised minimum of the day-ahead market (-500 EUR/MWh)."""
ABSOLUTE_ZERO_C = -273.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One stay of the car: there during ``[plugin_at, plugout_at)``, wants ``energy_wh`` (AC side)."""

    plugin_at: datetime
    plugout_at: datetime
    energy_wh: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HouseData:
    """What happens in a house, one value per slot of ``grid``; power is the slot mean [W].

    ``load_w``, ``pv_w``, ``heat_pump_w`` are the truth without gaps, all >= 0. ``heat_pump_w`` is load that nothing
    controls; it is 0 where the site models its heat pump. Prices and weather are nan outside their files.
    """

    timezone: str
    grid: SlotGrid
    load_w: FloatArray
    pv_w: FloatArray
    """Available production of all plants, >= 0."""
    heat_pump_w: FloatArray
    measured_load_w: FloatArray
    """All uncontrolled load, heat pump column included; nan where it was not measured."""
    measured_pv_w: FloatArray
    import_eur_per_kwh: FloatArray
    export_eur_per_kwh: FloatArray
    spot_eur_per_kwh: FloatArray | None
    """None where the folder gives household prices only, or the tariff does not follow the market."""
    prices_given: bool = False
    """The folder gives household prices: the tariff of the site does not count."""
    temp_c: FloatArray | None = None
    ghi_wm2: FloatArray | None = None
    sunshine_ratio: FloatArray | None = None
    """Share of the slot with sunshine, 0..1."""
    sessions: tuple[Session, ...] = ()

    @property
    def uncontrolled_load_w(self) -> FloatArray:
        """True load that nothing controls: household and, unmodelled, the heat pump [W]."""
        return self.load_w + self.heat_pump_w

    def slot_index(self, at: datetime) -> int:
        """Slot that contains an instant.

        Raises:
            BadInputError: outside the data.
        """
        index = self.grid.index_at(at)
        if index is None:
            raise BadInputError(f"{at.isoformat()} is outside the data: {_span(self.grid)}")
        return index

    def require_span(self, start_at: datetime, end_at: datetime, *, site: Site) -> None:
        """Check that all that the site needs is there from ``start_at`` to ``end_at``.

        Raises:
            BadInputError: names what is missing and from when on.
        """
        first, last = self.slot_index(start_at), self.slot_index(end_at - timedelta(seconds=1))
        needed = {"import price": self.import_eur_per_kwh, "export price": self.export_eur_per_kwh}
        if site.heat_pumps and self.temp_c is not None:
            needed["outdoor temperature (the site has a heat pump)"] = self.temp_c
        for name, values in needed.items():
            missing = np.flatnonzero(np.isnan(values[first : last + 1]))
            if len(missing):
                at = self.grid.slot_start(first + int(missing[0]))
                raise BadInputError(f"no {name} at {at.isoformat()}: choose days that the files cover")


def read_folder(folder: Path, *, site: Site) -> HouseData:
    """Read a simulation folder (layout: design page, "Simulation folder") for one site.

    Any step is resampled to slot means. The sessions belong to the site's first charger; PV is the sum of its plants.

    Raises:
        BadInputError: a file or column that the site needs is missing, or a value is wrong; says file and line.
    """
    house = read_series(
        _needed_file(folder, "house", why="it holds the load"), {"load_w": 0.0, "pv_w": 0.0, "heat_pump_w": 0.0}
    )
    _need_column(house, "load_w", why="every house has a load")
    if site.pv:
        _need_column(house, "pv_w", why="the site has PV")
    grid = slots_within(house)
    nothing = np.zeros(grid.count)
    heat_counts = "heat_pump_w" in house.columns and not site.heat_pumps
    load_w = _on(house, "load_w", grid)
    pv_w = _on(house, "pv_w", grid) if site.pv else nothing
    heat_pump_w = _on(house, "heat_pump_w", grid) if heat_counts else nothing
    prices = _read_prices(folder, site, grid)
    weather = _read_weather(folder, site)
    return HouseData(
        timezone=site.timezone,
        grid=grid,
        load_w=_filled(house, "load_w", load_w),
        pv_w=_filled(house, "pv_w", pv_w),
        heat_pump_w=_filled(house, "heat_pump_w", heat_pump_w),
        measured_load_w=load_w + heat_pump_w,
        measured_pv_w=pv_w,
        import_eur_per_kwh=prices.import_eur_per_kwh,
        export_eur_per_kwh=prices.export_eur_per_kwh,
        spot_eur_per_kwh=prices.spot_eur_per_kwh,
        prices_given=prices.given,
        temp_c=_filled_weather(weather, "temp_c", grid),
        ghi_wm2=_filled_weather(weather, "ghi_wm2", grid),
        sunshine_ratio=_sunshine(weather, grid),
        sessions=_read_sessions(folder) if site.chargers else (),
    )


def _span(grid: SlotGrid) -> str:
    return f"{grid.start_at.isoformat()} .. {grid.end_at.isoformat()}"


def _needed_file(folder: Path, stem: str, *, why: str) -> Path:
    path = find_file(folder, stem)
    if path is None:
        raise BadInputError(f"{folder / stem}.csv: there is no such file, nor {stem}.csv.gz; {why}")
    return path


def _need_column(series: Series, name: str, *, why: str) -> None:
    if name not in series.columns:
        raise BadInputError(f"{series.path}:1: no column {name}; {why}")


def _on(series: Series, name: str, grid: SlotGrid) -> FloatArray:
    return resample(series.columns[name], start_at=series.start_at, step_s=series.step_s, grid=grid)


def _filled(series: Series, name: str, values: FloatArray) -> FloatArray:
    try:
        return filled_from_neighbours(values)
    except ValueError as error:
        raise BadInputError(f"{series.path}:1: {name} cannot be completed: {error}") from None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Prices:
    """As in :class:`HouseData`."""

    import_eur_per_kwh: FloatArray
    export_eur_per_kwh: FloatArray
    spot_eur_per_kwh: FloatArray | None
    given: bool = False


def _read_prices(folder: Path, site: Site, grid: SlotGrid) -> _Prices:
    """Prices as given, else by the site's tariff."""
    formulas = (site.tariff.import_formula, site.tariff.export_formula)
    follows_market = any(formula.factor_ratio != 0 for formula in formulas)
    path = find_file(folder, "prices")
    if follows_market:
        path = _needed_file(folder, "prices", why="the tariff follows the market")
    spot: FloatArray | None = None
    if path is not None:
        columns = ("import_eur_per_kwh", "export_eur_per_kwh", "spot_eur_per_mwh")
        prices = read_series(path, dict.fromkeys(columns, LOWEST_PRICE))
        if "spot_eur_per_mwh" in prices.columns:
            spot = _on(prices, "spot_eur_per_mwh", grid) / 1000
        if "import_eur_per_kwh" in prices.columns and "export_eur_per_kwh" in prices.columns:
            import_eur, export_eur = (_on(prices, name, grid) for name in columns[:2])
            return _Prices(
                import_eur_per_kwh=import_eur, export_eur_per_kwh=export_eur, spot_eur_per_kwh=spot, given=True
            )
        if spot is None:
            raise BadInputError(f"{path}:1: needs spot_eur_per_mwh, or import_eur_per_kwh and export_eur_per_kwh")
    clock = WallClock.of(grid, site.zone)
    import_eur, export_eur = (household_prices(formula, spot, clock) for formula in formulas)
    return _Prices(
        import_eur_per_kwh=import_eur,
        export_eur_per_kwh=export_eur,
        spot_eur_per_kwh=spot if follows_market else None,
    )


def _read_weather(folder: Path, site: Site) -> Series | None:
    path = find_file(folder, "weather")
    if path is None and not site.heat_pumps:
        return None
    path = path or _needed_file(folder, "weather", why="the site has a heat pump")
    weather = read_series(path, {"temp_c": ABSOLUTE_ZERO_C, "ghi_wm2": 0.0, "sunshine_min": 0.0})
    if site.heat_pumps:
        _need_column(weather, "temp_c", why="the site has a heat pump")
    return weather


def _filled_weather(weather: Series | None, name: str, grid: SlotGrid) -> FloatArray | None:
    """Complete inside the file; nan where the file does not reach."""
    if weather is None or name not in weather.columns:
        return None
    own = slots_within(weather)
    complete = _filled(weather, name, _on(weather, name, own))
    return resample(complete, start_at=own.start_at, step_s=own.slot_s, grid=grid)


def _sunshine(weather: Series | None, grid: SlotGrid) -> FloatArray | None:
    minutes = _filled_weather(weather, "sunshine_min", grid)
    return None if weather is None or minutes is None else minutes * 60 / weather.step_s


def _read_sessions(folder: Path) -> tuple[Session, ...]:
    path = _needed_file(folder, "ev_sessions", why="the site has a charger")
    sessions: list[Session] = []
    names = ("plugin_utc", "plugout_utc", "energy_kwh")
    for line, row in read_rows(path):
        where = f"{path}:{line}"
        missing = [name for name in names if name not in row]
        if missing:
            raise BadInputError(f"{path}:1: no column {missing[0]}; the site has a charger")
        plugin_at, plugout_at = (parse_utc(row[name], where=f"{where}: {name}") for name in names[:2])
        energy_kwh = parse_number(row["energy_kwh"], lower=0.0, where=f"{where}: energy_kwh")
        if plugout_at <= plugin_at:
            raise BadInputError(f"{where}: plugout_utc is not after plugin_utc")
        if sessions and plugin_at < sessions[-1].plugout_at:
            raise BadInputError(f"{where}: plugs in before the session of the line before has ended: sort, or split")
        if np.isnan(energy_kwh):
            raise BadInputError(f"{where}: energy_kwh is empty: leave the session out")
        sessions.append(Session(plugin_at=plugin_at, plugout_at=plugout_at, energy_wh=energy_kwh * 1000))
    return tuple(sessions)
