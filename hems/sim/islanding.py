"""A house without a grid: batteries keep the balance, and the sun is held back where nobody takes it.

Real inverters do the same by voltage and frequency. What they cannot give the house lacks, and its exchange is not
nothing: then a real inverter has stopped, and the house is dark.
"""

from collections.abc import Iterable

from hems.sim.battery import SimBattery
from hems.sim.devices import SimDevice, SimPv


def advance(
    plants: Iterable[SimPv],
    batteries: Iterable[SimBattery],
    loads: Iterable[SimDevice],
    household_w: float,
    seconds: int,
) -> None:
    """Let all devices of a house without a grid live, beside a household that draws ``household_w`` >= 0 [W]."""
    sunny, missing_w = tuple(plants), household_w
    for device in (*sunny, *loads):
        device.advance(seconds)
        missing_w += device.power_w
    for battery in batteries:
        battery.balance(missing_w, seconds)
        missing_w += battery.power_w
    for plant in sunny:
        held_back_w = min(max(-missing_w, 0.0), -plant.power_w)
        plant.power_w += held_back_w
        missing_w += held_back_w
