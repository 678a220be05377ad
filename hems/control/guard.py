"""The gate: the only maker of commands. Whatever is wanted, what leaves here fits every limit.

Devices are served in a fixed order (heat pumps, chargers, batteries, PV), each inside what the ones before left.
Bounds by authority: the device itself, the fuses, the operator, the household. Where nothing is known the guard
assumes the worst that is physically possible and says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hems.control import switching
from hems.control.arbitrate import Bound, settle
from hems.control.current import choose_offer, highest_power_w
from hems.control.estimate import Estimate
from hems.control.headroom import Headroom, headroom
from hems.control.state import ControlState, SwitchMemory
from hems.domain.command import (
    Action,
    Authority,
    BatteryPower,
    ChargeCurrent,
    Command,
    HeatPumpPower,
    Lease,
    Limit,
    LimitedBy,
    LimitRule,
    ProductionLimit,
)
from hems.domain.power import VOLTAGE_V, Phase, PowerRange
from hems.domain.reading import CarState, ChargerValues
from hems.domain.site import MAIN, Battery, Charger, CircuitId, Controllable, DeviceId, HeatPump, PvPlant
from hems.domain.storage import sustainable_power
from hems.domain.time import Now

LEASE_MIN_S = 60.0
"""A driver's hardware timers resolve seconds to a minute; a dead daemon is noticed within this time."""
LEASE_TICKS = 2.5
"""A lease outlives two missed ticks, so that one late tick does not drop every device into its safe state."""
PHASE_DWELL_S = 600.0
"""Between two changes of the number of phases: contactors are rated for some 10^5 operations, cars dislike more."""
CHARGE_RUN_MIN_S = 300.0
"""A car that started goes on this long, and a paused one rests this long, unless a stronger rule says otherwise."""
CHARGE_REST_MIN_S = 120.0
PV_OVERSHOOT_RATIO = 1.3
"""Cold, bright modules pass their peak power by up to a fifth: a limit above this is no limit."""
WIDE = 1e9
"""Wider than any house [W]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """What the dispatch would like a device to do.

    ``power_w`` in load convention; for PV ``-power_w`` is the most it should produce, and None is everything.
    """

    device_id: DeviceId
    power_w: float | None
    urgent: bool = False
    """Outranks minimum run and rest times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """Commands for every device, and what the devices are expected to draw under them."""

    commands: tuple[Command, ...]
    expected_power_w: Mapping[DeviceId, float]
    switches: Mapping[DeviceId, SwitchMemory]


@dataclass(slots=True)
class _Shift:
    """One pass of the guard over the house."""

    state: ControlState
    seen: Estimate
    limits: Sequence[Limit]
    now: Now
    lease: Lease
    room: Headroom
    net_w: float | None
    """Power of the connection with everything decided so far [W]; None without a grid reading."""


def permit(
    state: ControlState, seen: Estimate, wants: Mapping[DeviceId, Want], limits: Sequence[Limit], now: Now
) -> Permitted:
    """Turn wants into commands that fit.

    Args:
        state: site and memory.
        seen: this tick's estimate.
        wants: per device; a device without one gets its resting value.
        limits: limits from outside the house that are in force now.
        now: this tick.
    """
    gap_s = 0.0 if state.ticked_mono_s is None else now.mono_s - state.ticked_mono_s
    lease = Lease(granted_mono_s=now.mono_s, duration_s=max(LEASE_MIN_S, LEASE_TICKS * gap_s))
    net_w = None
    if seen.residual_w is not None:
        net_w = seen.residual_w + sum(values.power_w for values in seen.pv.values())
    shift = _Shift(
        state=state, seen=seen, limits=limits, now=now, lease=lease, room=headroom(state, seen, now), net_w=net_w
    )
    commands: list[Command] = []
    expected_w: dict[DeviceId, float] = {}
    switches: dict[DeviceId, SwitchMemory] = dict(state.switches)
    site = state.site
    in_turn: tuple[Controllable, ...] = (*site.heat_pumps, *site.chargers, *site.batteries, *site.pv)
    for device in in_turn:
        want = wants.get(device.id) or Want(device_id=device.id, power_w=None if isinstance(device, PvPlant) else 0.0)
        memory = switches.get(device.id, SwitchMemory())
        match device:
            case HeatPump():
                command, power_w, switches[device.id] = _heat_pump(shift, device, want, memory)
            case Charger():
                command, power_w, switches[device.id] = _charger(shift, device, want, memory)
            case Battery():
                command, power_w = _battery(shift, device, want)
            case PvPlant():
                command, power_w = _pv(shift, device, want)
        commands.append(command)
        expected_w[device.id] = power_w
    return Permitted(commands=tuple(commands), expected_power_w=expected_w, switches=switches)


