"""What runs while the grid has failed: the household's choice, within what the battery's inverter can give.

An inverter that is overloaded stops within seconds, and the house is dark. Batteries and plants go by their inverters'
own rules; they alone hold voltage and frequency.
"""

from collections.abc import Sequence

from hems.control.estimate import Estimate
from hems.control.intent import Intent
from hems.control.state import ControlState
from hems.control.want import Want
from hems.domain import reasons
from hems.domain.events import Mode
from hems.domain.reading import CarState
from hems.domain.site import Charger, Controllable, DeviceId, HeatPump, Site

AGAIN_PCT = 5.0
"""What rests for the battery's sake starts again when it holds so much more: no coming and going at the limit."""


def intents(state: ControlState, seen: Estimate) -> dict[DeviceId, Intent]:
    """What every device should do now. Prices, plan, setpoint and overrides wait for the grid."""
    soc_pct = _soc_pct(state.site, seen)
    least_pct = {load.device_id: load.soc_min_pct for load in state.site.backup.loads}
    found = {}
    for device in state.site.controllables:
        if device.id in seen.silent:
            found[device.id] = Intent(want=Want(device_id=device.id, power_w=None), reason=reasons.DeviceSilent())
        elif isinstance(device, Charger | HeatPump):
            found[device.id] = _load(state, seen, device, least_pct.get(device.id), soc_pct)
        else:
            found[device.id] = Intent(want=Want(device_id=device.id, power_w=None), reason=reasons.FeedsIsland())
    return found


def _load(
    state: ControlState, seen: Estimate, device: Charger | HeatPump, least_pct: float | None, soc_pct: float | None
) -> Intent:
    if isinstance(device, Charger) and seen.chargers[device.id].car is CarState.ABSENT:
        return Intent(want=Want(device_id=device.id, power_w=0.0), reason=reasons.NoCar())
    rested = state.mode is Mode.ISLANDED and not state.told_power_w.get(device.id, 0.0)
    enough = least_pct is not None and soc_pct is not None and soc_pct >= least_pct + (AGAIN_PCT if rested else 0.0)
    if least_pct is None or not enough:
        want = Want(device_id=device.id, power_w=0.0, urgent=True)
        return Intent(want=want, reason=reasons.RestsInIsland(soc_min_pct=least_pct))
    # A car takes its time: the smallest current leaves most for everything else.
    power_w = device.power_min_w if isinstance(device, Charger) else None
    want = Want(device_id=device.id, power_w=power_w, urgent=True)
    return Intent(want=want, reason=reasons.RunsInIsland(soc_min_pct=least_pct))


def in_order(site: Site, devices: Sequence[Controllable]) -> list[Controllable]:
    """Devices by their turn in an island: what feeds it, then loads as the household ranks them."""
    rank = {load.device_id: place for place, load in enumerate(site.backup.loads)}
    feeding = [each for each in devices if not isinstance(each, Charger | HeatPump)]
    loads = [each for each in devices if isinstance(each, Charger | HeatPump)]
    return [*feeding, *sorted(loads, key=lambda each: rank.get(each.id, len(rank)))]


def _soc_pct(site: Site, seen: Estimate) -> float | None:
    """Of the batteries that feed the island, together; None where one does not say."""
    feeding = seen.feeding_batteries(site)
    stored_wh = [values.stored_wh for _, values in feeding]
    if not feeding or any(each is None for each in stored_wh):
        return None
    return 100 * sum(each or 0.0 for each in stored_wh) / sum(battery.capacity_wh for battery, _ in feeding)
