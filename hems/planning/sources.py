"""PV and batteries of one slot under the rules: run at full production, store and cover, hold back what is too much."""

from hems.domain.problem import BatteryInput, InverterInput, PlanningProblem
from hems.domain.site import DeviceId
from hems.planning.constraints.inverter import ac_power_w, dc_power_w
from hems.planning.flows import Conductors, Flow, Weights
from hems.planning.reading import inverter_members


class Bus:
    """The DC side of a hybrid inverter; it may hold more sun than fits through until it is stored or held back."""

    def __init__(self, inverter: InverterInput, weights: Weights) -> None:
        self.inverter = inverter
        self.weights = weights
        self.dc_w = 0.0

    @property
    def ac_w(self) -> float:
        """What goes through, load convention [W]."""
        return max(ac_power_w(self.inverter, self.dc_w), -self.inverter.give_power_max_w)

    def dc_for_w(self, ac_w: float) -> float:
        """Power on the bus for one on the AC side, as far as the inverter can."""
        within_w = min(max(ac_w, -self.inverter.give_power_max_w), self.inverter.take_power_max_w)
        return dc_power_w(self.inverter, within_w)


class Sources:
    """PV at full production to begin with; every step keeps the flow up to date."""

    def __init__(self, problem: PlanningProblem, conductors: Conductors, flow: Flow, slot: int) -> None:
        self._problem = problem
        self._conductors = conductors
        self._flow = flow
        self._made_w = [plant.production_power_w[slot] for plant in problem.pv]
        self._buses: dict[DeviceId, Bus] = {}
        for inverter, members in zip(problem.inverters, inverter_members(problem), strict=True):
            if inverter.device_id not in self._buses:
                bus = Bus(inverter, conductors.weights(inverter.circuit_id, inverter.phases))
                bus.dc_w = -sum(self._made_w[index] for index in members.pv)
                flow.add(bus.weights, bus.ac_w)
                self._buses[inverter.device_id] = bus
        for index, plant in enumerate(problem.pv):
            if plant.curtailable and plant.inverter_id is None:
                flow.add(self._pv_weights(index), -self._made_w[index])

    def _pv_weights(self, index: int) -> Weights:
        plant = self._problem.pv[index]
        if plant.inverter_id is not None:
            return self._buses[plant.inverter_id].weights
        return self._conductors.weights(plant.circuit_id, plant.phases)

    def self_consume(self, battery: BatteryInput, *, lowest_w: float, highest_w: float) -> float:
        """Power that brings the connection towards 0 inside the battery's range, load convention [W].

        On a DC bus it first takes the sun that does not fit through the inverter.
        """
        net_w = self._flow.now[0]
        if battery.inverter_id is None:
            weights = self._conductors.weights(battery.circuit_id, battery.phases)
            power_w = min(max(self._allowed_w(weights, -net_w), lowest_w), highest_w)
            self._flow.add(weights, power_w)
            return power_w
        bus = self._buses[battery.inverter_id]
        before_w = bus.ac_w
        wanted_w = bus.dc_for_w(before_w + self._allowed_w(bus.weights, -net_w)) - bus.dc_w
        power_w = min(max(wanted_w, lowest_w), highest_w)
        bus.dc_w += power_w
        self._flow.add(bus.weights, bus.ac_w - before_w)
        return power_w

    def _allowed_w(self, weights: Weights, change_w: float) -> float:
        return min(max(change_w, -self._flow.room_down_w(weights)), self._flow.room_up_w(weights))

    def export_nothing(self) -> None:
        """Holds PV back until nothing is exported, as far as no phase counts on it."""
        for index in range(len(self._made_w)):
            surplus_w = min(-self._flow.now[0], self._flow.room_up_w(self._pv_weights(index)))
            self._hold_back(index, surplus_w)

    def keep_limits(self) -> None:
        """Holds PV back until no limit on export is passed."""
        for index in range(len(self._made_w)):
            self._hold_back(index, self._flow.missing_w(self._pv_weights(index)))

    def _hold_back(self, index: int, change_w: float) -> None:
        """Takes a plant's production back by what shall flow less on the AC side, as far as it can be."""
        plant = self._problem.pv[index]
        if change_w <= 0 or not plant.curtailable:
            return
        if plant.inverter_id is None:
            held_w = min(change_w, self._made_w[index])
            self._flow.add(self._pv_weights(index), held_w)
        else:
            bus = self._buses[plant.inverter_id]
            before_w = bus.ac_w
            held_w = min(max(0.0, bus.dc_for_w(before_w + change_w) - bus.dc_w), self._made_w[index])
            bus.dc_w += held_w
            self._flow.add(bus.weights, bus.ac_w - before_w)
        self._made_w[index] -= held_w

    def production_w(self) -> list[float]:
        """What each plant makes in the end; what still does not fit through an inverter is held back."""
        for bus in self._buses.values():
            too_much_w = bus.dc_for_w(bus.ac_w) - bus.dc_w
            for index, plant in enumerate(self._problem.pv):
                if plant.inverter_id == bus.inverter.device_id and too_much_w > 0:
                    held_w = min(too_much_w, self._made_w[index])
                    self._made_w[index] -= held_w
                    bus.dc_w += held_w
                    too_much_w -= held_w
        return self._made_w
