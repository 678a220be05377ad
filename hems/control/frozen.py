"""A grid meter that says the same for ever, with fresh times: while devices change their power it cannot be true.

Cars were charged at full power on such a value for hours (evcc#15736). Noise alone makes two equal telegrams of a house
rare; equal ones for half a minute, and then a device that takes half a kilowatt more or less, are no chance.
"""

from collections.abc import Set
from dataclasses import dataclass, replace

from hems.domain.reading import GridValues
from hems.domain.site import DeviceId

SETTLE_S = 30.0
"""A device that changed before the meter stood still has told it by now: some are read every half minute [s]."""
MOVED_W = 500.0
"""Devices' meters and the grid's differ by less than this."""
REGULATED_W = 100.0
"""An inverter that regulates by itself holds the connection at nothing for hours, to the watt of a coarse meter."""
LAG_S = 5.0
"""A change may reach us from the device before it does from the meter; and two telegrams [s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """A grid reading that has not changed, and what devices have done meanwhile."""

    values: GridValues
    since_mono_s: float
    devices: frozenset[DeviceId]
    """Those that answer: one that falls silent changes the sum and says nothing of the meter."""
    devices_w: float | None = None
    """Their power when all that happened before had been told [W]."""
    moved_mono_s: float | None = None
    """Since when they have had another one."""
    is_proven: bool = False
    """They have had it for too long: the meter is not to be believed before it says something else."""


def watch(
    before: Still | None,
    grid: GridValues | None,
    devices: Set[DeviceId],
    devices_w: float,
    *,
    period_s: float,
    mono_s: float,
) -> Still | None:
    """Look at a reading: None without one, or where it may well stay the same.

    Args:
        before: of the tick before.
        grid: what the meter says.
        devices: that answer.
        devices_w: what they draw together, load convention [W].
        period_s: between two telegrams [s].
        mono_s: now.
    """
    if grid is None or abs(grid.power_w) < REGULATED_W:
        return None
    if before is None or before.values != grid or (before.devices != devices and not before.is_proven):
        return Still(values=grid, since_mono_s=mono_s, devices=frozenset(devices))
    if before.devices_w is None:
        return replace(before, devices_w=devices_w) if mono_s - before.since_mono_s >= SETTLE_S else before
    if abs(devices_w - before.devices_w) < MOVED_W and not before.is_proven:
        return before if before.moved_mono_s is None else replace(before, moved_mono_s=None)
    if before.moved_mono_s is None:
        return replace(before, moved_mono_s=mono_s)
    return replace(before, is_proven=before.is_proven or mono_s - before.moved_mono_s >= LAG_S + 2 * period_s)
