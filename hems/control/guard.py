"""The gate: the only maker of commands. Whatever is wanted, what leaves here fits every limit.

Devices are served in a fixed order (heat pumps, chargers, batteries, PV), each inside what the ones before left.
Bounds by authority: the device itself, the fuses, the operator, the household. Where nothing is known the guard
assumes the worst that is physically possible and says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hems.control import backup, switching
from hems.control.arbitrate import Bound, settle
from hems.control.current import choose_offer, highest_power_w
from hems.control.estimate import OVERDRAW_W, Estimate
from hems.control.exchange import WIDE_W, Exchange, exchange, filled
from hems.control.headroom import Headroom, counted_production_w, headroom, phases_drawn_on
from hems.control.lending import lend
from hems.control.sharing import claims, hold_for_others, in_order
from hems.control.state import ControlState, SwitchMemory
from hems.control.want import Want
from hems.domain.command import (
    Action,
    Authority,
    BatteryPower,
    BatteryReleased,
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
LEASE_MAX_S = 1_800.0
"""No regular step is longer than a slot; the first tick after a suspended night must not grant a day."""
PHASE_DWELL_S = 600.0
"""Between two changes of the number of phases: contactors are rated for some 10^5 operations, cars dislike more."""
CHARGE_RUN_MIN_S = 300.0
"""A car that started goes on this long, and a paused one rests this long, unless a stronger rule says otherwise."""
CHARGE_REST_MIN_S = 120.0
PV_OVERSHOOT_RATIO = 1.3
"""Cold, bright modules pass their peak power by up to a fifth: a limit above this is no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """Commands for every device, and what the devices are expected to draw under them."""

    commands: tuple[Command, ...]
    expected_power_w: Mapping[DeviceId, float]
    switches: Mapping[DeviceId, SwitchMemory]


@dataclass(slots=True, kw_only=True)
class _Shift:
    """One pass of the guard over the house."""

    seen: Estimate
    now: Now
    lease: Lease
    room: Headroom
    connection: Exchange
    undecided_peak_w: float
    """Peak power of the plants that can be limited and have not been served yet."""
    all_peak_w: float


def lease_s(state: ControlState, now: Now) -> float:
    """How long a command of this tick holds [s]."""
    gap_s = 0.0 if state.ticked_mono_s is None else now.mono_s - state.ticked_mono_s
    return min(max(LEASE_MIN_S, LEASE_TICKS * gap_s), LEASE_MAX_S)


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
    site = state.site
    room = headroom(state, seen, now)
    peak_w = sum(plant.peak_w for plant in site.pv if plant.curtailable)
    shift = _Shift(
        seen=seen,
        now=now,
        lease=Lease(granted_mono_s=now.mono_s, duration_s=lease_s(state, now)),
        room=room,
        connection=exchange(site, seen, limits, room.reserve_w),
        undecided_peak_w=peak_w,
        all_peak_w=peak_w,
    )
    wanted_w = {key: want.known_w for key, want in wants.items()}
    lend(site, seen, wanted_w, room, shift.connection, shift.lease.duration_s)
    commands: list[Command] = []
    expected_w: dict[DeviceId, float] = {}
    switches: dict[DeviceId, SwitchMemory] = dict(state.switches)
    # In an island nobody holds anything back: the household's order is the order.
    claimed = [] if seen.is_island else claims(site.chargers, seen, wants)
    chargers = in_order(site.chargers, claimed)
    in_turn: Sequence[Controllable] = (*site.heat_pumps, *chargers, *site.batteries, *site.pv)
    if seen.is_island:
        in_turn = backup.in_order(site, in_turn)
    for device in in_turn:
        want = wants.get(device.id) or Want(device_id=device.id, power_w=None)
        memory = switches.get(device.id) or SwitchMemory()
        _forget_disobedience(shift, device)
        match device:
            case HeatPump():
                command, power_w, memory = _heat_pump(shift, device, want, memory)
                assert isinstance(command.action, HeatPumpPower)
                switches[device.id] = switching.after_hold(memory, command.action.power_w, device.min_run_s, now)
            case Charger():
                held = hold_for_others(device, claimed, room, shift.connection)
                command, power_w, switches[device.id] = _charger(shift, device, want, memory)
                held.release()
            case Battery() if seen.is_island:
                command, power_w = _by_its_inverter(shift, device, BatteryReleased())
            case PvPlant() if seen.is_island:
                command, power_w = _by_its_inverter(shift, device, ProductionLimit(production_power_max_w=None))
            case Battery():
                command, power_w = _battery(shift, device, want)
            case PvPlant():
                command, power_w = _pv(shift, device, want)
        _keep_room_for_disobedience(shift, device, command, power_w)
        commands.append(command if want.authority is Authority.PLAN else replace(command, authority=want.authority))
        expected_w[device.id] = power_w
    return Permitted(commands=tuple(commands), expected_power_w=expected_w, switches=switches)


