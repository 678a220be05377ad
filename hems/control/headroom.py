"""How much current is left behind each fuse. The one place where a fuse turns into watts."""

from dataclasses import dataclass, field

from hems.control.estimate import FUSE_USE_RATIO, RECOVERY_S, Estimate
from hems.control.residual import FAST_METER_S
from hems.control.state import ControlState, HourHigh
from hems.domain.power import ALL_PHASES, VOLTAGE_V, Phase, PhaseValues, spread
from hems.domain.site import MAIN, Battery, Charger, Circuit, CircuitId, Controllable, PvPlant, Site
from hems.domain.time import Now

UNSEEN_STEP_A = 13.0
"""What can switch on unseen between two readings: one 3 kW appliance on one phase, the most that a plug carries [A]."""
HOUSE_SHARE_RATIO = 0.72
"""Most of a fuse's rating that the unmetered load is expected to reach on a phase by itself (18 A of 25 A): a house
that needs more has blown its fuse before anybody bought a car. Without this cap every running oven would stop a charge
that fits (simulated: 2 to 8 kWh missed in 28 days of home A; with it none, at 0 s above the fuse in 7 of 8 seeds)."""


@dataclass(slots=True, kw_only=True)
class Headroom:
    """Power left per circuit and phase, each way."""

    site: Site
    reserve_w: PhaseValues
    """What is kept free behind the main fuse for the load that nothing controls."""
    import_left_w: dict[tuple[CircuitId, Phase], float]
    export_left_w: dict[tuple[CircuitId, Phase], float]
    chains: dict[CircuitId, tuple[Circuit, ...]] = field(default_factory=dict)

    def tightest(self, circuit: CircuitId, phases: tuple[Phase, ...], *, importing: bool) -> tuple[float, CircuitId]:
        """Power left on the worst of the phases [W], and the circuit that decides. Negative: too much is taken."""
        left_w = self.import_left_w if importing else self.export_left_w
        worst_w, worst = float("inf"), circuit
        for each in self._chain(circuit):
            for phase in phases:
                if left_w[each.id, phase] < worst_w:
                    worst_w, worst = left_w[each.id, phase], each.id
        return worst_w, worst

    def take(self, circuit: CircuitId, phases: tuple[Phase, ...], power_w: float) -> None:
        """Reserve a device's power. Production is never credited: it can stop between two readings."""
        share_w = abs(power_w) / len(phases)
        left_w = self.import_left_w if power_w >= 0 else self.export_left_w
        for each in self._chain(circuit):
            for phase in phases:
                left_w[each.id, phase] -= share_w

    def give_back(self, circuit: CircuitId, phases: tuple[Phase, ...], drawn_w: float) -> None:
        """Take back what was reserved for a device's consumption before its own turn."""
        for each in self._chain(circuit):
            for phase in phases:
                self.import_left_w[each.id, phase] += drawn_w / len(phases)

    def _chain(self, circuit: CircuitId) -> tuple[Circuit, ...]:
        if circuit not in self.chains:
            self.chains[circuit] = self.site.circuits_above(circuit)
        return self.chains[circuit]


def headroom(state: ControlState, now_estimate: Estimate, now: Now) -> Headroom:
    """What the fuses leave for controlled devices.

    The residual load hangs behind the main fuse; a sub-circuit carries only the devices that the installer put there.
    PV counts in the export direction with what it makes now; a silent device counts with its nameplate; a device that
    draws more than it is told counts with what it draws, whatever it is told now.
    """
    site = state.site
    reserve_w = residual_reserve(state, now_estimate, now)
    import_left_w: dict[tuple[CircuitId, Phase], float] = {}
    export_left_w: dict[tuple[CircuitId, Phase], float] = {}
    for circuit in site.circuits:
        fuse_w = circuit.fuse_a * VOLTAGE_V * FUSE_USE_RATIO
        for phase in ALL_PHASES:
            import_left_w[circuit.id, phase] = export_left_w[circuit.id, phase] = fuse_w
    given_w = backup_power_w(site, now_estimate) if now_estimate.is_island else None
    for phase in ALL_PHASES:
        most_w = import_left_w[MAIN, phase] if given_w is None else given_w.on(phase) * FUSE_USE_RATIO
        import_left_w[MAIN, phase] = min(most_w, import_left_w[MAIN, phase]) - reserve_w.on(phase)
    room = Headroom(site=site, reserve_w=reserve_w, import_left_w=import_left_w, export_left_w=export_left_w)
    for plant in site.pv:
        room.take(plant.circuit, plant.phases, -counted_production_w(plant, now_estimate))
    for device in site.controllables:
        if device.id in now_estimate.disobeying_w:
            room.take(device.circuit, phases_drawn_on(device, now_estimate), now_estimate.disobeying_w[device.id])
        if now_estimate.is_island:
            continue  # what is silent counts with what it draws: that is in the load that the inverter feeds
        if device.id in now_estimate.silent and not isinstance(device, PvPlant):
            room.take(device.circuit, device.phases, worst_phase_w(device) * len(device.phases))
            if isinstance(device, Battery):
                room.take(device.circuit, device.phases, -device.discharge_power_max_w)
    return room


def backup_power_w(site: Site, now_estimate: Estimate) -> PhaseValues:
    """What the inverters that feed an island give per phase, at most, without help of the sun: clouds are fast [W]."""
    feeding = now_estimate.feeding_batteries(site)
    given_w = PhaseValues()
    for battery, values in feeding:
        allowed_w = values.discharge_power_max_w
        most_w = battery.discharge_power_max_w if allowed_w is None else min(allowed_w, battery.discharge_power_max_w)
        given_w = given_w + spread(max(0.0, most_w), battery.phases)
    whole_w = site.backup.power_max_w
    return given_w if whole_w is None or given_w.total <= whole_w else given_w.scaled(whole_w / given_w.total)


