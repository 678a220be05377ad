"""What odd numbers in a planning problem mean. Solver, rules and check start from the same reading of them."""

from dataclasses import replace

from hems.domain.problem import (
    CarbonInput,
    CircuitInput,
    CommitmentInput,
    NettingInput,
    PeakInput,
    PlanningProblem,
    Series,
)
from hems.domain.site import MAIN, CircuitId
from hems.planning.plausible_devices import (
    FORECAST_PLAUSIBLE_MAX_W,
    POWER_PLAUSIBLE_MAX_W,
    any_price_eur,
    appliance_of,
    battery_of,
    car_of,
    clamped,
    heat_of,
    inverter_of,
    power_w,
    price_eur,
    pv_of,
    series_within,
)

NETTING_PLAUSIBLE_MAX_WH = 1e9
CARBON_PLAUSIBLE_MAX_G = 1e5


def plausible(problem: PlanningProblem) -> PlanningProblem:
    """The problem with numbers that physics allows, shapes and identities unchanged; twice is as good as once.

    Negative magnitudes count as 0, efficiencies lie in 0.05..1, a ceiling is not below its floor, and a device
    whose smallest power exceeds its largest cannot run. Measured states stay what was measured, within bounds that
    keep the arithmetic exact. A number that is none counts as the one nearest to zero that is allowed.
    """
    export_prices = tuple(any_price_eur(each) for each in problem.export_price_eur_per_kwh)
    return replace(
        problem,
        import_price_eur_per_kwh=tuple(any_price_eur(each) for each in problem.import_price_eur_per_kwh),
        export_price_eur_per_kwh=export_prices,
        load_power_w=_flow(problem.load_power_w),
        import_power_max_w=_limit(problem.import_power_max_w),
        export_power_max_w=_limit(problem.export_power_max_w),
        net_error_w=series_within(problem.net_error_w, 0.0, FORECAST_PLAUSIBLE_MAX_W),
        operator_import_max_w=_optional_limit(problem.operator_import_max_w),
        operator_export_max_w=_optional_limit(problem.operator_export_max_w),
        pv=tuple(pv_of(each) for each in problem.pv),
        batteries=tuple(battery_of(each) for each in problem.batteries),
        inverters=tuple(inverter_of(each) for each in problem.inverters),
        cars=tuple(car_of(each, problem.grid) for each in problem.cars),
        heat=tuple(heat_of(each) for each in problem.heat),
        appliances=tuple(appliance_of(each, problem.grid) for each in problem.appliances),
        circuits=_tree(problem.circuits),
        peaks=tuple(_peak(each) for each in problem.peaks),
        netting=None if problem.netting is None else _netting(problem.netting, export_prices),
        carbon=None if problem.carbon is None else _carbon(problem.carbon),
        commitments=tuple(_commitment(each) for each in problem.commitments),
        change_cost_eur=price_eur(problem.change_cost_eur),
    )


def _flow(values: Series) -> Series:
    return series_within(values, -FORECAST_PLAUSIBLE_MAX_W, FORECAST_PLAUSIBLE_MAX_W)


def _limit(values: Series) -> Series:
    return series_within(values, 0.0, POWER_PLAUSIBLE_MAX_W)


def _optional_limit(values: Series | None) -> Series | None:
    return None if values is None else _limit(values)


def _tree(circuits: tuple[CircuitInput, ...]) -> tuple[CircuitInput, ...]:
    """Each circuit once, and every one behind the main fuse in the end."""
    first = {each.circuit_id: each for each in reversed(circuits)}
    return tuple(_circuit(each, first) for each in circuits if first[each.circuit_id] is each)


def _circuit(circuit: CircuitInput, known: dict[CircuitId, CircuitInput]) -> CircuitInput:
    parent_id = circuit.parent_id if circuit.parent_id in known and _ends(circuit, known) else MAIN
    loads = circuit.phase_load_w
    return CircuitInput(
        circuit_id=circuit.circuit_id,
        parent_id=None if circuit.circuit_id == MAIN else parent_id,
        phase_power_max_w=(
            power_w(circuit.phase_power_max_w[0]),
            power_w(circuit.phase_power_max_w[1]),
            power_w(circuit.phase_power_max_w[2]),
        ),
        phase_load_w=None if loads is None else (_flow(loads[0]), _flow(loads[1]), _flow(loads[2])),
    )


def _ends(circuit: CircuitInput, known: dict[CircuitId, CircuitInput]) -> bool:
    """Whether the way up from a circuit reaches the main fuse, or a circuit that counts as behind it."""
    seen = {circuit.circuit_id}
    above = circuit.parent_id
    while above is not None and above != MAIN and above in known:
        if above in seen:
            return False
        seen.add(above)
        above = known[above].parent_id
    return True


def _peak(peak: PeakInput) -> PeakInput:
    return replace(peak, price_eur_per_kw=price_eur(peak.price_eur_per_kw), paid_power_w=power_w(peak.paid_power_w))


def _netting(netting: NettingInput, export_prices: Series) -> NettingInput:
    """Surplus that earned more than ordinary export would be no surplus."""
    return NettingInput(
        balance_wh=clamped(netting.balance_wh, -NETTING_PLAUSIBLE_MAX_WH, NETTING_PLAUSIBLE_MAX_WH),
        surplus_price_eur_per_kwh=min(any_price_eur(netting.surplus_price_eur_per_kwh), *export_prices),
    )


def _carbon(carbon: CarbonInput) -> CarbonInput:
    return CarbonInput(
        intensity_g_per_kwh=series_within(carbon.intensity_g_per_kwh, 0.0, CARBON_PLAUSIBLE_MAX_G),
        price_eur_per_kg=price_eur(carbon.price_eur_per_kg),
    )


def _commitment(commitment: CommitmentInput) -> CommitmentInput:
    bound_w = POWER_PLAUSIBLE_MAX_W
    return replace(
        commitment,
        grid_power_w=tuple(
            None if each is None else clamped(each, -bound_w, bound_w) for each in commitment.grid_power_w
        ),
        tolerance_w=power_w(commitment.tolerance_w),
    )