def _forget_disobedience(shift: _Shift, device: Controllable) -> None:
    """What a device draws against its command counts for the others; it is told what fits, in case it listens."""
    if (drawn_w := shift.seen.disobeying_w.get(device.id)) is not None:
        shift.room.give_back(device.circuit, phases_drawn_on(device, shift.seen), drawn_w)
        shift.connection.reserve(device.id, -drawn_w)


def _keep_room_for_disobedience(shift: _Shift, device: Controllable, command: Command, power_w: float) -> None:
    if (drawn_w := shift.seen.disobeying_w.get(device.id)) is None:
        return
    drawn_on = phases_drawn_on(device, shift.seen)
    action = command.action
    elsewhere = isinstance(action, ChargeCurrent) and action.phase_count != len(drawn_on)
    beyond_w = max(0.0, drawn_w if elsewhere else drawn_w - power_w)
    shift.room.take(device.circuit, drawn_on, beyond_w)
    shift.connection.reserve(device.id, beyond_w)


def _heat_pump(
    shift: _Shift, device: HeatPump, want: Want, memory: SwitchMemory
) -> tuple[Command, float, SwitchMemory]:
    values = shift.seen.heat_pumps.get(device.id)
    if values is None:
        rested = switching.after(memory, running=False, now=shift.now)
        fits = _nameplate_fits(shift, device)
        command = _silent(shift, device.id, HeatPumpPower(power_w=None if fits else 0.0), want)
        told_w = device.power_max_w if fits else 0.0
        # It may start: what others draw of the sun is then bought for it.
        shift.connection.import_net_w += told_w
        return command, told_w, rested
    room_w, circuit = shift.room.tightest(device.circuit, device.phases, importing=True)
    bounds = [
        _bound(Authority.DEVICE, LimitRule.NAMEPLATE, 0.0, device.power_max_w),
        _fuse_bound(shift, -WIDE_W, room_w * len(device.phases), circuit),
        *shift.connection.import_bounds(device.id, values.power_w),
    ]
    if want.power_w is None:
        return _by_itself(shift, device, bounds, values.power_w, memory)
    bounds += _dwell_bounds(shift.now, memory, device.power_min_w, device.min_run_s, device.min_rest_s)
    power_w, limited = settle(bounds, want.known_w)
    if power_w < device.power_min_w * (1 - 1e-9):
        limited = _floored(limited, power_w, device.power_min_w)
        power_w = 0.0
    _book(shift, device, device.phases, power_w, values.power_w)
    switched = switching.after(memory, running=power_w > 0, now=shift.now)
    return _command(shift, device.id, HeatPumpPower(power_w=power_w), limited), power_w, switched


def _by_itself(
    shift: _Shift, device: HeatPump, bounds: Sequence[Bound], measured_w: float, memory: SwitchMemory
) -> tuple[Command, float, SwitchMemory]:
    """Its own thermostat may take all that the pump can draw: only where that fits, else it rests."""
    power_w, limited = settle(bounds, device.power_max_w)
    fits = power_w >= device.power_max_w * (1 - 1e-9)
    told_w = device.power_max_w if fits else 0.0
    _book(shift, device, device.phases, told_w, measured_w)
    # A pump at rest draws some watts for its electronics.
    switched = switching.after(memory, running=fits and measured_w > OVERDRAW_W, now=shift.now)
    action = HeatPumpPower(power_w=None if fits else 0.0)
    return _command(shift, device.id, action, () if fits else limited), told_w, switched


def _nameplate_fits(shift: _Shift, device: HeatPump) -> bool:
    """Whether a silent pump may go by its own thermostat: its nameplate, which counts for all others already."""
    left_w, _ = shift.room.tightest(device.circuit, device.phases, importing=True)
    fits = all(
        each.drawn_w <= each.ceiling.power_max_w for each in shift.connection.dimmings if device.id in each.devices
    )
    return left_w >= 0 and fits and not shift.connection.imports


