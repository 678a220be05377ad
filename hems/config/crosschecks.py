"""The last step: valid sections that do not fit together, mostly physics."""

from collections.abc import Iterator

from hems.config.build_backup import check_backup
from hems.config.devices import (
    BatteryEntry,
    BatteryPart,
    ChargerEntry,
    GridMeterEntry,
    HeatPumpEntry,
    HybridInverterEntry,
    SolarEntry,
    WiredEntry,
    charging_phase_count,
)
from hems.config.finding import Finding
from hems.config.operator_checks import check_operator
from hems.config.quantity import quoted
from hems.config.references import circuit_chain
from hems.config.schema import DayAhead, SiteFile
from hems.config.tree import Path, Tree
from hems.config.wiring_checks import check_wiring
from hems.domain.power import VOLTAGE_V


def crosscheck(file: SiteFile, tree: Tree) -> list[Finding]:
    """Everything that does not fit together."""
    return [
        *_grid_meters(file, tree),
        *check_wiring(file, tree),
        *_circuit_fuses(file, tree),
        *_phases(file, tree),
        *_chargers(file, tree),
        *_batteries(file, tree),
        *_heat_pumps(file, tree),
        *_export_limit(file, tree),
        *_tariff(file, tree),
        *check_operator(file, tree),
        *check_backup(file, tree),
    ]


def smallest_fuse(file: SiteFile, circuit: str) -> tuple[float, str]:
    """Rating of the weakest fuse between a circuit and the grid [A], and what it is called."""
    fuses = [(file.site.grid.fuse, "the site fuse")]
    fuses += [
        (file.circuits[index].fuse, f"the fuse of circuit {quoted(file.circuits[index].name)}")
        for index in circuit_chain(file, circuit)
    ]
    return min(fuses, key=lambda fuse: fuse[0])


def _wired(file: SiteFile) -> Iterator[tuple[Path, WiredEntry]]:
    for index, device in enumerate(file.devices):
        if not isinstance(device, GridMeterEntry):
            yield ("devices", index), device


def _grid_meters(file: SiteFile, tree: Tree) -> Iterator[Finding]:
    meters = [index for index, device in enumerate(file.devices) if isinstance(device, GridMeterEntry)]
    if not meters:
        advice = 'add one, for example "- {name: Grid, kind: grid_meter, connection: p1}"'
        yield tree.error(("devices",), "no grid meter: without it the fuse cannot be guarded", advice, at_key=True)
    for index in meters[1:]:
        line = tree.place(("devices", meters[0], "kind")).line
        yield tree.error(
            ("devices", index, "kind"),
            f"a second grid meter; the first is on line {line}",
            "keep the one at the connection to the grid",
        )


def _circuit_fuses(file: SiteFile, tree: Tree) -> Iterator[Finding]:
    for index, circuit in enumerate(file.circuits):
        fuse_a, whose = smallest_fuse(file, circuit.parent)
        if circuit.fuse > fuse_a:
            message = f"{circuit.fuse:g} A is more than {whose} above it ({fuse_a:g} A), which will blow first"
            yield tree.warning(("circuits", index, "fuse"), message)


def _phases(file: SiteFile, tree: Tree) -> Iterator[Finding]:
    is_one_phase = file.site.grid.phases == 1
    for path, device in _wired(file):
        if is_one_phase and device.phase in ("L2", "L3"):
            message = f"the house has one phase, so there is no {device.phase}"
            yield tree.error((*path, "phase"), message, "delete the line, or set site.grid.phases to 3")
        if isinstance(device, ChargerEntry):
            if is_one_phase and device.phases != 1:
                message = f'"{device.phases}" needs three phases and the house has one'
                yield tree.error((*path, "phases"), message, "write 1, or set site.grid.phases to 3")
            elif not is_one_phase and device.phases == 1 and device.phase is None:
                message = "a one-phase charger loads one phase of three"
                advice = 'say which, so that its fuse can be guarded: add "phase: L1" (or L2, L3)'
                yield tree.error((*path, "phases"), message, advice)


def _chargers(file: SiteFile, tree: Tree) -> Iterator[Finding]:
    for path, device in _wired(file):
        if not isinstance(device, ChargerEntry):
            continue
        fuse_a, whose = smallest_fuse(file, device.circuit)
        at_minimum: Path = (*path, "min_current") if (*path, "min_current") in tree.value_at else (*path, "max_current")
        if device.min_current > device.max_current:
            message = f"{device.max_current:g} A is less than the smallest current, {device.min_current:g} A"
            yield tree.error((*path, "max_current"), message, "the charger would never start")
        elif device.min_current > fuse_a:
            message = f"charging begins at {device.min_current:g} A, more than {whose} ({fuse_a:g} A)"
            yield tree.error(at_minimum, message, "the charger would never start")
        elif device.max_power is not None and device.max_power < (least_w := _least_charging_w(device)):
            message = f"charging begins at {least_w / 1000:.2g} kW ({device.min_current:g} A), more than max_power"
            yield tree.error((*path, "max_power"), message, "the charger would never start")
        else:
            yield from _charger_above_fuse(tree, path, device, fuse_a, whose)


