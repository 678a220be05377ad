"""Whether the house is an island: the grid has failed, and the battery's inverter feeds it by itself.

Nothing flows through the connection then, so its fuse and every limit on the exchange have nothing to protect. An
inverter that says so is believed until the grid meter, which may be dead, sees a flow; from then on only after it has
said the contrary. (A register that always says so would otherwise be believed whenever the exchange is near nothing.)
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hems.domain.reading import BatteryValues, GridValues, Reading
from hems.domain.site import DeviceId

FLOWS_W = 100.0
"""More than this on a phase is a grid: a meter behind an open switch shows some watts [W]."""
METER_LAG_S = 5.0
"""A telegram from before the failure may arrive so much later [s]."""
NO_EXCHANGE = GridValues(power_w=0.0, phase_power_w=None, phase_power_high_w=None)
"""The connection is open: that nothing flows is known, whether or not the meter says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """An inverter says that it feeds an island."""

    since_mono_s: float
    is_disproved: bool = False
    """The grid meter has seen a flow since: the fuse counts, whatever the inverter says."""


def claim(
    before: Claim | None,
    batteries: Mapping[DeviceId, BatteryValues],
    grid: Reading[GridValues] | None,
    usable: GridValues | None,
    mono_s: float,
) -> Claim | None:
    """What inverters say and the meter makes of it. One that falls silent has not said that the grid is back.

    Args:
        before: of the tick before.
        batteries: what answers.
        grid: the meter's last reading.
        usable: its values, where they may be acted on.
        mono_s: now.
    """
    said = {values.islanded for values in batteries.values()} - {None}
    if True not in said and (said or before is None):
        return None
    held = before or Claim(since_mono_s=mono_s)
    if grid is None or usable is None or grid.mono_s < held.since_mono_s + METER_LAG_S:
        return held
    phases = usable.phase_power_w
    flows_w = [usable.power_w] if phases is None else [phases.l1, phases.l2, phases.l3]
    return replace(held, is_disproved=held.is_disproved or max(abs(each) for each in flows_w) >= FLOWS_W)
