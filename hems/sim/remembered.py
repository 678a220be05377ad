"""Readings and actions as JSON and back, for a run that is resumed."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from hems.domain.command import (
    Action,
    BatteryPower,
    BatteryReleased,
    ChargeCurrent,
    HeatPumpPower,
    ProductionLimit,
)
from hems.domain.power import PhaseValues
from hems.domain.reading import (
    BatteryValues,
    CarState,
    ChargerValues,
    GridValues,
    HeatPumpValues,
    PvValues,
    Quality,
    Reading,
)

_ACTIONS: Mapping[str, Any] = {
    "battery_power": BatteryPower,
    "battery_released": BatteryReleased,
    "charge_current": ChargeCurrent,
    "production_limit": ProductionLimit,
    "heat_pump_power": HeatPumpPower,
}
_VALUES: Mapping[str, Any] = {
    kind.__name__: kind for kind in (GridValues, PvValues, BatteryValues, ChargerValues, HeatPumpValues)
}


def action_state(action: Action) -> dict[str, Any]:
    """An action as JSON."""
    return asdict(action)


def action_from(state: Mapping[str, Any]) -> Action:
    """Inverse of :func:`action_state`."""
    action: Action = _ACTIONS[state["kind"]](**state)
    return action


def reading_state(reading: Reading[Any]) -> dict[str, Any]:
    """A reading as JSON."""
    value = reading.value
    return {
        "kind": None if value is None else type(value).__name__,
        "value": None if value is None else asdict(value),
        "mono_s": reading.mono_s,
        "quality": str(reading.quality),
    }


def reading_from(state: Mapping[str, Any]) -> Reading[Any]:
    """Inverse of :func:`reading_state`."""
    kind, fields = state["kind"], dict(state["value"] or {})
    for name in ("phase_power_w", "phase_power_high_w"):
        if fields.get(name) is not None:
            fields[name] = PhaseValues(**fields[name])
    if "car" in fields:
        fields["car"] = CarState(fields["car"])
    value = None if kind is None else _VALUES[kind](**fields)
    return Reading(value=value, mono_s=state["mono_s"], quality=Quality(state["quality"]))