def _heat_pump(
    shift: _Shift, device: HeatPump, want: Want, memory: SwitchMemory
) -> tuple[Command, float, SwitchMemory]:
    wanted_w = want.power_w or 0.0
    if device.id in shift.seen.silent:
        return _silent(shift, device.id, HeatPumpPower(power_w=0.0), wanted_w), 0.0, memory
    room_w, circuit = shift.room.tightest(device.circuit, device.phases, importing=True)
    bounds = [
        _bound(Authority.DEVICE, LimitRule.NAMEPLATE, 0.0, device.power_max_w),
        _fuse_bound(-WIDE, room_w * len(device.phases), circuit),
        *_connection_bounds(shift, lower_matters=False),
    ]
    if not want.urgent:
        bounds += _dwell_bounds(shift, memory, device.power_min_w, device.min_run_s, device.min_rest_s)
    power_w, limited = settle(bounds, wanted_w)
    if power_w < device.power_min_w * (1 - 1e-9):
        limited = _floored(limited, power_w, device.power_min_w)
        power_w = 0.0
    _book(shift, device.circuit, device.phases, power_w)
    switched = switching.after(memory, running=power_w > 0, now=shift.now)
    return _command(shift, device.id, HeatPumpPower(power_w=power_w), limited), power_w, switched


def _charger(shift: _Shift, device: Charger, want: Want, memory: SwitchMemory) -> tuple[Command, float, SwitchMemory]:
    wanted_w = want.power_w or 0.0
    values = shift.seen.chargers.get(device.id)
    if values is None:
        pause = ChargeCurrent(current_a=0.0, phase_count=device.phase_counts[0])
        return _silent(shift, device.id, pause, wanted_w), 0.0, memory
    present = values.car is not CarState.ABSENT
    room_a, circuit = _headroom_a(shift, device)
    bounds = [
        _bound(Authority.DEVICE, LimitRule.NAMEPLATE, 0.0, device.power_max_w if present else 0.0),
        _fuse_bound(-WIDE, highest_power_w(device, room_a), circuit),
        *_connection_bounds(shift, lower_matters=False),
    ]
    if present and not want.urgent:
        bounds += _dwell_bounds(shift, memory, device.power_min_w, CHARGE_RUN_MIN_S, CHARGE_REST_MIN_S)
    allowed_w, limited = settle(bounds, wanted_w)
    usable_a, dwelling = _phase_choices(shift, device, values, memory, room_a)
    offer = choose_offer(device, power_w=allowed_w, headroom_a=usable_a, keep_count=values.phase_count)
    if dwelling and offer.power_w < allowed_w * 0.95:
        limited = (
            *limited,
            LimitedBy(authority=Authority.HOUSEHOLD, rule=LimitRule.PHASE_DWELL, limit_w=offer.power_w),
        )
    elif offer.power_w == 0:
        limited = _floored(limited, allowed_w, device.power_min_w)
    _book(shift, device.circuit, device.wired_phases(offer.phase_count), offer.power_w)
    switched = switching.after_offer(memory, offer.power_w, offer.phase_count, values, shift.now)
    action = ChargeCurrent(current_a=offer.current_a, phase_count=offer.phase_count)
    return _command(shift, device.id, action, limited), offer.power_w, switched


