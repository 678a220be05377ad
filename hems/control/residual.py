"""The load that nothing controls, from readings that are never of the same moment.

The residual is the grid's power less that of the devices. A meter lags by a second or two, a charger tells its power
every ten, an inverter follows its command a moment later: subtract readings of different moments, and every step that
we command ourselves looks like a step of the house, which is then answered, which looks like another. With a battery
that ends in swings of its full power each second (seen in the first run of the daemon at one tick a second).

So each device has a span: everything that it may have drawn since shortly before the grid was read, by what it said
and by what it was told lately. The residual lies in the grid's power less these spans; of that interval the value
nearest to the one before is taken. When nothing moves the spans are points and the residual is exact; while
something moves it stays, unless no explanation but the house itself is left.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hems.control.state import ControlState, Drawn
from hems.domain.power import Phase, PhaseValues, spread
from hems.domain.site import Charger, Controllable, DeviceId, PvPlant
from hems.domain.time import Now

LAG_S = 3.0
"""Grid meters are late by up to two seconds, device readings by one [s]."""
FAST_METER_S = 2.0
"""A meter that speaks as often speaks of its moment, and what it shows can be reacted to in time [s]."""
LAGS_S = (0.0, 1.0, 2.0, 3.0)
RESPONSE_S = 5.0
"""A device whose power is read every second or two shows by then what it makes of a new command [s]."""
SELDOM_S = 2.5
"""A reading older than this comes seldom: most chargers tell their power every ten seconds [s]."""
SELDOM_RESPONSE_S = 30.0
"""From a new command to the reading that shows it, where readings come seldom: cars take half of it to start [s]."""
STEP_W = 100.0
"""A command that differs by less from what is measured is no step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Least and most that all metered devices together may have drawn, per phase [W]."""

    low_w: PhaseValues
    high_w: PhaseValues


def drawn_lately(
    state: ControlState,
    present_w: Mapping[DeviceId, PhaseValues],
    *,
    read_mono_s: Mapping[DeviceId, float],
    grid_mono_s: float,
    now: Now,
) -> dict[DeviceId, tuple[Drawn, ...]]:
    """What each answering device drew, or was told, since shortly before the grid was read; the present last.

    Args:
        state: with what was known at the tick before.
        present_w: measured per phase now.
        read_mono_s: when each of them was read.
        grid_mono_s: when the grid was read.
        now: this tick.
    """
    period_s = state.site.meter.period_s
    oldest_s = min(grid_mono_s, now.mono_s) - LAG_S - (period_s if period_s > FAST_METER_S else 0.0)
    found: dict[DeviceId, tuple[Drawn, ...]] = {}
    for device in state.site.controllables:
        if (phase_w := present_w.get(device.id)) is None:
            continue
        response_s = SELDOM_RESPONSE_S if now.mono_s - read_mono_s[device.id] > SELDOM_S else RESPONSE_S
        before = state.drawn_lately.get(device.id, ())
        measured = [each for each in before if each.told_at_w is None and each.mono_s >= oldest_s]
        # By when a slow meter speaks again a device that is read often has shown what it made of a command.
        late = period_s <= FAST_METER_S or response_s > RESPONSE_S
        told = _told(state, device, phase_w, response_s, now) if late else []
        found[device.id] = (*measured, *told, Drawn(mono_s=now.mono_s, phase_w=phase_w))
    return found


def mean_span_w(
    drawn: Mapping[DeviceId, tuple[Drawn, ...]], *, grid_mono_s: float, period_s: float
) -> tuple[float, float]:
    """Least and most that all devices together drew on average while a slow meter made its last word [W].

    Its power is a mean over the time since its word before: a car that began to draw in the second of its ten seconds
    is in nine tenths of it. That time ended at most :data:`LAG_S` before it spoke; of what may be, the least draw
    counts, since limits are kept by the load that remains. Steps of our own err by three tenths of themselves then,
    the answer by three tenths of that, and so on.
    """
    least_w = min(
        sum(_mean_w(entries, grid_mono_s - lag_s - period_s, grid_mono_s - lag_s) for entries in drawn.values())
        for lag_s in LAGS_S
    )
    low_w = high_w = least_w
    for entries in drawn.values():
        steps_w = [each.phase_w.total - entries[-1].phase_w.total for each in entries if each.told_at_w is not None]
        low_w, high_w = low_w + min([0.0, *steps_w]), high_w + max([0.0, *steps_w])
    return low_w, high_w


def _mean_w(entries: Sequence[Drawn], from_s: float, until_s: float) -> float:
    """Of what was measured; before the first measurement as then, after each as it says [W]."""
    measured = [each for each in entries if each.told_at_w is None]
    drawn_ws = 0.0
    for place, each in enumerate(measured):
        begin_s = from_s if place == 0 else each.mono_s
        end_s = until_s if place + 1 == len(measured) else measured[place + 1].mono_s
        drawn_ws += each.phase_w.total * max(0.0, min(end_s, until_s) - max(begin_s, from_s))
    return drawn_ws / (until_s - from_s)


def span_of(drawn: Mapping[DeviceId, tuple[Drawn, ...]], *, grid_mono_s: float) -> Span:
    """All devices together."""
    low_w, high_w = PhaseValues(), PhaseValues()
    for entries in drawn.values():
        least = most = entries[-1].phase_w
        for each in entries[:-1]:
            if each.told_at_w is None and each.mono_s < grid_mono_s - LAG_S:
                continue
            least, most = least.lowest_with(each.phase_w), most.highest_with(each.phase_w)
        low_w, high_w = low_w + least, high_w + most
    return Span(low_w=low_w, high_w=high_w)


def nearest_w(before_w: float | None, *, grid_w: float, present_w: float, low_w: float, high_w: float) -> float:
    """The residual that fits grid and spans and is nearest to the one before; as measured where there was none [W]."""
    if before_w is None:
        return grid_w - present_w
    return min(max(before_w, grid_w - high_w), grid_w - low_w)


def nearest_phases(
    before_w: PhaseValues | None, *, grid_w: PhaseValues, present_w: PhaseValues, span: Span, full_w: float
) -> PhaseValues:
    """As :func:`nearest_w`, phase by phase; the highest that fits on phases that carry more than ``full_w``.

    As long as the fuse bears what is measured there is time to find out whose power it is. Beyond, there is none.
    """
    if before_w is None:
        return grid_w - present_w
    highest = grid_w - span.low_w
    nearest = before_w.highest_with(grid_w - span.high_w).lowest_with(highest)
    return PhaseValues(
        l1=highest.l1 if grid_w.l1 > full_w else nearest.l1,
        l2=highest.l2 if grid_w.l2 > full_w else nearest.l2,
        l3=highest.l3 if grid_w.l3 > full_w else nearest.l3,
    )


def _told(
    state: ControlState, device: Controllable, present_w: PhaseValues, response_s: float, now: Now
) -> list[Drawn]:
    """What a device was told lately and may be on its way to.

    Its time runs since it was first told so without moving: a full car that is told more each second draws no more in
    any of them, and a kettle beside it is not its doing (seen with the ramp after a grid outage: a charger was given
    16 A beside 10 A of the house on 25 A). Then one entry remains that remembers since when, with what is measured.
    """
    entries = [each for each in state.drawn_lately.get(device.id, ()) if each.told_at_w is not None]
    alive = [each for each in entries if now.mono_s - each.mono_s < response_s]
    told_w, told_mono_s = state.told_power_w.get(device.id), state.ticked_mono_s
    if told_w is None or told_mono_s is None or isinstance(device, PvPlant):
        return alive
    present_total_w = present_w.total
    if abs(told_w - present_total_w) < STEP_W:
        return alive
    unmoved = [each for each in entries if _stands_still(each, present_total_w)]
    since = min(unmoved, key=lambda each: each.mono_s, default=None)
    if since is None:
        since = Drawn(mono_s=told_mono_s, phase_w=present_w, told_at_w=present_total_w)
    if now.mono_s - since.mono_s >= response_s:
        return [*alive, replace(since, phase_w=present_w)]
    if any(abs(each.phase_w.total - told_w) < STEP_W for each in alive):
        return alive
    return [*alive, replace(since, phase_w=spread(told_w, _phases_told(state, device)))]


def _stands_still(told: Drawn, present_total_w: float) -> bool:
    return told.told_at_w is not None and abs(present_total_w - told.told_at_w) < STEP_W


def _phases_told(state: ControlState, device: Controllable) -> tuple[Phase, ...]:
    phases = device.phases
    if isinstance(device, Charger) and (memory := state.switches.get(device.id)) is not None and memory.phase_count:
        phases = device.wired_phases(memory.phase_count)
    return phases
