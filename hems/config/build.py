"""A checked site file as the domain's Site."""

from collections.abc import Sequence

from hems.config.build_backup import build_backup
from hems.config.devices import (
    BatteryEntry,
    BatteryPart,
    ChargerEntry,
    GridMeterEntry,
    HeatPumpEntry,
    HybridInverterEntry,
    SolarEntry,
    SolarPart,
    WiredEntry,
    charging_phase_count,
)
from hems.config.references import slug
from hems.config.schema import Co2Entry, DayAhead, Fixed, NetMeteringEntry, SiteFile, Source, TimeOfUse
from hems.config.times import TimedPriceEntry, WindowEntry
from hems.domain.net_metering import GridEnergy, NetMetering
from hems.domain.power import ALL_PHASES, VOLTAGE_V, Phase
from hems.domain.site import (
    MAIN,
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
from hems.domain.tariff import (
    DAY_S,
    EVERY_DAY,
    EVERY_MONTH,
    CapacityTariff,
    CarbonPrice,
    IntensityWindow,
    PriceFormula,
    PriceWindow,
    Tariff,
    TimedPrice,
    TimeWindow,
)

DEFAULT_CHARGE_RATE_PER_H = 0.5
"""Converter power over capacity where the file says none: the usual size, and safe for any lithium cell [1/h]."""
DEFAULT_RESERVE_PCT = 10.0
SG_READY_REST_MAX_S = 7_200.0
"""SG-Ready: a heat pump lets itself be blocked for two hours on end, no longer."""


def build(file: SiteFile) -> Site:
    """The house; the file has passed every check."""
    grid = file.site.grid
    pv: list[PvPlant] = []
    batteries: list[Battery] = []
    chargers: list[Charger] = []
    heat_pumps: list[HeatPump] = []
    meters: list[GridMeter] = []
    for entry in file.devices:
        match entry:
            case GridMeterEntry():
                meters.append(GridMeter(id=DeviceId(slug(entry.name)), name=entry.name, period_s=entry.period))
            case HybridInverterEntry():
                pv.append(_plant(file, entry, entry.pv, f"{entry.name} PV"))
                batteries.append(_battery(file, entry, entry.battery, f"{entry.name} battery"))
            case SolarEntry():
                pv.append(_plant(file, entry, entry, entry.name))
            case BatteryEntry():
                batteries.append(_battery(file, entry, entry, entry.name))
            case ChargerEntry():
                chargers.append(_charger(entry))
            case HeatPumpEntry():
                heat_pumps.append(_heat_pump(file, entry))
    (meter,) = meters
    return Site(
        name=file.site.name,
        timezone=file.site.timezone,
        currency=file.site.currency,
        connection=GridConnection(
            phase_count=grid.phases, import_power_max_w=grid.import_limit, export_power_max_w=grid.export_limit
        ),
        circuits=_circuits(file),
        meter=meter,
        tariff=_tariff(file),
        pv=tuple(pv),
        batteries=tuple(batteries),
        chargers=tuple(chargers),
        heat_pumps=tuple(heat_pumps),
        backup=build_backup(file),
    )


def _circuits(file: SiteFile) -> tuple[Circuit, ...]:
    main = Circuit(id=MAIN, fuse_a=file.site.grid.fuse, parent=None)
    others = (
        Circuit(id=CircuitId(slug(each.name)), fuse_a=each.fuse, parent=CircuitId(slug(each.parent)))
        for each in file.circuits
    )
    return (main, *others)


def _phases(file: SiteFile, entry: WiredEntry) -> tuple[Phase, ...]:
    """The one phase that is named, else all that the house has."""
    return ALL_PHASES[: file.site.grid.phases] if entry.phase is None else (Phase(entry.phase),)


def _plant(file: SiteFile, entry: WiredEntry, part: SolarPart, name: str) -> PvPlant:
    planes = (PvPlane(peak_w=each.peak, tilt_deg=each.tilt, azimuth_deg=each.azimuth) for each in part.planes)
    return PvPlant(
        id=DeviceId(slug(name)),
        name=name,
        planes=tuple(planes),
        curtailable=part.curtailable,
        phases=_phases(file, entry),
        circuit=CircuitId(slug(entry.circuit)),
    )


def _battery(file: SiteFile, entry: WiredEntry, part: BatteryPart, name: str) -> Battery:
    charge_power_max_w = part.max_charge or part.capacity * DEFAULT_CHARGE_RATE_PER_H
    window = part.window
    reserve_soc_pct = part.reserve
    if reserve_soc_pct is None:
        reserve_soc_pct = min(max(DEFAULT_RESERVE_PCT, window.lower), window.upper)
    return Battery(
        id=DeviceId(slug(name)),
        name=name,
        capacity_wh=part.capacity,
        charge_power_max_w=charge_power_max_w,
        discharge_power_max_w=part.max_discharge or charge_power_max_w,
        charge_efficiency_ratio=part.charge_efficiency,
        discharge_efficiency_ratio=part.discharge_efficiency,
        soc_min_pct=window.lower,
        soc_max_pct=window.upper,
        reserve_soc_pct=reserve_soc_pct,
        phases=_phases(file, entry),
        circuit=CircuitId(slug(entry.circuit)),
    )


def _charger(entry: ChargerEntry) -> Charger:
    """A charger; its first phase is the one of one-phase charging, the others follow in the order of rotation."""
    phase_count = charging_phase_count(entry)
    first = 0 if entry.phase is None else ALL_PHASES.index(Phase(entry.phase))
    return Charger(
        id=DeviceId(slug(entry.name)),
        name=entry.name,
        current_min_a=entry.min_current,
        current_max_a=entry.max_current,
        power_max_w=entry.max_power or entry.max_current * phase_count * VOLTAGE_V,
        phases=(*ALL_PHASES[first:], *ALL_PHASES[:first])[:phase_count],
        switches_phases=entry.phases == "auto",
        habit=None if entry.usual is None else CarHabit(departure_s=entry.usual.ready_by, energy_wh=entry.usual.energy),
        circuit=CircuitId(slug(entry.circuit)),
    )


def _heat_pump(file: SiteFile, entry: HeatPumpEntry) -> HeatPump:
    room = tank = None
    if entry.comfort is not None and entry.house_model is not None:
        room = RoomModel(
            comfort_min_c=entry.comfort.room.lower,
            comfort_max_c=entry.comfort.room.upper,
            loss_w_per_k=entry.house_model.loss,
            time_constant_h=entry.house_model.time_constant,
        )
    if entry.tank is not None:
        tank = TankModel(
            volume_l=entry.tank.volume,
            temperature_min_c=entry.tank.temperature.lower,
            temperature_max_c=entry.tank.temperature.upper,
            loss_w_per_k=entry.tank.loss,
            draw_wh_per_day=entry.tank.daily_draw,
        )
    return HeatPump(
        id=DeviceId(slug(entry.name)),
        name=entry.name,
        # Two contacts say less or more, not how much: such a pump takes what it takes, and the most must fit.
        power_min_w=entry.max_power if entry.mqtt is not None else entry.min_power,
        power_max_w=entry.max_power,
        min_run_s=entry.min_run,
        min_rest_s=entry.min_rest,
        cop_at_7c_ratio=entry.cop_at_7,
        rest_max_s=None if entry.mqtt is None else SG_READY_REST_MAX_S,
        room=room,
        tank=tank,
        phases=_phases(file, entry),
        circuit=CircuitId(slug(entry.circuit)),
    )


def _tariff(file: SiteFile) -> Tariff:
    """Prices as formulas of market price and local time; a source of the contract has factor 0."""
    imported, exported, capacity = file.tariff.import_, file.tariff.export, file.tariff.capacity
    with_vat = 1 + imported.vat
    sold = imported.source if exported.source is None else exported.source
    import_formula = _formula(
        imported.source,
        [(part, with_vat) for part in imported.add.values()] + [(part, 1.0) for part in imported.add_incl_vat.values()],
        factor=with_vat,
    )
    export_formula = _formula(sold, [], factor=1.0, add_eur_per_kwh=exported.add - exported.subtract)
    areas = [source.area for source in (imported.source, sold) if isinstance(source, DayAhead)]
    fallback = imported.fallback
    return Tariff(
        import_formula=import_formula,
        export_formula=export_formula,
        area=areas[0] if areas else None,
        fallback_import_eur_per_kwh=import_formula.add_eur_per_kwh if fallback is None else fallback,
        capacity=None
        if capacity is None
        else CapacityTariff(
            price_eur_per_kw=capacity.price,
            power_min_w=capacity.minimum,
            windows=tuple(_window(each) for each in capacity.windows),
        ),
        net_metering=None if file.tariff.net_metering is None else _net_metering(file.tariff.net_metering),
        carbon=None if file.tariff.co2 is None else _carbon(file.tariff.co2),
    )


def _carbon(entry: Co2Entry) -> CarbonPrice:
    return CarbonPrice(
        price_eur_per_kg=entry.price,
        otherwise_g_per_kwh=entry.intensity,
        windows=tuple(
            IntensityWindow(window=_window(each), intensity_g_per_kwh=each.intensity) for each in entry.windows
        ),
    )


def _net_metering(entry: NetMeteringEntry) -> NetMetering:
    bill, so_far = entry.last_bill, entry.so_far
    month, day = entry.year_starts
    return NetMetering(
        ordinary_year=GridEnergy(import_wh=bill.import_, export_wh=bill.export),
        start_month=month,
        start_day=day,
        fee_eur_per_kwh=entry.subtract,
        told=None if so_far is None else GridEnergy(import_wh=so_far.import_, export_wh=so_far.export),
        told_until=None if so_far is None else so_far.until,
    )


def _formula(
    source: Source, parts: Sequence[tuple[TimedPriceEntry, float]], *, factor: float, add_eur_per_kwh: float = 0.0
) -> PriceFormula:
    """Price of a source times a factor, with parts times factors of their own."""
    timed = [(part, ratio) for part, ratio in parts if part.windows]
    added = sum(part.price * ratio for part, ratio in parts if not part.windows) + add_eur_per_kwh
    match source:
        case Fixed():
            added += source.price * factor
        case TimeOfUse():
            timed.insert(0, (source, factor))
    return PriceFormula(
        factor_ratio=factor if isinstance(source, DayAhead) else 0.0,
        add_eur_per_kwh=added,
        timed=tuple(
            TimedPrice(
                otherwise_eur_per_kwh=part.price * ratio,
                windows=tuple(
                    PriceWindow(window=_window(each), price_eur_per_kwh=each.price * ratio) for each in part.windows
                ),
            )
            for part, ratio in timed
        ),
    )


def _window(entry: WindowEntry) -> TimeWindow:
    start_s, end_s = entry.time or (0, DAY_S)
    return TimeWindow(
        start_s=start_s,
        end_s=end_s,
        weekdays=EVERY_DAY if entry.days is None else entry.days,
        months=EVERY_MONTH if entry.months is None else tuple(each + 1 for each in entry.months),
    )