def _charger(shift: _Shift, device: Charger, want: Want, memory: SwitchMemory) -> tuple[Command, float, SwitchMemory]:
    values = shift.seen.chargers.get(device.id)
    if values is None:
        pause = ChargeCurrent(current_a=0.0, phase_count=device.phase_counts[0])
        return _silent(shift, device.id, pause, want), 0.0, switching.after(memory, running=False, now=shift.now)
    present = values.car is not CarState.ABSENT
    room_a, circuit = _headroom_a(shift, device)
    bounds = [
        _bound(Authority.DEVICE, LimitRule.NAMEPLATE, 0.0, device.power_max_w if present else 0.0),
        _fuse_bound(shift, -WIDE_W, highest_power_w(device, room_a), circuit),
        *shift.connection.import_bounds(device.id, values.power_w),
    ]
    if present and not want.urgent:
        bounds += _dwell_bounds(shift.now, memory, device.power_min_w, CHARGE_RUN_MIN_S, CHARGE_REST_MIN_S)
    allowed_w, limited = settle(bounds, want.known_w)
    held_count = _held_count(shift, device, memory, room_a)
    usable_a = room_a if held_count is None else {held_count: room_a[held_count]}
    offer = choose_offer(
        device, power_w=allowed_w, headroom_a=usable_a, keep_count=held_count or _count_in_use(device, values)
    )
    if len(usable_a) < len(room_a) and offer.power_w < allowed_w * 0.95:
        dwell = LimitedBy(authority=Authority.HOUSEHOLD, rule=LimitRule.PHASE_DWELL, limit_w=offer.power_w)
        limited = tuple(sorted((*limited, dwell), key=lambda each: each.authority))
    elif offer.power_w == 0:
        limited = _floored(limited, allowed_w, device.power_min_w)
    _book(shift, device, device.wired_phases(offer.phase_count), offer.power_w, values.power_w)
    switched = switching.after_offer(memory, offer.power_w, offer.phase_count, values, shift.now)
    action = ChargeCurrent(current_a=offer.current_a, phase_count=offer.phase_count)
    return _command(shift, device.id, action, limited), offer.power_w, switched


def _battery(shift: _Shift, device: Battery, want: Want) -> tuple[Command, float]:
    values = shift.seen.batteries.get(device.id)
    if values is None or values.stored_wh is None:
        return _silent(shift, device.id, BatteryPower(power_w=0.0), want), 0.0
    window = sustainable_power(values.stored_wh, device, shift.lease.duration_s)
    lent_bounds = shift.connection.called_in(device.id)
    charge_w = _least(device.charge_power_max_w, values.charge_power_max_w)
    discharge_w = _least(device.discharge_power_max_w, values.discharge_power_max_w)
    import_room_w, import_circuit = shift.room.tightest(device.circuit, device.phases, importing=True)
    export_room_w, export_circuit = shift.room.tightest(device.circuit, device.phases, importing=False)
    count = len(device.phases)
    bounds = [
        _bound(Authority.DEVICE, LimitRule.NAMEPLATE, -device.discharge_power_max_w, device.charge_power_max_w),
        _bound(Authority.DEVICE, LimitRule.BMS, -discharge_w, charge_w),
        Bound(authority=Authority.DEVICE, rule=LimitRule.WINDOW, range=window),
        _fuse_bound(shift, -WIDE_W, import_room_w * count, import_circuit),
        _fuse_bound(shift, -export_room_w * count, WIDE_W, export_circuit),
        *lent_bounds,
        *shift.connection.import_bounds(device.id, values.power_w),
        *shift.connection.export_bounds(),
    ]
    if shift.seen.grid is None:
        # Blind, a discharge could feed the grid and a charge could meet any load: rest.
        bounds.append(_bound(Authority.FUSE, LimitRule.METER_STALE, 0.0, 0.0))
    power_w, limited = settle(bounds, want.known_w)
    _book(shift, device, device.phases, power_w, values.power_w)
    return _command(shift, device.id, BatteryPower(power_w=power_w), limited), power_w


def _by_its_inverter(shift: _Shift, device: Battery | PvPlant, action: Action) -> tuple[Command, float]:
    """In an island batteries and modules hold the balance themselves; what they do now is what is expected."""
    return _command(shift, device.id, action, ()), shift.seen.power_w(device.id) or 0.0


def _pv(shift: _Shift, device: PvPlant, want: Want) -> tuple[Command, float]:
    values = shift.seen.pv.get(device.id)
    made_w = 0.0 if values is None else max(0.0, -values.power_w)
    if not device.curtailable:
        return _command(shift, device.id, ProductionLimit(production_power_max_w=None), ()), -made_w
    free_w = device.peak_w * PV_OVERSHOOT_RATIO
    share_ratio = device.peak_w / shift.undecided_peak_w
    left_w, circuit = shift.room.tightest(device.circuit, device.phases, importing=False)
    fuse_w = filled(counted_production_w(device, shift.seen), left_w * len(device.phases), share_ratio)
    bounds = [
        _bound(Authority.DEVICE, LimitRule.NAMEPLATE, -free_w, 0.0),
        _fuse_bound(shift, -fuse_w, WIDE_W, circuit),
    ]
    bounds += shift.connection.production_bounds(made_w, share_ratio)
    if values is None:
        # What it makes is unknown: at most its part of the limit, whatever the house draws.
        part_ratio = device.peak_w / shift.all_peak_w
        for each in shift.connection.exports:
            bounds.append(_bound(each.authority, each.rule, -each.power_max_w * part_ratio, 0.0))
    wanted_w = -free_w if want.power_w is None else want.known_w
    power_w, limited = settle(bounds, min(wanted_w, -shift.connection.least_production_w(made_w)))
    shift.undecided_peak_w -= device.peak_w
    shift.room.take(device.circuit, device.phases, -max(0.0, -power_w - counted_production_w(device, shift.seen)))
    shift.connection.book_production(made_w, -power_w)
    limit_w = None if power_w <= -free_w + 1e-6 else -power_w
    return _command(shift, device.id, ProductionLimit(production_power_max_w=limit_w), limited), -min(made_w, -power_w)


