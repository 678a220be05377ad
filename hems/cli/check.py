"""``hems check SITE.yaml``: every error and warning at its place, or what the file says in plain words."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from hems.cli.operator_words import operator_lines
from hems.config import CheckResult, Severity, check_file
from hems.config.times import MONTHS, WEEKDAYS
from hems.domain.net_metering import NetMetering
from hems.domain.power import VOLTAGE_V, Phase
from hems.domain.site import (
    MAIN,
    Backup,
    Battery,
    Capability,
    Charger,
    Circuit,
    Device,
    GridMeter,
    HeatPump,
    PvPlant,
    Site,
)
from hems.domain.tariff import DAY_S, EVERY_DAY, EVERY_MONTH, PriceFormula, TimeWindow

_COLOURS: Final = {Severity.ERROR: "red", Severity.WARNING: "yellow"}
_ABILITIES: Final = {
    Capability.READS_POWER: "reads power",
    Capability.LIMITS_PRODUCTION: "limits production",
    Capability.SETS_POWER: "sets power",
    Capability.SETS_CURRENT: "sets current",
    Capability.SWITCHES_PHASES: "switches phases",
}


def check(path: Path, *, as_json: bool) -> int:
    """Print what is wrong with a site file, or a summary of the house that it describes.

    Returns:
        0 usable (there may be warnings), 1 errors were found, 2 the file cannot be read at all.
    """
    result = check_file(path)
    if as_json:
        sys.stdout.write(json.dumps(_as_json(result), ensure_ascii=False, indent=2) + "\n")
    else:
        _print(result)
    if not result.is_readable:
        return 2
    return 0 if result.site is not None else 1


def summary(site: Site) -> list[str]:
    """The house in plain words: who, which limits, which devices, how prices are made."""
    phases = "1 phase" if site.connection.phase_count == 1 else f"{site.connection.phase_count} phases"
    lines = [f"{site.name}: {phases}, {site.timezone}, {site.currency}", "", "Limits"]
    lines += [f"  {line}" for line in _limits(site)]
    lines += ["", "Devices"]
    lines += [f"  {line}" for device in site.devices for line in _device(device)]
    if site.backup != Backup():
        lines += ["", "While the grid has failed and the battery feeds the house", f"  {_backup(site)}"]
    lines += ["", "Prices"]
    lines += [f"  {line}" for line in _prices(site)]
    return lines


def _whole(result: CheckResult, site: Site) -> list[str]:
    """The summary, and the grid operator where there is one."""
    if result.operator is None:
        return summary(site)
    lines = operator_lines(*result.operator, site)
    return [*summary(site), "", "Grid operator", *(f"  {line}" for line in lines)]


def _print(result: CheckResult) -> None:
    out = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
    for line in result.report.splitlines():
        out.print(_coloured(line, result))
    if result.site is not None:
        if result.findings:
            out.print()
        out.print("\n".join(_whole(result, result.site)))


def _limits(site: Site) -> list[str]:
    connection = site.connection
    fuse_w = site.circuits[0].fuse_a * VOLTAGE_V * connection.phase_count
    lines = [f"main fuse {site.circuits[0].fuse_a:g} A per phase ({_kw(fuse_w)})"]
    lines += [_circuit(circuit) for circuit in site.circuits[1:]]
    for direction, limit_w in (("import", connection.import_power_max_w), ("export", connection.export_power_max_w)):
        lines.append(f"{direction} {'by the fuse alone' if limit_w is None else f'at most {_kw(limit_w)}'}")
    return lines


def _backup(site: Site) -> str:
    names = {device.id: device.name for device in site.devices}
    loads = [f"{names[load.device_id]} down to {load.soc_min_pct:g} %" for load in site.backup.loads]
    if not loads:
        return "chargers and heat pumps rest"
    within = "" if site.backup.power_max_w is None else f", within {_kw(site.backup.power_max_w)}"
    return f"may run: {', then '.join(loads)} of the battery{within}"


def _circuit(circuit: Circuit) -> str:
    return f"circuit {circuit.id} {circuit.fuse_a:g} A per phase, behind {circuit.parent}"


def _device(device: Device) -> list[str]:
    abilities = ", ".join(words for capability, words in _ABILITIES.items() if capability in device.capabilities)
    place = "" if isinstance(device, GridMeter) else _wiring(device.phases, device.circuit)
    return [f"{device.name} ({device.id}): {_nameplate(device)}{place}", f"    {abilities}"]


def _wiring(phases: tuple[Phase, ...], circuit: str) -> str:
    on = f", {'-'.join(phases)}"
    return on if circuit == MAIN else f"{on}, circuit {circuit}"


def _nameplate(device: Device) -> str:
    match device:
        case GridMeter():
            return f"grid meter, a value every {device.period_s:g} s, stale after {device.max_age_s:g} s"
        case PvPlant():
            return f"PV, {device.peak_w / 1000:g} kWp"
        case Battery():
            return (
                f"battery, {device.capacity_wh / 1000:g} kWh, charges {_kw(device.charge_power_max_w)}, discharges "
                f"{_kw(device.discharge_power_max_w)}, between {device.soc_min_pct:g} and {device.soc_max_pct:g} %, "
                f"{device.reserve_soc_pct:g} % in reserve"
            )
        case Charger():
            return f"charger, {_kw(device.power_min_w)} to {_kw(device.power_max_w)}, from {device.current_min_a:g} A"
        case HeatPump():
            heats = " and ".join(
                word for word, part in (("rooms", device.room), ("hot water", device.tank)) if part is not None
            )
            return f"heat pump for {heats}, {_kw(device.power_min_w)} to {_kw(device.power_max_w)} electrical"


def _prices(site: Site) -> list[str]:
    tariff = site.tariff
    lines = [
        f"import = {_formula(tariff.import_formula, tariff.area)}",
        *_timed(tariff.import_formula),
        f"export = {_formula(tariff.export_formula, tariff.area)}",
        *_timed(tariff.export_formula),
    ]
    if tariff.area is not None:
        sold = tariff.export_formula
        export_eur = sold.factor_ratio * tariff.fallback_spot_eur_per_kwh + sold.add_eur_per_kwh
        export_eur += sum(each.otherwise_eur_per_kwh for each in sold.timed)
        lines.append(
            f"while no market price is known: import {tariff.fallback_import_eur_per_kwh:.4g} EUR/kWh, "
            f"export {export_eur:.4g} EUR/kWh"
        )
    if (capacity := tariff.capacity) is not None:
        least = f", {_kw(capacity.power_min_w)} at least" if capacity.power_min_w else ""
        counted = "; ".join(_window(each) for each in capacity.windows) or "always"
        lines.append(f"highest quarter hour of each month: {capacity.price_eur_per_kw:.4g} EUR/kW{least}, {counted}")
    if (rule := tariff.net_metering) is not None:
        lines += _net_metering(rule)
    if (carbon := tariff.carbon) is not None:
        timed = [f"{each.intensity_g_per_kwh:g} g/kWh {_window(each.window)}; else " for each in carbon.windows]
        lines.append(
            f"CO2 of bought energy counts {carbon.price_eur_per_kg:.4g} EUR/kg: {''.join(timed)}"
            f"{carbon.otherwise_g_per_kwh:g} g/kWh"
        )
    return lines


def _net_metering(rule: NetMetering) -> list[str]:
    year, day = rule.ordinary_year, f"{rule.start_day} {MONTHS[rule.start_month - 1]}"
    kept = f" less {rule.fee_eur_per_kwh:.4g} EUR/kWh" if rule.fee_eur_per_kwh else ""
    lines = [
        f"net metering, years from {day}: fed in up to what is bought earns the import price{kept}, the rest as export",
        f"    an ordinary year buys {year.import_wh / 1000:.0f} kWh and feeds in {year.export_wh / 1000:.0f} kWh",
    ]
    if (told := rule.told) is not None:
        counted = f"{told.import_wh / 1000:.0f} kWh bought and {told.export_wh / 1000:.0f} kWh fed in"
        lines.append(f"    {counted} before {rule.told_until}")
    return lines


def _formula(formula: PriceFormula, area: str | None) -> str:
    added = formula.add_eur_per_kwh
    clock = " + by the clock:" if formula.timed else ""
    if formula.factor_ratio == 0:
        return f"{added:.4g} EUR/kWh{clock or ' at every hour'}" if added or not clock else "by the clock:"
    market = f"day-ahead price of {area}"
    if formula.factor_ratio != 1:
        market += f" x {formula.factor_ratio:g}"
    return (f"{market} {'-' if added < 0 else '+'} {abs(added):.4g} EUR/kWh" if added else market) + clock


def _timed(formula: PriceFormula) -> list[str]:
    lines = []
    for part in formula.timed:
        windows = [f"{each.price_eur_per_kwh:.4g} EUR/kWh {_window(each.window)}" for each in part.windows]
        lines.append(f"    {'; '.join(windows)}; else {part.otherwise_eur_per_kwh:.4g} EUR/kWh")
    return lines


def _window(window: TimeWindow) -> str:
    """As one reads it: 17:00-20:00 mon, tue nov, dec."""
    words = []
    if (window.start_s, window.end_s) != (0, DAY_S):
        words.append(f"{_clock(window.start_s)}-{_clock(window.end_s)}")
    if window.weekdays != EVERY_DAY:
        words.append(", ".join(WEEKDAYS[each] for each in window.weekdays))
    if window.months != EVERY_MONTH:
        words.append(", ".join(MONTHS[each - 1] for each in window.months))
    return " ".join(words) or "always"


def _clock(time_s: int) -> str:
    return f"{time_s // 3600:02}:{time_s // 60 % 60:02}"


def _kw(power_w: float) -> str:
    return f"{power_w / 1000:.4g} kW"


def _coloured(line: str, result: CheckResult) -> Text:
    """A report line; the heads of findings get the colour of their severity where a terminal shows colours."""
    for finding in result.findings:
        if line.startswith(f"{result.source}:{finding.line}:{finding.column}:"):
            return Text(line, style=_COLOURS[finding.severity])
    return Text(line)


def _as_json(result: CheckResult) -> dict[str, Any]:
    return {
        "source": result.source,
        "ok": result.site is not None,
        "findings": [asdict(finding) for finding in result.findings],
        "summary": None if result.site is None else _whole(result, result.site),
    }
