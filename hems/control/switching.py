"""When devices that run or rest were switched: what minimum times are counted from."""

from dataclasses import replace

from hems.control.state import SwitchMemory
from hems.domain.reading import CarState, ChargerValues
from hems.domain.time import Now


def after(memory: SwitchMemory, *, running: bool, now: Now) -> SwitchMemory:
    """Memory after a command to run or to rest."""
    return memory if running == memory.running else replace(memory, running=running, switched_mono_s=now.mono_s)


def after_offer(
    memory: SwitchMemory, power_w: float, phase_count: int, values: ChargerValues, now: Now
) -> SwitchMemory:
    """Memory after an offer to a car: running, phases, and since when the car has ignored what is offered."""
    memory = after(memory, running=power_w > 0, now=now)
    before = values.phase_count if memory.phase_count is None else memory.phase_count
    if power_w > 0 and phase_count != before:
        memory = replace(memory, phase_count=phase_count, phases_switched_mono_s=now.mono_s)
    taking = values.car in (CarState.CHARGING, CarState.ABSENT)
    since_mono_s = memory.ignored_since_mono_s
    if taking or values.offered_current_a <= 0:
        since_mono_s = None
    elif since_mono_s is None:
        since_mono_s = now.mono_s
    return memory if since_mono_s == memory.ignored_since_mono_s else replace(memory, ignored_since_mono_s=since_mono_s)