def _least(nameplate_w: float, said_w: float | None) -> float:
    return nameplate_w if said_w is None else max(0.0, min(nameplate_w, said_w))


def _bound(authority: Authority, rule: LimitRule, lower_w: float, upper_w: float) -> Bound:
    return Bound(authority=authority, rule=rule, range=PowerRange(lower_w=lower_w, upper_w=upper_w))


def _fuse_bound(shift: _Shift, lower_w: float, upper_w: float, circuit: CircuitId) -> Bound:
    """A fuse's bound always allows rest: nothing that is controlled can do more about an overload."""
    rule = LimitRule.CIRCUIT_FUSE
    if circuit == MAIN:
        rule = LimitRule.BACKUP_POWER if shift.seen.is_island else LimitRule.MAIN_FUSE
    power = PowerRange(lower_w=min(lower_w, 0.0), upper_w=max(upper_w, 0.0))
    return Bound(authority=Authority.FUSE, rule=rule, range=power, circuit=circuit)


def _dwell_bounds(
    now: Now, memory: SwitchMemory, power_min_w: float, run_min_s: float, rest_min_s: float
) -> list[Bound]:
    """Household rules, weaker than fuse and operator: go on for a while, rest for a while."""
    if memory.switched_mono_s is None:
        return []
    since_s = now.mono_s - memory.switched_mono_s
    if memory.running and since_s < run_min_s:
        return [_bound(Authority.HOUSEHOLD, LimitRule.MIN_RUN, power_min_w, WIDE_W)]
    if not memory.running and since_s < rest_min_s:
        return [_bound(Authority.HOUSEHOLD, LimitRule.MIN_REST, -WIDE_W, 0.0)]
    return []


def _headroom_a(shift: _Shift, device: Charger) -> tuple[dict[int, float], CircuitId]:
    """Current left by number of phases [A], and the circuit that decides for the most phases."""
    room: dict[int, float] = {}
    deciding = device.circuit
    for count in device.phase_counts:
        left_w, deciding = shift.room.tightest(device.circuit, device.wired_phases(count), importing=True)
        room[count] = left_w / VOLTAGE_V
    return room, deciding


def _held_count(shift: _Shift, device: Charger, memory: SwitchMemory, room_a: Mapping[int, float]) -> int | None:
    """Number of phases that stays because it was changed a short while ago; None where it may change.

    What was told counts, not what is reported: a charger needs half a minute to change. The number may change early
    where the smallest current no longer fits on it.
    """
    count, changed = memory.phase_count, memory.phases_switched_mono_s
    if count is None or changed is None or shift.now.mono_s - changed >= PHASE_DWELL_S:
        return None
    return count if count in room_a and room_a[count] >= device.current_min_a else None


def _count_in_use(device: Charger, values: ChargerValues) -> int:
    """A one-phase car at a charger that knows only three is offered three."""
    return values.phase_count if values.phase_count in device.phase_counts else device.phase_counts[-1]


def _floored(limited: tuple[LimitedBy, ...], allowed_w: float, floor_w: float) -> tuple[LimitedBy, ...]:
    if not 0 < allowed_w < floor_w:
        return limited
    return (*limited, LimitedBy(authority=Authority.DEVICE, rule=LimitRule.CURRENT_FLOOR, limit_w=0.0))


def _book(shift: _Shift, device: Controllable, phases: tuple[Phase, ...], power_w: float, measured_w: float) -> None:
    shift.room.take(device.circuit, phases, power_w)
    shift.connection.book(device.id, power_w, measured_w)


def _silent(shift: _Shift, device_id: DeviceId, resting: Action, want: Want) -> Command:
    """A device that does not answer is told its safe value, in case it listens."""
    silence = LimitedBy(authority=Authority.DEVICE, rule=LimitRule.DEVICE_SILENT, limit_w=0.0)
    return _command(shift, device_id, resting, (silence,) if want.power_w else ())


def _command(shift: _Shift, device_id: DeviceId, action: Action, limited: tuple[LimitedBy, ...]) -> Command:
    return Command(device_id=device_id, action=action, lease=shift.lease, authority=Authority.PLAN, limited_by=limited)