def phases_drawn_on(device: Controllable, now_estimate: Estimate) -> tuple[Phase, ...]:
    """Phases that carry what a device draws at present."""
    values = now_estimate.chargers.get(device.id)
    if isinstance(device, Charger) and values is not None:
        return device.wired_phases(values.phase_count)
    return device.phases


def counted_production_w(plant: PvPlant, now_estimate: Estimate) -> float:
    """What a plant makes now, its peak where it does not say, >= 0 [W]."""
    values = now_estimate.pv.get(plant.id)
    return plant.peak_w if values is None else max(0.0, -values.power_w)


def nameplate_w(device: Controllable) -> float:
    """Most that a device can draw, >= 0 [W]."""
    if isinstance(device, PvPlant):
        return 0.0
    if isinstance(device, Battery):
        return device.charge_power_max_w
    if isinstance(device, Charger):
        return max(
            device.power_at_w(current_a=device.current_max_a, phase_count=count) for count in device.phase_counts
        )
    return device.power_max_w


def worst_phase_w(device: Controllable) -> float:
    """Most that a device can draw on one of its phases: on one phase a charger draws more there than on three [W]."""
    if isinstance(device, Charger):
        counts = device.phase_counts
        return max(device.power_at_w(current_a=device.current_max_a, phase_count=count) / count for count in counts)
    return nameplate_w(device) / len(device.phases)


def residual_reserve(state: ControlState, now_estimate: Estimate, now: Now) -> PhaseValues:
    """Power per phase to keep free for the load that nothing controls [W, >= 0].

    With a look at least every two seconds an overshoot is ended in time by reacting: what is there now counts. With
    slower looks, or none: :func:`static_reserve`.
    What silent devices may be feeding of it is load as well: like any production it can stop between two readings.
    When the meter is back after a silence, what was kept free meanwhile is given back over half a minute.
    """
    seen_w = now_estimate.residual_high_w
    present = None if seen_w is None else seen_w + now_estimate.masked_w
    looks_fast = (
        state.ticked_mono_s is not None
        and now.mono_s - state.ticked_mono_s <= FAST_METER_S
        and state.site.meter.period_s <= FAST_METER_S
    )
    if present is not None and (looks_fast or now_estimate.is_island):
        reserve = present.highest_with(PhaseValues())
    else:
        reserve = static_reserve(state.site, now_estimate.residual_highs, present)
    since_s = now_estimate.recovering_since_mono_s
    if present is None or since_s is None or now_estimate.is_island:
        return reserve
    blind = static_reserve(state.site, now_estimate.residual_highs, None)
    return reserve.highest_with(blind.scaled(1.0 - (now.mono_s - since_s) / RECOVERY_S))


def static_reserve(site: Site, highs: tuple[HourHigh, ...], present: PhaseValues | None) -> PhaseValues:
    """Room for what slow eyes may miss per phase [W]: one appliance more than is seen, up to what a house reaches.

    Blind (``present`` is None) the unmetered load counts as the day's high, at least one appliance.
    """
    fuse_w = site.circuits[0].fuse_a * VOLTAGE_V
    if present is None:
        reserve = spread(UNSEEN_STEP_A * VOLTAGE_V * site.connection.phase_count, site.connection.phases)
        for hour in highs:
            reserve = reserve.highest_with(hour.high_w)
        return reserve

    def reserve_of(seen_w: float) -> float:
        unseen_w = min(max(seen_w, 0.0) + UNSEEN_STEP_A * VOLTAGE_V, HOUSE_SHARE_RATIO * fuse_w)
        # For the moment until it is seen, what switches on may use the spare that is kept for low voltage.
        return max(seen_w, unseen_w - (1 - FUSE_USE_RATIO) * fuse_w)

    return PhaseValues(l1=reserve_of(present.l1), l2=reserve_of(present.l2), l3=reserve_of(present.l3))


def plannable_power_w(state: ControlState) -> float:
    """What all controlled devices together may count on drawing through the main fuse [W, >= 0].

    The same arithmetic as the guard's for an ordinary moment: no appliance runs, one may start.
    """
    return _left_beside_w(state, PhaseValues())


def feed_in_power_w(state: ControlState) -> float:
    """What the main fuse lets out over all phases [W, >= 0]; the guard's own arithmetic with nothing running."""
    site = state.site
    return site.circuits[0].fuse_a * VOLTAGE_V * FUSE_USE_RATIO * site.connection.phase_count


def dependable_power_w(state: ControlState) -> float:
    """What is left as long as the house does not draw more by itself than it is expected to [W, >= 0].

    Who must be ready by a time counts on this: with the plannable power as yardstick cars left with 4 of 300 kWh
    missing (28 days of home A), because evenings, when they charge, are not ordinary moments.
    """
    seen_w = HOUSE_SHARE_RATIO * state.site.circuits[0].fuse_a * VOLTAGE_V - UNSEEN_STEP_A * VOLTAGE_V
    return _left_beside_w(state, PhaseValues(l1=seen_w, l2=seen_w, l3=seen_w))


def _left_beside_w(state: ControlState, present: PhaseValues) -> float:
    site = state.site
    reserve_w = static_reserve(site, state.residual_highs, present)
    fuse_w = site.circuits[0].fuse_a * VOLTAGE_V * FUSE_USE_RATIO
    return sum(max(0.0, fuse_w - reserve_w.on(phase)) for phase in site.connection.phases)