def _battery(shift: _Shift, device: Battery, want: Want) -> tuple[Command, float]:
    wanted_w = want.power_w or 0.0
    values = shift.seen.batteries.get(device.id)
    if values is None or values.stored_wh is None:
        return _silent(shift, device.id, BatteryPower(power_w=0.0), wanted_w), 0.0
    window = sustainable_power(values.stored_wh, device, shift.lease.duration_s)
    charge_w = _least(device.charge_power_max_w, values.charge_power_max_w)
    discharge_w = _least(device.discharge_power_max_w, values.discharge_power_max_w)
    import_room_w, import_circuit = shift.room.tightest(device.circuit, device.phases, importing=True)
    export_room_w, _ = shift.room.tightest(device.circuit, device.phases, importing=False)
    count = len(device.phases)
    bounds = [
        _bound(Authority.DEVICE, LimitRule.NAMEPLATE, -device.discharge_power_max_w, device.charge_power_max_w),
        _bound(Authority.DEVICE, LimitRule.BMS, -discharge_w, charge_w),
        Bound(authority=Authority.DEVICE, rule=LimitRule.WINDOW, range=window),
        _fuse_bound(-export_room_w * count, import_room_w * count, import_circuit),
        *_connection_bounds(shift, lower_matters=True),
    ]
    if shift.net_w is None:
        # Blind, a discharge could feed the grid and a charge could meet any load: rest.
        bounds.append(_bound(Authority.FUSE, LimitRule.METER_STALE, 0.0, 0.0))
    power_w, limited = settle(bounds, wanted_w)
    _book(shift, device.circuit, device.phases, power_w)
    return _command(shift, device.id, BatteryPower(power_w=power_w), limited), power_w


def _pv(shift: _Shift, device: PvPlant, want: Want) -> tuple[Command, float]:
    values = shift.seen.pv.get(device.id)
    made_w = 0.0 if values is None else max(0.0, -values.power_w)
    if not device.curtailable:
        return _command(shift, device.id, ProductionLimit(production_power_max_w=None), ()), -made_w
    free_w = device.peak_w * PV_OVERSHOOT_RATIO
    wanted_w = -free_w if want.power_w is None else want.power_w
    bounds = [_bound(Authority.DEVICE, LimitRule.NAMEPLATE, -free_w, 0.0)]
    for authority, rule, export_max_w in _export_limits(shift):
        if shift.net_w is not None:
            # Everything but this plant is decided: it may fill what is left of the export limit.
            without_w = shift.net_w + made_w
            bounds.append(_bound(authority, rule, min(0.0, -export_max_w - without_w), 0.0))
    power_w, limited = settle(bounds, wanted_w)
    release = power_w <= -free_w + 1e-6
    limit_w = None if release else -power_w
    if shift.net_w is not None:
        shift.net_w += made_w - min(made_w, -power_w)
    return _command(shift, device.id, ProductionLimit(production_power_max_w=limit_w), limited), -min(made_w, -power_w)


def _least(nameplate_w: float, said_w: float | None) -> float:
    return nameplate_w if said_w is None else max(0.0, min(nameplate_w, said_w))


def _bound(authority: Authority, rule: LimitRule, lower_w: float, upper_w: float) -> Bound:
    return Bound(authority=authority, rule=rule, range=PowerRange(lower_w=lower_w, upper_w=upper_w))


def _fuse_bound(lower_w: float, upper_w: float, circuit: CircuitId) -> Bound:
    rule = LimitRule.MAIN_FUSE if circuit == MAIN else LimitRule.CIRCUIT_FUSE
    power = PowerRange(lower_w=min(lower_w, 0.0), upper_w=max(upper_w, 0.0))
    return Bound(authority=Authority.FUSE, rule=rule, range=power, circuit=circuit)


def _import_limits(shift: _Shift) -> list[tuple[Authority, LimitRule, float]]:
    own_w = shift.state.site.connection.import_power_max_w
    found = [] if own_w is None else [(Authority.FUSE, LimitRule.CONNECTION_IMPORT, own_w)]
    outside = [each for each in shift.limits if each.import_power_max_w is not None]
    return found + [(each.authority, LimitRule.OPERATOR_IMPORT, each.import_power_max_w or 0.0) for each in outside]


