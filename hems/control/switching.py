"""When devices that run or rest were switched: what minimum times are counted from."""

from dataclasses import replace

from hems.control.state import SwitchMemory
from hems.domain.reading import CarState, ChargerValues
from hems.domain.time import Now

LET_GO_MIN_S = 600.0
"""SG-Ready: contacts that change sooner may be ignored; the driver keeps them, and a pump told to run before that would
start later than its minimum run is counted from. To rest it may be told at any time [s]."""


def after(memory: SwitchMemory, *, running: bool, now: Now) -> SwitchMemory:
    """Memory after a command to run or to rest."""
    return memory if running == memory.running else replace(memory, running=running, switched_mono_s=now.mono_s)


def after_hold(memory: SwitchMemory, told_w: float | None, min_run_s: float, now: Now) -> SwitchMemory:
    """Memory after a command to a heat pump (None: by itself), for how long it may be held at rest.

    One that is let go counts as held until it has had its turn: it has run for its minimum, or has not wanted to for as
    long as its contacts are open at least. Let go until it ran, a warm pump kept its nameplate free of the fuse for
    hours, and a car beside it got 4 of 10 kWh.
    """
    held_s, let_go_s, switched_s = memory.held_since_mono_s, memory.let_go_since_mono_s, memory.switched_mono_s
    has_run = memory.running and switched_s is not None and now.mono_s - switched_s >= min_run_s
    declined = not memory.running and let_go_s is not None and now.mono_s - let_go_s >= LET_GO_MIN_S
    if told_w == 0:
        held_s, let_go_s = now.mono_s if held_s is None else held_s, None
    elif told_w is not None or has_run or declined:
        held_s = let_go_s = None
    elif held_s is not None and let_go_s is None:
        let_go_s = now.mono_s
    if (held_s, let_go_s) == (memory.held_since_mono_s, memory.let_go_since_mono_s):
        return memory
    return replace(memory, held_since_mono_s=held_s, let_go_since_mono_s=let_go_s)


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