def _least_charging_w(device: ChargerEntry) -> float:
    """Power of the smallest current; a charger that switches phases begins on one [W]."""
    return device.min_current * (3 if device.phases == 3 else 1) * VOLTAGE_V


def _charger_above_fuse(tree: Tree, path: Path, device: ChargerEntry, fuse_a: float, whose: str) -> Iterator[Finding]:
    phase_count = charging_phase_count(device)
    wanted_w = device.max_current * phase_count * VOLTAGE_V
    power_w = min(wanted_w, device.max_power or wanted_w)
    fuse_w = fuse_a * phase_count * VOLTAGE_V
    if power_w > fuse_w:
        phases = f"{phase_count} phase{'s' if phase_count > 1 else ''}"
        message = (
            f"{device.max_current:g} A on {phases} is {power_w / 1000:.0f} kW, more than {whose} ({fuse_a:g} A). "
            f"Charging will be limited to {fuse_w / 1000:.0f} kW."
        )
        yield tree.warning((*path, "max_current"), message)


def _battery_parts(file: SiteFile) -> Iterator[tuple[Path, BatteryPart]]:
    for path, device in _wired(file):
        if isinstance(device, HybridInverterEntry):
            yield (*path, "battery"), device.battery
        elif isinstance(device, BatteryEntry):
            yield path, device


def _batteries(file: SiteFile, tree: Tree) -> Iterator[Finding]:
    for path, battery in _battery_parts(file):
        window, reserve = battery.window, battery.reserve
        if reserve is not None and not window.lower <= reserve <= window.upper:
            message = f"{reserve:g} % is outside the window of {window.lower:g} to {window.upper:g} %"
            yield tree.error((*path, "reserve"), message, "the reserve must lie inside it")


def _heat_pumps(file: SiteFile, tree: Tree) -> Iterator[Finding]:
    for path, device in _wired(file):
        if not isinstance(device, HeatPumpEntry):
            continue
        if device.min_power > device.max_power:
            message = "the smallest power is more than max_power"
            yield tree.error((*path, "min_power"), message, "exchange them")
        if device.comfort is not None and device.house_model is None:
            advice = 'add it, for example "house_model: {time_constant: 40 h, loss: 180 W/K}"'
            yield tree.error((*path, "comfort"), "a room needs house_model to be planned", advice, at_key=True)
        elif device.house_model is not None and device.comfort is None:
            advice = 'add it, for example "comfort: {room: 19.5..21.5 degC}"'
            yield tree.error((*path, "house_model"), "house_model needs comfort", advice, at_key=True)
        elif device.comfort is None and device.tank is None:
            message = "warms neither rooms nor a tank"
            yield tree.error(path, message, "add comfort and house_model, or tank, or both")


def _export_limit(file: SiteFile, tree: Tree) -> Iterator[Finding]:
    limit_w = file.site.grid.export_limit
    parts = [
        device.pv if isinstance(device, HybridInverterEntry) else device
        for _, device in _wired(file)
        if isinstance(device, HybridInverterEntry | SolarEntry)
    ]
    fixed_w = sum(plane.peak for part in parts if not part.curtailable for plane in part.planes)
    if limit_w is not None and fixed_w > limit_w:
        message = (
            f"modules of {fixed_w / 1000:g} kWp that nothing limits can export more than {limit_w / 1000:g} kW on a "
            "sunny day"
        )
        advice = 'where the inverter can be limited, write "curtailable: true"'
        yield tree.warning(("site", "grid", "export_limit"), message, advice)


def _tariff(file: SiteFile, tree: Tree) -> Iterator[Finding]:
    imported, exported = file.tariff.import_, file.tariff.export
    at_import: Path = ("tariff", "import")
    if isinstance(imported.source, DayAhead) and imported.fallback is None:
        advice = 'add it, for example "fallback: 0.30 EUR/kWh"'
        message = "needs a fallback price for the hours when the market price is late or the internet is gone"
        yield tree.error(at_import, message, advice, at_key=True)
    at_export: Path = ("tariff", "export")
    if (exported.same_as is None) == (exported.source is None):
        advice = 'for example "same_as: import" for what the import price is made of'
        yield tree.error(at_export, "needs either same_as or source", advice, at_key=True)
    source = exported.source
    if isinstance(source, DayAhead) and isinstance(imported.source, DayAhead) and source.area != imported.source.area:
        message = f"{source.area} is another bidding zone than that of the import price, {imported.source.area}"
        yield tree.error((*at_export, "source", "area"), message, "a house has one")