def _export_limits(shift: _Shift) -> list[tuple[Authority, LimitRule, float]]:
    own_w = shift.state.site.connection.export_power_max_w
    found = [] if own_w is None else [(Authority.FUSE, LimitRule.CONNECTION_EXPORT, own_w)]
    outside = [each for each in shift.limits if each.export_power_max_w is not None]
    return found + [(each.authority, LimitRule.OPERATOR_EXPORT, each.export_power_max_w or 0.0) for each in outside]


def _connection_bounds(shift: _Shift, *, lower_matters: bool) -> list[Bound]:
    """What the limits on the site's exchange leave for the next device, given all that is decided already.

    Blind (no grid reading) an import limit leaves nothing: the residual load may be anything.
    """
    bounds = []
    for authority, rule, max_w in _import_limits(shift):
        left_w = 0.0 if shift.net_w is None else max(0.0, max_w - shift.net_w)
        bounds.append(_bound(authority, rule, -WIDE, left_w))
    if lower_matters:
        for authority, rule, max_w in _export_limits(shift):
            left_w = 0.0 if shift.net_w is None else max(0.0, max_w + shift.net_w)
            bounds.append(_bound(authority, rule, -left_w, WIDE))
    return bounds


def _dwell_bounds(
    shift: _Shift, memory: SwitchMemory, power_min_w: float, run_min_s: float, rest_min_s: float
) -> list[Bound]:
    """Household rules, weaker than fuse and operator: go on for a while, rest for a while."""
    if memory.switched_mono_s is None:
        return []
    since_s = shift.now.mono_s - memory.switched_mono_s
    if memory.running and since_s < run_min_s:
        return [_bound(Authority.HOUSEHOLD, LimitRule.MIN_RUN, power_min_w, WIDE)]
    if not memory.running and since_s < rest_min_s:
        return [_bound(Authority.HOUSEHOLD, LimitRule.MIN_REST, -WIDE, 0.0)]
    return []


def _headroom_a(shift: _Shift, device: Charger) -> tuple[dict[int, float], CircuitId]:
    """Current left by number of phases [A], and the circuit that decides for the most phases."""
    room: dict[int, float] = {}
    deciding = device.circuit
    for count in device.phase_counts:
        left_w, deciding = shift.room.tightest(device.circuit, device.wired_phases(count), importing=True)
        room[count] = left_w / VOLTAGE_V
    return room, deciding


def _phase_choices(
    shift: _Shift, device: Charger, values: ChargerValues, memory: SwitchMemory, room_a: dict[int, float]
) -> tuple[dict[int, float], bool]:
    """Numbers of phases that may be used now, and whether a dwell time took some away.

    Soon after a change the number stays, unless the smallest current no longer fits on it.
    """
    changed = memory.phases_switched_mono_s
    held = changed is not None and shift.now.mono_s - changed < PHASE_DWELL_S
    current = values.phase_count
    if held and current in room_a and room_a[current] >= device.current_min_a:
        return {current: room_a[current]}, len(room_a) > 1
    return room_a, False


def _floored(limited: tuple[LimitedBy, ...], allowed_w: float, floor_w: float) -> tuple[LimitedBy, ...]:
    if not 0 < allowed_w < floor_w:
        return limited
    return (*limited, LimitedBy(authority=Authority.DEVICE, rule=LimitRule.CURRENT_FLOOR, limit_w=0.0))


def _book(shift: _Shift, circuit: CircuitId, phases: tuple[Phase, ...], power_w: float) -> None:
    shift.room.take(circuit, phases, power_w)
    if shift.net_w is not None:
        shift.net_w += power_w


def _silent(shift: _Shift, device_id: DeviceId, resting: Action, wanted_w: float) -> Command:
    """A device that does not answer is told its safe value, in case it listens."""
    silence = LimitedBy(authority=Authority.DEVICE, rule=LimitRule.DEVICE_SILENT, limit_w=0.0)
    return _command(shift, device_id, resting, (silence,) if wanted_w else ())


def _command(shift: _Shift, device_id: DeviceId, action: Action, limited: tuple[LimitedBy, ...]) -> Command:
    return Command(device_id=device_id, action=action, lease=shift.lease, authority=Authority.PLAN, limited_by=limited)
